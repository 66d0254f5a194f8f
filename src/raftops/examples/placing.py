"""Rows of other formats to examples: their proof is looked up in the documents; one without is named, not dropped.

A quote has to stand verbatim in a document. Where a row has none, the sentence is taken that carries its answer, by the
check that every served answer passes, in the document or text that the row names, or else in any.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

from pydantic import ValidationError

from raftops.answer.quotes import find_quote
from raftops.answer.support import supports
from raftops.data.records import Evidence, Example, Message, Unit
from raftops.examples.corpus import Corpus
from raftops.examples.foreign import Foreign
from raftops.files import sha256_text
from raftops.retrieval.bm25 import Bm25Encoder, dot
from raftops.spec.model.knowledge import Bm25
from raftops.validation.nearest import nearest
from raftops.validation.splits import normalised

LOOKED_AT = 30
"""Sentences, the likeliest first, that are asked whether they carry an answer."""


@dataclass(frozen=True)
class Placed:
    """A row and what became of it: an example, or why it is none."""

    where: str
    example: Example | None = None
    problem: str = ""


@dataclass(frozen=True)
class Placer:
    """Looks up proofs in the documents of a spec."""

    corpus: Corpus
    language: str = "english"

    def place(self, rows: Iterable[Foreign], prefix: str, kind: Literal["knowledge", "behaviour"]) -> Iterator[Placed]:
        """Each row as an example; ids that repeat or are missing are made of `prefix` and the row's content."""
        taken, asked = set[str](), dict[str, str]()
        for row in rows:
            problem = row.problem
            key = normalised(row.question or " ".join(text for _, text in row.turns))
            if not problem and key in asked:
                problem = f"asks the same as {asked[key]}"
            evidence: list[Evidence] = []
            if not problem and kind == "knowledge" and not row.unanswerable:
                found = self._evidence(row)
                evidence, problem = ([], found) if isinstance(found, str) else (found, "")
            if problem:
                yield Placed(row.where, problem=problem)
                continue
            asked[key] = row.where
            name = row.id if row.id and row.id not in taken and len(row.id) <= 200 else ""
            name = name or f"{prefix}-{sha256_text(key)[:10]}"
            taken.add(name)
            try:
                example = _example(row, name, kind, evidence)
                json.dumps(example.model_dump(), ensure_ascii=False).encode()
                yield Placed(row.where, example)
            except UnicodeEncodeError as error:
                yield Placed(row.where, problem=f"holds half a character ({error.object[error.start]!r})")
            except ValidationError as error:
                yield Placed(
                    row.where, problem="; ".join(str(e["msg"]).removeprefix("Value error, ") for e in error.errors())
                )

    def _evidence(self, row: Foreign) -> list[Evidence] | str:
        """What proves a row's answer, or why there is nothing."""
        documents = self._named(row.document)
        if row.quotes:
            found = [self._quoted(quote, documents) for quote in row.quotes]
            placed = [one for one in found if isinstance(one, Evidence)]
            if len(placed) == len(found):
                return placed
            if not row.context or placed:  # a context of the same row may have it in other words
                return next(one for one in found if isinstance(one, str))
        asked = row.question or row.turns[-1][1]
        units = (
            [unit for doc_id in documents for unit in self.corpus.by_document(doc_id)]
            if documents
            else self.corpus.units
        )
        carrier = self._carrier(asked, row.answer, units, row.context)
        if carrier is None and documents:
            carrier = self._carrier(asked, row.answer, self.corpus.units, row.context)
        if carrier is None:
            return "no sentence of the documents carries the answer; give its quote and document"
        return [Evidence(doc_id=carrier.doc_id, quote=" ".join(carrier.text.split()))]

    def _quoted(self, quote: str, documents: Sequence[str]) -> Evidence | str:
        """Where a quote stands: in the documents that are named, or else in any."""
        for doc_id in (*documents, *(d for d in self.corpus.texts if d not in documents)):
            if find_quote(quote, self.corpus.texts[doc_id]):
                return Evidence(doc_id=doc_id, quote=quote)
        shown = quote if len(quote) <= 80 else f"{quote[:80]}..."
        hint = nearest(quote, self.corpus.texts[documents[0]]) if documents else ""
        return f'the quote "{shown}" stands in no document{hint}'

    def _named(self, name: str) -> list[str]:
        """The documents that a name may mean: an id, the end of a path, a file's name, a title."""
        if not name:
            return []
        if name in self.corpus.texts:
            return [name]
        low, stem = name.lower().replace("\\", "/"), PurePosixPath(name.replace("\\", "/")).stem.lower()
        titles = {p.doc_id: p.title.lower() for p in self.corpus.passages}
        return [
            doc_id for doc_id in self.corpus.texts
            if doc_id.lower().endswith(low) or PurePosixPath(doc_id).stem.lower() in (low, stem)
            or titles.get(doc_id) == low.replace("_", " ")
        ]  # fmt: skip

    def _carrier(self, question: str, answer: str, units: Sequence[Unit], context: str) -> Unit | None:
        """The unit that carries an answer, the likeliest first; of a context that is given, only its own units."""
        wanted = self._words.query(f"{question} {answer}")
        scored = sorted(
            ((dot(wanted, self._vector(unit)), n) for n, unit in enumerate(units)), key=lambda s: (-s[0], s[1])
        )
        able = [units[n] for score, n in scored if score > 0]
        if context:
            flat = " ".join(context.split())
            inside = [unit for unit in able if " ".join(unit.text.split()) in flat]
            able = inside or able
        return next((u for u in able[:LOOKED_AT] if supports([u], answer, question, self.language)), None)

    def _vector(self, unit: Unit) -> dict[int, float]:
        key = (unit.doc_id, unit.start)
        if key not in self._vectors:
            self._vectors[key] = self._words.document(f"{unit.heading} {unit.locator.table_header} {unit.text}")
        return self._vectors[key]

    @cached_property
    def _vectors(self) -> dict[tuple[str, int], dict[int, float]]:
        return {}

    @cached_property
    def _words(self) -> Bm25Encoder:
        encoder = Bm25Encoder(Bm25(language=self.corpus.spec.index.bm25.language))
        encoder.count(f"{u.heading} {u.locator.table_header} {u.text}" for u in self.corpus.units)
        return encoder


def _example(row: Foreign, name: str, kind: Literal["knowledge", "behaviour"], evidence: Sequence[Evidence]) -> Example:
    turns = tuple(Message(role="user" if role == "user" else "assistant", content=text) for role, text in row.turns)
    return Example(
        id=name, kind=kind, question=row.question, messages=turns, answer=row.answer, evidence=tuple(evidence),
        accepted=row.accepted if kind == "knowledge" and not row.unanswerable else (), unanswerable=row.unanswerable,
        near_miss=row.near_miss, language=row.language,
    )  # fmt: skip
