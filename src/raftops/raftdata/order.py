"""In which order a conversation shows its evidence. Where the golden unit always stands first, "[1]" is all one learns.

The cap holds for a whole file, so the order is settled when all its conversations are known.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from raftops.data.records import Unit
from raftops.raftdata.golden import Proof, is_golden, numbered
from raftops.spec.model.learning import Augment


@dataclass(frozen=True)
class Shown:
    """The evidence of one conversation."""

    id: str
    """Of the conversation: its draws depend on it and on the seed."""
    units: tuple[Unit, ...]
    proofs: tuple[Proof, ...] = ()
    always: bool = False
    """Its order is always drawn, whatever share is."""

    @property
    def golden(self) -> tuple[int, ...]:
        """The numbers of the golden units."""
        return tuple(unit.number for unit in self.units if is_golden(unit, self.proofs))

    @property
    def numbers(self) -> tuple[int, ...]:
        """For each proof the number of the first unit that shows it."""
        of_each = ([u.number for u in self.units if is_golden(u, [proof])] for proof in self.proofs)
        return tuple(sorted({numbers[0] for numbers in of_each if numbers}))

    def in_order(self, units: Sequence[Unit]) -> Shown:
        """The same with its units in another order, numbered anew."""
        return replace(self, units=tuple(numbered(units)))


def arranged(all_shown: Sequence[Shown], config: Augment) -> list[Shown]:
    """Every conversation's evidence in its order: drawn, or as served; golden first in at most the share allowed."""
    drawn = [_drawn(shown, config) for shown in all_shown]
    first = [i for i, shown in enumerate(drawn) if 1 in shown.golden]
    able = [i for i in first if len(drawn[i].golden) < len(drawn[i].units)]
    allowed = math.floor(config.golden_first * sum(1 for shown in drawn if shown.golden))
    excess = max(0, len(first) - allowed)
    for i in random.Random(f"{config.seed}:golden first").sample(able, min(excess, len(able))):
        drawn[i] = _moved(drawn[i], config)
    return drawn


def golden_first(all_shown: Sequence[Shown]) -> float:
    """Share of the conversations that show a golden unit and show it first: what a constant [1] gets right."""
    showing = [shown for shown in all_shown if shown.golden]
    return sum(1 in shown.golden for shown in showing) / len(showing) if showing else 0.0


def _drawn(shown: Shown, config: Augment) -> Shown:
    draw = random.Random(f"{config.seed}:{shown.id}:order")
    if not shown.always and draw.random() >= config.shuffle:
        return shown.in_order(shown.units)
    return shown.in_order(draw.sample(shown.units, len(shown.units)))


def _moved(shown: Shown, config: Augment) -> Shown:
    """A distractor first, and the rest in an order drawn for it: the golden unit anywhere but first, alike often."""
    draw = random.Random(f"{config.seed}:{shown.id}:moved")
    first = draw.choice([unit for unit in shown.units if unit.number not in shown.golden])
    rest = [unit for unit in shown.units if unit is not first]
    return shown.in_order([first, *draw.sample(rest, len(rest))])
