"""Markdown (CommonMark with tables) to plain text. Front matter, comments, link targets and template tags are dropped.

Raw HTML goes through the HTML parser. Footnotes stay where they are written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from raftops.parsing.document import Builder, Kind, Parsed
from raftops.parsing.html import add_html
from raftops.parsing.original import read_text
from raftops.parsing.templates import without_templates

_FRONT = re.compile(r"\A---[ \t]*\n(.{0,65536}?\n)??---[ \t]*(?:\n|\Z)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def parse_markdown(path: Path) -> Parsed:
    """Read a Markdown file."""
    body, title, skipped = _without_front_matter(read_text(path))
    builder = Builder()
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    _Writer(builder, skipped).write(markdown.parse(without_templates(body)))
    return builder.build(title or builder.first_heading)


def _without_front_matter(text: str) -> tuple[str, str, int]:
    """The body, the title of the front matter and the number of lines before the body."""
    found = _FRONT.match(text)
    if not found:
        return text, "", 0
    try:
        values: Any = yaml.safe_load(found[1] or "") or {}
    except (yaml.YAMLError, ValueError):
        values = {}
    if not isinstance(values, dict):
        return text, "", 0
    title = values.get("title")
    return text[found.end() :], title if isinstance(title, str) else "", found[0].count("\n")


class _Writer:
    """Walks the flat token list and writes blocks."""

    def __init__(self, builder: Builder, skipped: int) -> None:
        self._builder = builder
        self._first_line = skipped + 1
        self._lists: list[object] = []
        self._rows: list[list[str]] = []
        self._level = 0
        self._table_line: int | None = None

    def write(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            if handler := getattr(self, f"_{token.type}", None):
                handler(token)

    def _line(self, token: Token) -> int | None:
        return token.map[0] + self._first_line if token.map else None

    def _heading_open(self, token: Token) -> None:
        self._level = int(token.tag[1:])

    def _heading_close(self, token: Token) -> None:
        self._level = 0

    def _list_open(self, token: Token) -> None:
        self._lists.append(self._lists[0] if self._lists else object())

    def _list_close(self, token: Token) -> None:
        self._lists.pop()

    _bullet_list_open = _ordered_list_open = _list_open
    _bullet_list_close = _ordered_list_close = _list_close

    def _table_open(self, token: Token) -> None:
        self._table_line = self._line(token)

    def _tr_open(self, token: Token) -> None:
        self._rows.append([])

    def _table_close(self, token: Token) -> None:
        if self._table_line is not None and len(self._rows) > 1:
            self._rows.insert(1, [])
        self._builder.table(self._rows, has_header=True, line=self._table_line)
        self._rows, self._table_line = [], None

    def _inline(self, token: Token) -> None:
        text = _plain(token.children or [])
        if self._level:
            self._builder.heading(text, self._level, line=self._line(token))
        elif self._rows:
            self._rows[-1].append(text)
        else:
            kind: Kind = "item" if self._lists else "paragraph"
            self._builder.add(kind, text, line=self._line(token), group=self._lists[-1] if self._lists else None)

    def _fence(self, token: Token) -> None:
        self._builder.add("code", token.content, line=self._line(token))

    _code_block = _fence

    def _html_block(self, token: Token) -> None:
        source = _COMMENT.sub("", token.content)
        if source.strip():
            add_html(self._builder, source, line=self._line(token))


def _plain(children: Sequence[Token]) -> str:
    parts: list[str] = []
    for child in children:
        if child.type in ("text", "text_special", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak") or child.content.lower().startswith("<br"):
            parts.append(" ")
        elif child.type == "image":
            parts.append(_plain(child.children or []))
    return "".join(parts)
