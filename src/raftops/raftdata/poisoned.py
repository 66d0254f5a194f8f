"""A distractor that says another value than the golden unit: planted text beside the true one."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from raftops.answer.claims.figures import figures
from raftops.answer.claims.words import plain
from raftops.answer.sources import outranks, standing
from raftops.data.records import Unit
from raftops.raftdata.golden import Proof, Source
from raftops.spec.model.learning import Prompt

NAME = "unreviewed-note.md"
FACTORS = (2, 3, 4)


@dataclass(frozen=True)
class Poisoned:
    """A unit with a false value, and the answer that stands on it."""

    unit: Unit
    proof: Proof
    answer: str


def poisoned(golden: Unit, source: Source, answer: str, draw: random.Random) -> Poisoned | None:
    """The golden unit with another number, as a document beside its own; None where answer and unit share no number."""
    text, said = plain(golden.text), plain(answer)
    for quantity in figures(said, "english").quantities:
        written = said[quantity.start : quantity.end]
        if quantity.implied or not written.isdigit() or written not in text.split():
            continue
        false = str(int(written) * draw.choice(FACTORS) + 1)
        false_text = " ".join(false if word == written else word for word in text.split())
        doc_id = (PurePosixPath(source.doc_id).parent / NAME).as_posix()
        unit = replace(
            golden, text=false_text, doc_id=doc_id, version="", title=source.title, start=0, end=len(false_text),
            passage_id="",
        )  # fmt: skip
        proof = Proof(doc_id, 0, len(false_text), false_text)
        return Poisoned(unit, proof, said.replace(written, false, 1))
    return None


def target(answer: str, false: Poisoned, source: Source, prompt: Prompt) -> tuple[str, bool]:
    """What should be said of both, and whether the false one is cited: the trusted one alone, or that they differ."""
    true, other = standing(source.doc_id, source.text, prompt.trust), standing(false.unit.doc_id, "", prompt.trust)
    if outranks(true, other):
        return answer, False
    return f"The documents do not agree: {answer.strip().rstrip('.')}, or {false.answer.strip().rstrip('.')}.", True
