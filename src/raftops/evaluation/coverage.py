"""Coverage and risk: what share of the answers is wrong when only the likeliest questions are answered, and how that
changes as more and more of them are."""

from __future__ import annotations

from collections.abc import Sequence


def covered(pairs: Sequence[tuple[float, bool]]) -> list[tuple[float, float]]:
    """(share of the questions answered, share of those answers that are wrong), from few answers to all.

    `pairs` are (how likely it is that the evidence answers, whether the answer is right). Questions of the same
    likelihood are answered together: no order among them is better than another.
    """
    points: list[tuple[float, float]] = []
    ordered = sorted(pairs, key=lambda pair: -pair[0])
    wrong = 0
    for place, (likely, right) in enumerate(ordered, 1):
        wrong += not right
        if place == len(ordered) or ordered[place][0] != likely:
            points.append((place / len(ordered), wrong / place))
    return points
