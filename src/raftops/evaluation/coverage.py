"""Coverage and risk: how many answers are right, and how many wrong, where only the surest questions are answered.

Of pairs of a probability and whether the answer would be right; a question that nothing answers is right for no answer.
Beside the curve stand the two that need no judgement: an order drawn by lot, and the one that knows the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any


@dataclass(frozen=True)
class Point:
    """What happens where every question of at least this probability is answered."""

    threshold: float
    coverage: float
    """Share of the questions that are answered."""
    right: float
    """Share of all questions that are answered, and rightly."""
    wrong: float
    """Share of all questions that are answered, and wrongly."""

    @property
    def risk(self) -> float:
        """Share of the answers that are wrong; 0 where none is given."""
        return self.wrong / self.coverage if self.coverage else 0.0

    def as_row(self) -> dict[str, float]:
        """For JSON."""
        return {name: round(value, 4) for name, value in {**asdict(self), "risk": self.risk}.items()}


Judged = tuple[float, bool]
"""The probability of one question, and whether its answer would be right."""


def standing(judged: Sequence[Judged], threshold: float) -> Point:
    """Where a threshold stands."""
    answered = [right for probability, right in judged if probability >= threshold]
    total = max(1, len(judged))
    return Point(threshold, len(answered) / total, sum(answered) / total, (len(answered) - sum(answered)) / total)


def curve(judged: Sequence[Judged]) -> list[Point]:
    """One point for each probability that occurs, from the surest question to all of them; ties fall together."""
    ordered = sorted(judged, key=lambda pair: -pair[0])
    points, answered, right = [], 0, 0
    for probability, group in groupby(ordered, key=lambda pair: pair[0]):
        outcomes = [outcome for _, outcome in group]
        answered, right = answered + len(outcomes), right + sum(outcomes)
        total = len(ordered)
        points.append(Point(probability, answered / total, right / total, (answered - right) / total))
    return points


def mean_risk(judged: Sequence[Judged]) -> float:
    """Risk on average over all coverages (the area under the curve): lower is better. Ties count as in any order."""
    total, answered, right, area = len(judged), 0, 0.0, 0.0
    for _, group in groupby(sorted(judged, key=lambda pair: -pair[0]), key=lambda pair: pair[0]):
        outcomes = [outcome for _, outcome in group]
        share = sum(outcomes) / len(outcomes)
        for _ in outcomes:
            answered, right = answered + 1, right + share
            area += (answered - right) / answered
    return area / total if total else 0.0


def summary(judged: Sequence[Judged], threshold: float) -> dict[str, Any]:
    """For the report: the curve, where the release stands, and what no judgement and a perfect one would reach."""
    right = sum(outcome for _, outcome in judged)
    return {
        "questions": len(judged),
        "release": standing(judged, threshold).as_row(),
        "always": standing(judged, float("-inf")).as_row() | {"threshold": None},
        "mean_risk": round(mean_risk(judged), 4),
        "mean_risk_by_lot": round(1 - right / len(judged), 4) if judged else 0.0,
        "mean_risk_perfect": round(mean_risk([(float(outcome), outcome) for _, outcome in judged]), 4),
        "curve": [point.as_row() for point in curve(judged)],
    }
