"""Golden units and distractors of one example. Text and offsets only; searches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from raftops.answer.quotes import find_quote
from raftops.answer.support import numbers, terms
from raftops.data.records import Example, Locator, Unit


@dataclass(frozen=True)
class Proof:
    """Where the evidence of an example stands."""

    doc_id: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True)
class Source:
    """A document as `augment` needs it."""

    doc_id: str
    version: str
    title: str
    uri: str
    policy_id: str
    text: str


def proofs_of(example: Example, sources: dict[str, Source]) -> list[Proof]:
    """The places of an example's quotes; a quote that is not verbatim is left out, and so makes the list shorter."""
    found = []
    for evidence in example.evidence:
        source = sources.get(evidence.doc_id)
        place = find_quote(evidence.quote, source.text) if source else None
        if place:
            found.append(Proof(evidence.doc_id, *place, evidence.quote))
    return found


def is_golden(unit: Unit, proofs: Sequence[Proof]) -> bool:
    """Whether a unit shows at least half of a quote (or is more than half inside one)."""
    for proof in proofs:
        shared = min(unit.end, proof.end) - max(unit.start, proof.start)
        if unit.doc_id == proof.doc_id and 2 * shared >= min(unit.end - unit.start, proof.end - proof.start):
            return True
    return False


def is_copy(unit: Unit, golden: Sequence[Unit], answer: str, overlap: float) -> bool:
    """Whether a unit says what a golden one says: nearly its words and the same numbers, or the whole answer.

    The rule of another country with another number is no copy: it is the distractor that a reader must learn to pass.
    """
    words, said = terms(unit.text), terms(answer)
    for gold in golden:
        other = terms(gold.text)
        alike = len(words & other) >= overlap * len(words | other)
        if alike and numbers(unit.text) == numbers(gold.text):
            return True
    return len(said) >= 3 and said <= words and any(unit.doc_id == gold.doc_id for gold in golden)


def unit_of(proof: Proof, source: Source) -> Unit:
    """The quote itself as a unit, for examples whose passage the retriever did not bring."""
    return Unit(
        number=0, text=source.text[proof.start : proof.end], doc_id=source.doc_id, version=source.version,
        title=source.title, uri=source.uri, policy_id=source.policy_id, start=proof.start, end=proof.end,
        locator=Locator(), score=0.0,
    )  # fmt: skip


def numbered(units: Sequence[Unit]) -> list[Unit]:
    """The same units, numbered from 1 in this order."""
    return [replace(unit, number=number) for number, unit in enumerate(units, 1)]
