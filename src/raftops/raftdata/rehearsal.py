"""Rehearsal against forgetting: general instructions with the answers that the base model itself gives to them.

The answers are the base's own, so that training on them keeps it where it was; they were generated once, by
`tools/rehearsal.py`, because a run has no time for it. For another base there are none: its answers would be others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FILE = "rehearsal.json"


@dataclass(frozen=True)
class Rehearsed:
    """An instruction and what the base said to it."""

    id: str
    question: str
    answer: str


@cache
def rehearsals() -> tuple[str, tuple[Rehearsed, ...]]:
    """The base whose answers these are, as a spec names it, and the answers."""
    held = json.loads(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
    return held["base"], tuple(Rehearsed(**row) for row in held["rows"])


def rehearsals_for(base: str, count: int) -> Sequence[Rehearsed]:
    """The first `count` of them; none where they are of another base."""
    known, rows = rehearsals()
    return rows[:count] if base == known else ()
