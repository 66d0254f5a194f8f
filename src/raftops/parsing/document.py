"""What a parsed document is, and the builder that every parser fills. Offsets are exact by construction.

Blocks are joined by a blank line, the items of one list and the rows of one table by a newline. Text is normalised
(NFC, white space, ligatures, invisible characters) before offsets exist, never after.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal

from raftops.data.records import Locator
from raftops.errors import StepError

Kind = Literal["heading", "paragraph", "item", "row", "header", "code"]

TEXT_CHARS_MAX = 64_000_000
HEADING_CHARS_MAX = 300
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff]")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Block:
    """One piece of a document, `text[start:end]` of its `Parsed`. A `header` is the header row of a table."""

    start: int
    end: int
    kind: Kind
    locator: Locator


@dataclass(frozen=True)
class Parsed:
    """A document as plain text with its structure."""

    title: str
    text: str
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()
    """What a reader should know was left out, such as a scanned page."""


def clean(text: str) -> str:
    """One line of normalised text."""
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text.translate(_LIGATURES)))
    return _SPACE.sub(" ", text).strip()


def clean_code(text: str) -> str:
    """Normalised text that keeps its lines and indentation; no blank lines, so that blocks stay apart."""
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text.expandtabs(4)))
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


class Builder:
    """Collects blocks in reading order, keeps the heading path, gives the `Parsed`."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self._group: object = None
        self._path: list[tuple[int, str]] = []
        self.notes: list[str] = []

    def heading(self, text: str, level: int, *, page: int | None = None, line: int | None = None) -> None:
        """A heading; it closes every open one of its level or deeper. An overlong one is a paragraph."""
        text = clean(text)
        if len(text) > HEADING_CHARS_MAX:
            return self.add("paragraph", text, page=page, line=line)
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self.add("heading", text, page=page, line=line)
        if text:
            self._path.append((level, text))
        return None

    def add(
        self, kind: Kind, text: str, *, page: int | None = None, line: int | None = None, group: object = None
    ) -> None:
        """A block of prose, code or list; neighbours of one `group` stand on adjoining lines. Empty text is nothing."""
        self._put(kind, text, Locator(self._headings(), page, line), group)

    def table(
        self, rows: list[list[str]], *, has_header: bool, page: int | None = None, line: int | None = None
    ) -> None:
        """A table, a line for each row; `line` counts up when it is given."""
        texts = [" | ".join(map(clean, row)) if any(map(clean, row)) else "" for row in rows]
        header = clean(texts[0]) if has_header and any(texts[1:]) else ""
        group = object()
        for number, text in enumerate(texts):
            kind: Kind = "header" if number == 0 and header else "row"
            at = None if line is None else line + number
            self._put(kind, text, Locator(self._headings(), page, at, header), group)

    def build(self, title: str) -> Parsed:
        """The document. Where headings are all there is, they are its content."""
        blocks = self._blocks
        if blocks and all(b.kind == "heading" for b in blocks):
            blocks = [replace(b, kind="paragraph", locator=replace(b.locator, headings=())) for b in blocks]
        return Parsed(clean(title), "".join(self._pieces), tuple(blocks), tuple(self.notes))

    @property
    def first_heading(self) -> str:
        """Text of the first heading, or nothing."""
        block = next((b for b in self._blocks if b.kind == "heading"), None)
        return "".join(self._pieces)[block.start : block.end] if block else ""

    def _headings(self) -> tuple[str, ...]:
        return tuple(text for _, text in self._path)

    def _put(self, kind: Kind, text: str, locator: Locator, group: object) -> None:
        text = clean_code(text) if kind == "code" else clean(text)
        if not text:
            return
        tight = group is not None and group is self._group
        separator = ("\n" if tight else "\n\n") if self._blocks else ""
        start = self._length + len(separator)
        self._length = start + len(text)
        if self._length > TEXT_CHARS_MAX:
            raise StepError(f"holds more than {TEXT_CHARS_MAX:,} characters of text")
        self._pieces += [separator, text]
        self._blocks.append(Block(start, self._length, kind, locator))
        self._group = group
