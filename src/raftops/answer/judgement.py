"""Is a question answerable from the units that were found? A logistic over features of both; JSON on disk.

Says how likely it is that the first units answer, not what the answer is. Where no such judgement was trained, the
thresholds of the spec decide (`prompt.least_score`). How one is fitted: `raftops.training.judgement`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raftops.answer.evidence import unit_line
from raftops.data.records import Unit
from raftops.errors import ModelError
from raftops.files import read_json
from raftops.retrieval.bm25 import terms

FILE = "judgement.json"
FORMAT = 1
LOOKED_AT = 5
"""Units that count, from the first on."""
_NAME = re.compile(r"(?<=[\w,;] )[^\W\d_a-z]\w+")
"""A word with a capital inside a sentence."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Shown:
    """A unit as the judgement sees it."""

    line: str
    """Heading and text: what the re-ranker reads, too."""
    heading: str
    doc_id: str
    score: float
    rerank: float | None = None

    @classmethod
    def of(cls, unit: Unit) -> Shown:
        """From a unit of evidence."""
        return cls(unit_line(unit), unit.heading, unit.doc_id, unit.score, unit.rerank)


def features(question: str, units: Sequence[Shown], language: str = "english") -> dict[str, float]:
    """What is known of a question and its units, best first, by name. Those of the re-ranker only where it scored."""
    units = units[:LOOKED_AT]
    asked = frozenset(terms(question, language))
    names = frozenset(term for name in _NAME.findall(question) for term in terms(name, language))
    numbers = frozenset(_NUMBER.findall(question))
    lines = [frozenset(terms(unit.line, language)) for unit in units]
    written = [frozenset(_NUMBER.findall(unit.line)) for unit in units]
    first, all_of = (lines[0], frozenset[str]().union(*lines)) if units else (frozenset[str](), frozenset[str]())
    named = [_share(asked, line) for line in lines if names <= line]
    head = frozenset(terms(units[0].heading, language)) if units else frozenset[str]()
    found = {
        "asked": math.log1p(len(asked)),
        "names": float(len(names)),
        "numbers": float(len(numbers)),
        "cover_first": _share(asked, first),
        "cover_heading": _share(asked, head),
        "cover_best": max((_share(asked, line) for line in lines), default=0.0),
        "cover_all": _share(asked, all_of),
        "cover_named": max(named, default=0.0),
        "missing_all": float(len(asked - all_of)),
        "names_missing_first": float(len(names - first)),
        "names_missing_all": float(len(names - all_of)),
        "numbers_missing_first": float(len(numbers - written[0])) if units else 0.0,
        "numbers_missing_all": float(len(numbers - frozenset[str]().union(*written))),
        "number_in_first": float(bool(units and written[0])),
        "documents": float(len({unit.doc_id for unit in units})),
        "units": float(len(units)),
    }
    found |= _levels("score", [unit.score for unit in units], 0.0)
    logits = [unit.rerank for unit in units if unit.rerank is not None]
    return found | (_levels("rerank", logits, min(logits)) if logits else {})


def _share(asked: frozenset[str], held: frozenset[str]) -> float:
    return len(asked & held) / len(asked) if asked else 0.0


def _levels(name: str, scores: Sequence[float], least: float) -> dict[str, float]:
    """The best score, and how far the second and the last stand below it."""
    ordered = [*sorted(scores, reverse=True), *[least] * LOOKED_AT][:LOOKED_AT]
    return {
        f"{name}_first": scores[0] if scores else least,
        f"{name}_best": ordered[0],
        f"{name}_second": ordered[0] - ordered[1],
        f"{name}_last": ordered[0] - ordered[-1],
    }


@dataclass(frozen=True)
class Judgement:
    """A logistic over named features, and the probability from which a question is answered."""

    weights: Mapping[str, float]
    """Of the standardised features."""
    mean: Mapping[str, float]
    deviation: Mapping[str, float]
    bias: float
    threshold: float
    language: str = "english"
    about: Mapping[str, Any] = field(default_factory=dict)
    """What it was fitted on, how the threshold was chosen and what it is worth there."""

    def probability(self, question: str, units: Sequence[Unit]) -> float:
        """How likely it is that the units answer the question; 0 where there are none."""
        return self.of(question, [Shown.of(unit) for unit in units])

    def of(self, question: str, units: Sequence[Shown]) -> float:
        """The same, of units that were kept as rows."""
        if not units:
            return 0.0
        known = features(question, units, self.language)
        # What is not known (no re-ranker) counts as it was on average.
        total = self.bias + sum(
            weight * (known.get(name, self.mean[name]) - self.mean[name]) / self.deviation[name]
            for name, weight in sorted(self.weights.items())  # a sum hangs on its order, and a file has another one
        )
        return 1 / (1 + math.exp(-max(-40.0, min(40.0, total))))

    def answerable(self, question: str, units: Sequence[Unit]) -> bool:
        """Whether to answer at all."""
        return self.probability(question, units) >= self.threshold

    def as_json(self) -> dict[str, Any]:
        """For `judgement.json`."""
        return {
            "format": FORMAT, "weights": dict(self.weights), "mean": dict(self.mean), "deviation": dict(self.deviation),
            "bias": self.bias, "threshold": self.threshold, "language": self.language, "about": dict(self.about),
        }  # fmt: skip


def read_judgement(path: Path) -> Judgement:
    """Read what `as_json` gave.

    Raises:
        ModelError: it is not one of this version.
    """
    saved = read_json(path)
    try:
        if saved.pop("format") != FORMAT:
            raise ValueError("of another version")
        judgement = Judgement(**saved)
        if not judgement.weights.keys() == judgement.mean.keys() == judgement.deviation.keys():
            raise ValueError("weights, mean and deviation are not of the same features")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path}: not a judgement ({error})", next_step="run the train step again") from error
    return judgement


def judgement_in(evidence: Path) -> Judgement | None:
    """The judgement of a folder `evidence/` of adapters or of a release, if it has one."""
    return read_judgement(evidence / FILE) if (evidence / FILE).is_file() else None
