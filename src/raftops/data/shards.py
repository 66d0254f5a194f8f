"""One of so many parts of an ordered list. Parts are contiguous, so that parts in their order are the whole."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """Part `number`, from 0, of `of` parts."""

    number: int
    of: int

    def holds(self, position: int, total: int) -> bool:
        """Whether it is this part that an item belongs to, by its position of `total`. Parts differ by one item."""
        return position * self.of // total == self.number

    def __str__(self) -> str:
        """For people, who count from 1."""
        return f"shard {self.number + 1} of {self.of}"
