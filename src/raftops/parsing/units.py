"""Evidence units: a sentence, a list item, a table row or a piece of code, each with its place. Does not pack them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from raftops.data.records import Locator
from raftops.parsing.document import Block, Kind, Parsed
from raftops.parsing.sentences import Range, sentences, trimmed
from raftops.parsing.tokens import TokenMap

ITEM_TOKENS = 60
CHARS_PER_TOKEN = 16
CHARS_MAX = 15_000


@dataclass(frozen=True)
class Unit:
    """`text[start:end]`, and what may stand in front of it in a passage."""

    start: int
    end: int
    kind: Kind
    locator: Locator
    outer: int
    """Start with the table header that belongs to this row, else `start`."""
    headings: tuple[tuple[int, int], ...]
    """(start, depth) of the heading lines directly before it."""


@dataclass(frozen=True)
class Limits:
    """What a passage may hold: tokens, and characters, for text whose tokens are very long."""

    text: str
    tokens: TokenMap
    chunk_tokens: int

    def fit(self, start: int, end: int, share: int = 1) -> bool:
        """Whether `text[start:end]` is small enough for a passage, or for a share of one."""
        chars = min(CHARS_MAX, CHARS_PER_TOKEN * self.chunk_tokens)
        return end - start <= chars // share and self.tokens.count(start, end) <= self.chunk_tokens // share

    def cut(self, start: int, end: int, outer: int | None = None) -> Iterator[Range]:
        """Pieces that fit, cut at line ends or word borders; the first one together with what is before it."""
        base = start if outer is None else outer
        while not self.fit(base, end):
            border = self._border(base, start, end)
            piece = trimmed(self.text, start, border)
            if piece[0] < piece[1]:
                yield piece
            start = base = trimmed(self.text, border, end)[0]
        if start < end:
            yield start, end

    def _border(self, base: int, start: int, end: int) -> int:
        """The last place from which on `text[base:]` would be too large."""
        token = self.tokens.after(base, self.chunk_tokens)
        furthest = base + min(CHARS_MAX, CHARS_PER_TOKEN * self.chunk_tokens)
        limit = min(end, furthest, token if token is not None else end)
        least = start + (limit - start) // 2
        line = self.text.rfind("\n", least, limit)
        space = self.text.rfind(" ", start + 1, limit + 1)
        return next((at for at in (line, space) if at > start), max(limit, start + 1))


def units(parsed: Parsed, limits: Limits) -> list[Unit]:
    """All units of a document in order. Headings and table headers are none, they go with what follows them."""
    out: list[Unit] = []
    headings: list[tuple[int, int]] = []
    outer: int | None = None
    for block in parsed.blocks:
        if block.kind == "heading":
            headings.append((block.start, len(block.locator.headings)))
        elif block.kind == "header" and limits.fit(block.start, block.end, share=2):
            outer = block.start
        else:
            for start, end in _ranges(block, limits, outer):
                before = start if outer is None else outer
                out.append(Unit(start, end, block.kind, block.locator, before, tuple(headings)))
                headings, outer = [], None
    return list(_with_lead_ins(out, limits))


def _ranges(block: Block, limits: Limits, outer: int | None) -> Iterator[Range]:
    whole = trimmed(limits.text, block.start, block.end)
    long_item = block.kind == "item" and limits.tokens.count(*whole) > ITEM_TOKENS
    pieces = sentences(limits.text, *whole) if block.kind == "paragraph" or long_item else [whole]
    for start, end in pieces:
        yield from limits.cut(start, end, outer)
        outer = None


def _with_lead_ins(found: list[Unit], limits: Limits) -> Iterator[Unit]:
    """Join a paragraph's last sentence that ends with a colon to the first item of its list."""
    pending: Unit | None = None
    for unit in found:
        if pending is not None:
            same = unit.kind == "item" and not unit.headings and limits.fit(pending.start, unit.end)
            if same:
                unit = replace(pending, end=unit.end, kind="item")
            else:
                yield pending
        pending = None
        if unit.kind == "paragraph" and limits.text[unit.start : unit.end].endswith(":"):
            pending = unit
        else:
            yield unit
    if pending is not None:
        yield pending
