"""Questions that the documents nearly answer: a name, a year or a word of a question is put in the place of another.

What is put in comes from the other documents of the same collection, and from where it stands in them: after the same
word. No list of places, no model. Whether a made question is answered after all is asked of the units that are found
for it (`answering`): their documents are hidden from it. A question that leaves doubt is not made.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from raftops.answer.answering import Library
from raftops.answer.evidence import unit_signals
from raftops.data.records import Hit
from raftops.raftdata.golden import Source
from raftops.retrieval.bm25 import terms
from raftops.retrieval.fusion import by_id, candidates, fuse
from raftops.retrieval.protocols import Embedder
from raftops.spec.model.learning import Prompt

Kind = Literal["name", "year", "word"]
_WORD = re.compile(r"\w+(?:['’.-]\w+)*")
_YEAR = re.compile(r"(?:19|20)\d\d")
_ENDS = ".!?:;|#*-•\n"
LEAST_LETTERS = 4
"""A shorter word is no attribute."""
MOSTLY = 0.8
"""A word is a name where at least this share of its places inside sentences has it with a capital."""
COMMON = 0.5
"""What stands in more of the documents than this is no other place: it is everywhere."""
TOGETHER = 0.7
"""Two names that share more of the rarer one's documents than this may be one thing (a country and its town)."""
FITTING = 100
"""Most words that are compared by meaning: those that stand there most."""
NEAREST = 8
"""Drawn among so many of the most alike."""
LIKE, SAME = 0.35, 0.7
"""Likeness (cosine) of words of one kind; above it they may be two words for one thing."""
WIDE = 40
"""Passages that are looked at for an answer."""
DEPTH = 2
"""Times as much is searched where some of it is hidden."""
COVERS = 0.34
"""A unit of a document that holds the new word may answer where it has this share of the other terms,"""
CLOSE = 0.85
"""or is this near to the best of all units in likeness."""


@dataclass(frozen=True)
class NearMiss:
    """A question with one thing swapped."""

    question: str
    kind: Kind
    old: str
    new: str


@dataclass(frozen=True)
class Vocabulary:
    """What stands where in the documents. Build it once: `Vocabulary.of(sources, embedder)`."""

    documents: Mapping[str, frozenset[str]]
    """Of each name, year and word, in small letters: the documents that hold it."""
    beside: Mapping[str, Counter[str]] = field(repr=False)
    """Of each name and word: what stands before (`in _`) and behind it (`_ must`), with how often."""
    names: Mapping[str, str]
    """Names by their form in small letters; runs of capitalised words are one name."""
    size: int
    language: str
    embedder: Embedder
    """Tells which words mean something of the same kind."""

    @classmethod
    def of(cls, sources: Mapping[str, Source], embedder: Embedder, language: str = "english") -> Vocabulary:
        """The vocabulary of a collection."""
        documents, beside = defaultdict[str, set[str]](set), defaultdict[str, Counter[str]](Counter)
        capital, inside, forms = Counter[str](), Counter[str](), dict[str, str]()
        for source in sources.values():
            for place in _places(source.text):
                key = place.text.lower()
                for part in {key, *key.split(" ")}:
                    documents[part].add(source.doc_id)
                beside[key].update(place.beside)
                if place.inside:
                    inside[key] += 1
                    capital[key] += place.text[0].isupper()
                    forms.setdefault(key, place.text)
        names = {key: forms[key] for key, count in capital.items() if count >= MOSTLY * inside[key]}
        held = {key: frozenset(found) for key, found in documents.items()}
        return cls(held, dict(beside), names, len(sources), language, embedder)

    def terms(self, text: str) -> frozenset[str]:
        """Stems of a text's words, without stop words."""
        return frozenset(terms(text, self.language))

    @cached_property
    def years(self) -> frozenset[str]:
        """Every year that the documents write."""
        return frozenset(key for key in self.documents if _YEAR.fullmatch(key))


def near_misses(
    question: str, golden: frozenset[str], quotes: Sequence[str], vocabulary: Vocabulary, seed: str
) -> list[NearMiss]:
    """At most one of each kind, by seed. `golden`: the documents that answer the question; `quotes`: by what.

    What is put in stands in no golden document; other documents may answer it: see `answering`.
    """
    draw = random.Random(f"{seed}:near miss")
    made = []
    about = vocabulary.terms(" ".join(quotes))
    for kind, others in _OTHERS.items():
        able = [
            (place.text, new)
            for place in _places(question)
            for new in others(place, vocabulary, about)
            if not golden & vocabulary.documents.get(new.lower(), frozenset()) and new.lower() not in question.lower()
        ]
        if able:
            old, new = draw.choice(able)
            swapped = re.sub(rf"\b{re.escape(old)}\b", new, question)
            made.append(NearMiss(swapped, kind, old, new))
    return made


def answering(miss: NearMiss, library: Library, policies: frozenset[str], vocabulary: Vocabulary) -> frozenset[str]:
    """The documents that may answer it after all, to be hidden from it: they hold the new word, and a unit comes near.

    Near is one that has a share of the question's other terms, or is as like the question as the best of all.
    """
    holding = vocabulary.documents.get(miss.new.lower(), frozenset())
    units, signals = unit_signals(miss.question, library.search(miss.question, policies, WIDE), library.embedder)
    likeness = signals[:, 0]
    rest, least = vocabulary.terms(miss.question) - vocabulary.terms(miss.new), CLOSE * max(likeness, default=0.0)
    return frozenset(
        unit.doc_id
        for unit, near in zip(units, likeness, strict=True)
        if unit.doc_id in holding
        and (near >= least or len(rest & vocabulary.terms(f"{unit.heading} {unit.text}")) >= COVERS * len(rest))
    )


