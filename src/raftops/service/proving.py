"""Shows on a running service that one caller sees a document and another does not: by search and by chat.

What is asked are the document's own words; what must not come back are its name and its other sentences, those that
stand in no document that the second caller may read. A proof for these documents and questions, not for all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raftops.errors import ServiceError
from raftops.service.client import ask, exchange, search

MOST_SHOWN = 50
"""Passages that a search is asked for."""
WORDS = 6
"""Words of a sentence from which on it is no turn of phrase."""
QUESTIONS = 2
"""Questions about each document; each is a search and a chat for each caller."""
QUESTION_CHARS = 300


@dataclass(frozen=True)
class Seen:
    """What a caller was shown of a document."""

    search: bool
    """Among what a search found."""
    chat: bool
    """Cited, named or repeated in an answer."""
    strange: tuple[str, ...] = ()
    """Other documents that came along and that this caller may not read."""

    @property
    def anything(self) -> bool:
        """Whether anything was shown."""
        return self.search or self.chat or bool(self.strange)


@dataclass(frozen=True)
class Proof:
    """One document, asked for by who may read it and by who may not."""

    doc_id: str
    questions: tuple[str, ...]
    reader: Seen
    other: Seen

    @property
    def holds(self) -> bool:
        """Whether the reader finds it, and the other sees nothing."""
        return self.reader.search and not self.other.anything

    @property
    def verdict(self) -> str:
        """In words."""
        if self.other.anything:
            return "SHOWN to who may not read it"
        return "proved" if self.holds else "not proved: its reader does not find it either"


def sentences_of(text: str) -> list[str]:
    """The sentences of a text that are long enough to be told apart, on one line each."""
    lines = re.split(r"(?<=[.!?])\s+|\n{2,}", text)
    return [" ".join(line.split()) for line in lines if len(line.split()) >= WORDS]


def telling(texts: Mapping[str, str], doc_id: str, readable: Collection[str]) -> list[str]:
    """The sentences of a document that stand in none of some other documents, those that say most first."""
    known = "\n".join(" ".join(texts[other].split()) for other in readable if other in texts and other != doc_id)
    own = [sentence for sentence in sentences_of(texts.get(doc_id, "")) if sentence not in known]

    def says(sentence: str) -> int:
        words = sentence.split()
        if "|" in sentence or "@" in sentence:  # a row of a table or an imprint asks for nothing
            return 0
        return 3 * sum(any(c.isdigit() for c in word) for word in words) + min(len(words), 25)

    return sorted(own, key=says, reverse=True)


def prove(url: str, tokens: tuple[str, str], doc_id: str, sentences: Sequence[str], allowed: Collection[str]) -> Proof:
    """Ask for a document as its reader and as the other; `allowed` are the documents that the other may read.

    Raises:
        ServiceError: the service cannot be reached, or refuses one of the two.
    """
    stem = re.sub(r"[-_]+", " ", doc_id.rpartition("/")[2].rpartition(".")[0])
    questions = [sentence[:QUESTION_CHARS] for sentence in sentences[:QUESTIONS]] or [stem]
    rest = [sentence for sentence in sentences[QUESTIONS:] if not any(sentence in question for question in questions)]
    reader, other = (
        _all([_asked(url, token, question, doc_id, rest, known) for question in questions])
        for token, known in ((tokens[0], None), (tokens[1], allowed))
    )
    return Proof(doc_id, tuple(questions), reader, other)


def needs_a_token(url: str) -> None:
    """Check that nobody is answered who does not say who it is. Raises `ServiceError` if somebody is."""
    for token in ("", "not-a-token-of-anybody"):
        answer = exchange(f"{url.rstrip('/')}/v1/search", token, {"query": "hello"}, {}, 30)
        if answer.status < 400:
            raise ServiceError(f"{url}: answers without a good token", next_step="deploy.identity says who may call")


def _all(seen: Sequence[Seen]) -> Seen:
    """What was shown in any of several answers."""
    strange = sorted({doc_id for one in seen for doc_id in one.strange})
    return Seen(any(one.search for one in seen), any(one.chat for one in seen), tuple(strange))


def _asked(  # noqa: PLR0913  one argument per thing looked for
    url: str, token: str, question: str, doc_id: str, rest: Sequence[str], allowed: Collection[str] | None
) -> Seen:
    """What the answers to one question show of a document, and of others that are not allowed."""
    found = search(url, token, question, top_k=MOST_SHOWN)
    answer = ask(url, token, question)
    named = {*_documents_in(found), *_documents_in(answer)}
    strange = sorted(named - set(allowed) - {doc_id}) if allowed is not None else []
    return Seen(_shows(found, doc_id, rest), _shows(answer, doc_id, rest), tuple(strange))


def _shows(answer: Any, doc_id: str, rest: Iterable[str]) -> bool:
    """Whether a document is named in what came back, or one of its sentences stands there."""
    shown = " ".join(json.dumps(answer, ensure_ascii=False).replace("\\n", " ").split())
    escaped = (json.dumps(sentence, ensure_ascii=False)[1:-1] for sentence in rest)
    return doc_id in _documents_in(answer) or any(sentence in shown for sentence in escaped)


def _documents_in(answer: Any) -> set[str]:
    """Every document that is named anywhere in what came back."""
    if isinstance(answer, dict):
        own = {str(answer["doc_id"])} if "doc_id" in answer else set()
        return own.union(*map(_documents_in, answer.values()))
    return set().union(*map(_documents_in, answer)) if isinstance(answer, list) else set()
