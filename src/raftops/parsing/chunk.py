"""Passages of a parsed document: contiguous slices of its text that hold whole sentences, items and rows.

A passage keeps within one section; short sections are joined with the next one under the same parent, and then the
sub-headings stand in the text. A heading that opens a passage of one section stands in its locator, not in its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import ceil

from raftops.data.records import Locator, Span
from raftops.parsing.document import Parsed
from raftops.parsing.sentences import Range
from raftops.parsing.tokens import TokenMap
from raftops.parsing.units import Limits, Unit, units

SHORT_SECTION_TOKENS = 40


@dataclass(frozen=True)
class Chunk:
    """A passage before it knows its document: `text[start:end]` and the evidence units inside."""

    start: int
    end: int
    tokens: int
    locator: Locator
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class _Group:
    """Units that go into one passage, and whether they are all there is of their sections."""

    units: tuple[Unit, ...]
    whole: bool

    @property
    def range(self) -> Range:
        """Where the passage starts and ends."""
        first, depth = self.units[0], len(self.path)
        leads = [start for start, level in first.headings if level >= depth] if self.joined else []
        return min([first.outer, *leads]), self.units[-1].end

    @property
    def joined(self) -> bool:
        """Whether it spans more than one section."""
        return len({unit.locator.headings for unit in self.units}) > 1

    @property
    def path(self) -> tuple[str, ...]:
        """The heading path that all units share."""
        paths = [unit.locator.headings for unit in self.units]
        same = 0
        for names in zip(*paths, strict=False):
            if len(set(names)) > 1:
                break
            same += 1
        return paths[0][:same]


def chunk(parsed: Parsed, tokens: TokenMap, chunk_tokens: int) -> list[Chunk]:
    """The passages of a document, in order."""
    limits = Limits(parsed.text, tokens, chunk_tokens)
    groups: list[_Group] = []
    for _, section in groupby(units(parsed, limits), key=lambda unit: unit.locator.headings):
        for group in _pack(list(section), limits):
            joined = _join(groups[-1], group, limits) if groups else None
            groups[-1:] = [joined] if joined else [*groups[-1:], group]
    return [_chunk(group, tokens) for group in groups]


def _pack(section: Sequence[Unit], limits: Limits) -> Iterator[_Group]:
    """Greedy, to about equal sizes, so that no scrap is left at the end."""
    total = limits.tokens.count(section[0].outer, section[-1].end)
    target = total / max(1, ceil(total / limits.chunk_tokens))
    current: list[Unit] = []
    whole = True
    for unit in section:
        if current:
            size = limits.tokens.count(current[0].outer, current[-1].end)
            if size >= target or not limits.fit(current[0].outer, unit.end):
                whole = False
                yield _Group(tuple(current), whole)
                current = []
        current.append(unit)
    yield _Group(tuple(current), whole)


def _join(before: _Group, after: _Group, limits: Limits) -> _Group | None:
    """Both as one, where the first is a short whole section and the second its sibling (or below one)."""
    first, second = before.units[-1].locator.headings, after.units[0].locator.headings
    parent = before.path[:-1] if not before.joined else before.path
    if not before.whole or first[:1] != second[:1] or second[: len(parent)] != parent:
        return None
    if limits.tokens.count(before.units[0].outer, before.units[-1].end) >= SHORT_SECTION_TOKENS:
        return None
    both = _Group(before.units + after.units, after.whole)
    return both if limits.fit(*both.range) else None


def _chunk(group: _Group, tokens: TokenMap) -> Chunk:
    (start, end), first = group.range, group.units[0]
    header_inside = group.joined or first.outer < first.start
    locator = replace(
        first.locator, headings=group.path, table_header="" if header_inside else first.locator.table_header
    )
    spans = tuple(Span(unit.start, unit.end, unit.locator) for unit in group.units)
    return Chunk(start, end, tokens.count(start, end), locator, spans)
