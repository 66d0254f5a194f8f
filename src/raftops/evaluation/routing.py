"""Was each held-out request sent the right way? Knowledge needs the documents, form alone does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from raftops.answer.router import RouteClass, Router
from raftops.data.records import Example
from raftops.evaluation.questions import kind_of

ROUTES: tuple[RouteClass, ...] = ("knowledge", "both", "behaviour")


@dataclass(frozen=True)
class Routed:
    """Decisions by what the request was."""

    confusion: dict[str, dict[str, int]]
    """Kind of request, then route, then how many."""
    right: tuple[float, ...]
    kinds: tuple[str, ...]
    fallbacks: int


def routed(router: Router, examples: Sequence[Example]) -> Routed:
    """The router's decision on each request. Right: evidence is fetched exactly where knowledge is asked for."""
    decisions = [(kind_of(example), router.decide(example.asked)) for example in examples]
    counts = Counter((kind, route.name) for kind, route in decisions)
    kinds = sorted({kind for kind, _ in decisions})
    confusion: dict[str, dict[str, int]] = {kind: {name: counts[kind, name] for name in ROUTES} for kind in kinds}
    right = tuple(float((kind == "behaviour") == (route.name == "behaviour")) for kind, route in decisions)
    return Routed(confusion, right, tuple(k for k, _ in decisions), sum(route.fallback for _, route in decisions))