def search_without(
    library: Library, question: str, policies: frozenset[str], prompt: Prompt, hidden: frozenset[str]
) -> list[Hit]:
    """What a search would bring if some documents were not there: fused anew, so that no score tells of them."""
    if not hidden:
        return [h for h in library.search(question, policies, prompt.passages) if h.passage.policy_id in policies]
    limit = candidates(prompt.passages)
    found = library.search(question, policies, DEPTH * limit)
    left = [h for h in found if h.passage.policy_id in policies and h.passage.doc_id not in hidden]
    dense = sorted(((h.passage, h.dense) for h in left if h.dense), key=lambda found: -found[1])
    sparse = sorted(((h.passage, h.sparse) for h in left if h.sparse), key=lambda found: -found[1])
    return fuse(by_id(dense[:limit]), by_id(sparse[:limit]), prompt.dense_share, prompt.passages)


@dataclass(frozen=True)
class _Place:
    """A word, or a run of capitalised words, and where it stands."""

    text: str
    start: int
    end: int
    before: str
    """The word before it in the sentence, in small letters; empty at a beginning."""
    behind: str = ""
    """The word behind it, likewise."""
    inside: bool = False
    """Not the first word of a sentence, line or cell: its capital means something."""

    @property
    def beside(self) -> tuple[str, str]:
        """For counting; a beginning or an end is the empty word."""
        return f"{self.before} _", f"_ {self.behind}"


def _places(text: str) -> Iterator[_Place]:
    """Each word of a text once; capitalised words that follow each other inside a sentence are one."""
    found: list[_Place] = []
    for match in _WORD.finditer(text):
        between = text[found[-1].end : match.start()] if found else ""
        begins = not found or any(mark in _ENDS for mark in between)
        last = found[-1] if found else None
        if last and between == " " and last.inside and last.text[0].isupper() and match[0][0].isupper():
            found[-1] = _Place(f"{last.text} {match[0]}", last.start, match.end(), last.before, inside=True)
        else:
            before = "" if begins or last is None else last.text.lower()
            found.append(_Place(match[0], match.start(), match.end(), before, inside=not begins))
    for place, following in zip(found, [*found[1:], None], strict=True):
        yield replace(place, behind=following.text.lower() if following and following.inside else "")


def _other_names(place: _Place, vocabulary: Vocabulary, about: frozenset[str]) -> list[str]:
    """Names of the same kind that stand where this one stands, and are neither everywhere nor another word for it."""
    if not place.inside or not place.text[0].isupper() or len(place.text) < LEAST_LETTERS:
        return []
    return _alike(place, vocabulary, list(vocabulary.names))


def _other_years(place: _Place, vocabulary: Vocabulary, about: frozenset[str]) -> list[str]:
    """Years that the documents write, and the ten around the one that is asked about."""
    if not _YEAR.fullmatch(place.text):
        return []
    around = {str(int(place.text) + step) for step in range(-5, 6)}
    return sorted((vocabulary.years | around) - {place.text})


def _other_words(place: _Place, vocabulary: Vocabulary, about: frozenset[str]) -> list[str]:
    """Words that stand where this one stands, before the same word and behind the same: a word that its proof has."""
    old = place.text
    if not old.isalpha() or not old.islower() or not vocabulary.terms(old) & about:
        return []
    words = (key for key, places in vocabulary.beside.items() if key.isalpha() and places[place.beside[1]])
    return _alike(place, vocabulary, [k for k in words if k not in vocabulary.names and vocabulary.terms(k)])


def _alike(place: _Place, vocabulary: Vocabulary, keys: Sequence[str]) -> list[str]:
    """Of the words that stand behind the same word as this one: those that mean something of the same kind."""
    old = place.text.lower()
    ours = vocabulary.documents.get(old, frozenset())
    if len(old) < LEAST_LETTERS or len(ours) > COMMON * vocabulary.size:
        return []
    own, able = vocabulary.terms(old), []
    for key in keys:
        theirs, fits = vocabulary.documents[key], vocabulary.beside[key][place.beside[0]]
        together = len(ours & theirs) > TOGETHER * min(len(ours), len(theirs)) if ours else False
        rare = len(theirs) <= COMMON * vocabulary.size
        if fits and rare and not together and len(key) >= LEAST_LETTERS and not vocabulary.terms(key) & own:
            able.append((-fits, vocabulary.names.get(key, key)))
    words = [word for _, word in sorted(able)[:FITTING]]
    if not words:
        return []
    vectors = vocabulary.embedder.embed([place.text, *words])
    near = sorted(zip((-(vectors[1:] @ vectors[0])).tolist(), words, strict=True))
    return [word for likeness, word in near if LIKE <= -likeness <= SAME][:NEAREST]


_OTHERS: Mapping[Kind, Callable[[_Place, Vocabulary, frozenset[str]], list[str]]] = {
    "name": _other_names,
    "year": _other_years,
    "word": _other_words,
}
