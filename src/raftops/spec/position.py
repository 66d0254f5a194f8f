"""Places in YAML files, problems at those places, and the report that shows them. Knows nothing of the spec."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from raftops.spec.mask import masked_line

Loc = tuple[str | int, ...]
MOST_SHOWN = 100
WIDTH = 110


@dataclass(frozen=True, eq=False)
class Source:
    """A file as a person named it, and its lines. Compared by identity: lines are many."""

    name: str
    lines: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Place:
    """Line and column from 1; line 0 means the file as a whole."""

    source: Source
    line: int = 0
    column: int = 1

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}" if self.line else self.source.name


@dataclass(frozen=True)
class Located:
    """One problem, with its place and the dotted path of the key it is about."""

    place: Place
    path: str
    message: str

    def __str__(self) -> str:
        head = f"{self.place}: {self.path}: {self.message}" if self.path else f"{self.place}: {self.message}"
        lines, number = self.place.source.lines, self.place.line
        if not 0 < number <= len(lines) or not lines[number - 1].strip():
            return head
        # What is shown may be shorter than what was written (a secret is hidden): the caret stays on the line.
        shown = masked_line(lines, number)
        column = min(self.place.column, len(lines[number - 1]) + 1, len(shown) + 1)
        # Of a long line, the part around the caret.
        first = max(0, column - WIDTH // 2) if len(shown) > WIDTH else 0
        cut = _printable(shown[first : first + WIDTH].replace("\t", " "))
        margin = f"{number:>5}"
        return f"{head}\n{margin} | {cut}\n{' ' * len(margin)} | {' ' * _cells(cut[: column - 1 - first])}^"


def dotted(loc: Loc) -> str:
    """`("spec", "data", "examples", 0)` as `spec.data.examples[0]`."""
    out = ""
    for part in loc:
        if isinstance(part, int):
            out += f"[{part}]"
        else:
            out += ("." if out else "") + (part if re.fullmatch(r"[\w./+@-]{1,80}", part) else quoted(part))
    return out


def undotted(path: str) -> Loc:
    """The inverse of `dotted`, for plain keys."""
    return tuple(int(index) if index else key for key, index in re.findall(r"([^.\[\]]+)(?![^\[]*\])|\[(\d+)\]", path))


def quoted(text: str, longest: int = 60) -> str:
    """A text in double quotes, shortened, on one line, without control characters."""
    short = text if len(text) <= longest else text[: longest - 3] + "..."
    return '"' + _printable(short.replace("\n", "\\n")) + '"'


def report(problems: Iterable[Located]) -> str:
    """Every problem once, in the order of the files, each with its line and a caret."""
    unique = list(dict.fromkeys(problems))
    files = list(dict.fromkeys(p.place.source.name for p in unique))
    unique.sort(key=lambda p: (files.index(p.place.source.name), p.place.line, p.place.column))
    shown = [str(p) for p in unique[:MOST_SHOWN]]
    if len(unique) > MOST_SHOWN:
        shown.append(f"... and {len(unique) - MOST_SHOWN} more")
    if len(unique) > 1:
        shown.append(f"{len(unique)} problems")
    return "\n".join(shown)


def _cells(text: str) -> int:
    """Terminal cells of a text: wide characters take two, combining ones none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
