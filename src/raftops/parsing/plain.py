"""Plain text: blank lines part paragraphs, wrapped lines are joined, bullets and numbers start list items."""

from __future__ import annotations

import re
from pathlib import Path

from raftops.parsing.document import Builder, Parsed
from raftops.parsing.source import read_text

BULLET = re.compile(r"\s*(?:[-*•◦▪‣·–—]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s+(?=\S)")


def parse_plain(path: Path) -> Parsed:
    """Read a plain text file."""
    builder = Builder()
    lines: list[str] = []
    first, group = 1, object()
    for number, line in enumerate([*read_text(path).split("\n"), ""], 1):
        if lines and (not line.strip() or BULLET.match(line)):
            _flush(builder, lines, first, group)
            lines = []
        if not line.strip():
            group = object()
        elif not lines:
            lines, first = [line], number
        else:
            lines.append(line)
    return builder.build("")


def _flush(builder: Builder, lines: list[str], first: int, group: object) -> None:
    bullet = BULLET.match(lines[0])
    text = " ".join([lines[0][bullet.end() :] if bullet else lines[0], *lines[1:]])
    builder.add("item" if bullet else "paragraph", text, line=first, group=group if bullet else None)
