"""Percentile intervals by the bootstrap (Efron, 1979). Questions are drawn with replacement, within their strata.

All columns of one sample share the same draws, so that a difference of two columns is a paired one. The interval holds
for other questions like these; it knows nothing of other training runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Column = Sequence[float | None]
Floats = npt.NDArray[np.float64]
LEVEL = 0.95
_BLOCK = 256


@dataclass(frozen=True)
class Interval:
    """A mean over questions and where 95 % of its resamples lie."""

    value: float
    low: float
    high: float
    n: int
    """Questions that it is a mean of."""


@dataclass(frozen=True)
class Difference:
    """A paired difference of two means."""

    delta: float
    low: float
    high: float
    not_better: float
    """Share of resamples in which it is not above zero: small means that chance is an unlikely cause."""


class Sample:
    """Scores of one set of questions: columns of numbers, None where a score does not apply to a question."""

    def __init__(self, columns: Mapping[str, Column], strata: Sequence[str], resamples: int, seed: int) -> None:
        self._names = {name: place for place, name in enumerate(columns)}
        given = np.array([[np.nan if v is None else v for v in column] for column in columns.values()], dtype=float)
        given = given.reshape(len(columns), len(strata)).T
        applies = ~np.isnan(given)
        values, weights = np.where(applies, given, 0.0), applies.astype(float)
        self._counts = [int(n) for n in weights.sum(axis=0)]
        self._points = _ratio(values.sum(axis=0), weights.sum(axis=0))
        blocks = [_ratio(w @ values, w @ weights) for w in _draws(strata, resamples, seed)]
        self._resampled = np.concatenate(blocks)

    def interval(self, name: str) -> Interval | None:
        """A column's mean with its interval, or None where no question has a score."""
        place = self._names[name]
        return self._interval(self._points[place], self._resampled[:, place], self._counts[place])

    def harmonic(self, first: str, second: str) -> Interval | None:
        """The harmonic mean of two columns' means (F1 of precision and recall)."""
        count = min(self._counts[self._names[first]], self._counts[self._names[second]])
        return self._interval(*self._harmonic(first, second), count)

    def difference(self, first: str, second: str) -> Difference | None:
        """`first` minus `second`, both on the same resamples."""
        one, other = self._names[first], self._names[second]
        return _difference(self._points[one] - self._points[other], self._resampled[:, one] - self._resampled[:, other])

    def _harmonic(self, first: str, second: str) -> tuple[float, Floats]:
        one, other = self._names[first], self._names[second]
        point = _f1(self._points[[one]], self._points[[other]])[0]
        return float(point), _f1(self._resampled[:, one], self._resampled[:, other])

    @staticmethod
    def _interval(point: float, resampled: Floats, count: int) -> Interval | None:
        if not count or np.isnan(point):
            return None
        low, high = _bounds(resampled)
        return Interval(float(point), low, high, count)


def _difference(point: float, resampled: Floats) -> Difference | None:
    if np.isnan(point):
        return None
    valid = resampled[~np.isnan(resampled)]
    return Difference(float(point), *_bounds(resampled), float((valid <= 0).mean()))


def _bounds(resampled: Floats) -> tuple[float, float]:
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(resampled, [tail, 100 - tail])
    return float(low), float(high)


def _ratio(values: Floats, weights: Floats) -> Floats:
    return np.divide(values, weights, out=np.full(np.shape(values), np.nan), where=weights > 0)


def _f1(first: Floats, second: Floats) -> Floats:
    total = first + second
    return np.divide(2 * first * second, total, out=np.where(np.isnan(total), np.nan, 0.0), where=total > 0)


def _draws(strata: Sequence[str], resamples: int, seed: int) -> Iterator[Floats]:
    """How often each question is drawn, a block of resamples at a time; each stratum keeps its size."""
    generator = np.random.default_rng(seed)
    labels = np.array(strata)
    places = [np.flatnonzero(labels == label) for label in sorted(set(strata))]
    for start in range(0, resamples, _BLOCK):
        drawn = np.zeros((min(_BLOCK, resamples - start), len(strata)))
        for place in places:
            drawn[:, place] = generator.multinomial(len(place), np.full(len(place), 1 / len(place)), size=len(drawn))
        yield drawn
