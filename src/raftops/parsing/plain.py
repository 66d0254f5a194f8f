"""Plain text: blank lines part paragraphs, wrapped lines are joined, bullets and numbers start list items."""

from __future__ import annotations

import re
from pathlib import Path

from raftops.parsing.document import Builder, Parsed
from raftops.parsing.original import read_text

_BULLET = re.compile(r"\s*[*•◦▪‣·-]\s+(?=\S)")
_NUMBER = re.compile(r"\s*\(?(?:\d{1,3}|[a-zA-Z])[.)]\s+(?=\S)")
_ENDED = re.compile(r"[.:;!?,][\"')\]”’]?\s*$")


def starts_item(line: str, previous: str = "", *, in_item: bool = False) -> bool:
    """Whether a line begins a list item; a number or a dash after an unfinished line is a wrapped sentence."""
    if not (_BULLET.match(line) or _NUMBER.match(line)):
        return False
    certain = line.lstrip()[0] in "*•◦▪‣"
    return certain or not previous or in_item or bool(_ENDED.search(previous))


def without_bullet(text: str) -> str:
    """The text of an item; numbers stay, they say something."""
    bullet = _BULLET.match(text)
    return text[bullet.end() :] if bullet else text


def parse_plain(path: Path) -> Parsed:
    """Read a plain text file."""
    builder = Builder()
    lines: list[str] = []
    first, group = 1, object()
    for number, line in enumerate([*read_text(path).split("\n"), ""], 1):
        if lines and (not line.strip() or starts_item(line, lines[-1], in_item=starts_item(lines[0]))):
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
    item = starts_item(lines[0])
    text = " ".join(lines)
    if item:
        builder.add("item", without_bullet(text), line=first, group=group)
    else:
        builder.add("paragraph", text, line=first)
