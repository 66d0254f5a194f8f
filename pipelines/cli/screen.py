"""What a person sees: tables and one-line failures; or what a program reads. `NO_COLOR` is honoured (rich does it)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDE = 10_000
"""Columns where nobody sees them."""


class Form(StrEnum):
    """What results are written as."""

    text = "text"
    """For people."""
    json = "json"
    """A line for each result."""
    yaml = "yaml"
    """A document for each result."""
    table = "table"
    """Rows and columns of each result, and nothing else."""


def console(stderr: bool = False) -> Console:
    """Shows names as they are: `user:a:` holds no picture."""
    return Console(stderr=stderr, highlight=False, emoji=False)


class Screen:
    """Standard output for results, standard error for failures."""

    def __init__(self) -> None:
        self.out, self.err = console(), console(stderr=True)
        self.form, self.verbose = Form.text, False

    def configure(self, *, form: Form = Form.text, verbose: bool = False) -> None:
        """Set what the global options said."""
        self.form, self.verbose = form, verbose

    @property
    def json_output(self) -> bool:
        """Whether results are written, and no words for people."""
        return self.form is not Form.text

    def say(self, text: str) -> None:
        """A line for people; nothing where results are written."""
        if not self.json_output:
            self.out.print(text, soft_wrap=True)

    def result(self, value: Any) -> None:
        """The result, as JSON, YAML or a table; nothing in text mode."""
        if self.form is Form.table:
            self._tabulated(value)
        elif self.json_output:
            self.out.file.write(self._written(value))

    def event(self, value: Any) -> None:
        """A result on the way to others, for who follows a run: a line or a document, no table of its own."""
        if self.form is not Form.table:
            self.result(value)

    def _written(self, value: Any) -> str:
        text = json.dumps(value, ensure_ascii=False, default=str) + "\n"
        if self.form is not Form.yaml:
            return text
        yaml = import_module("yaml")  # of those who ask for it only
        return "---\n" + str(yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=True))

    def _tabulated(self, value: Any) -> None:
        """A list of results as rows; one result as its keys and values."""
        rows = [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
        names = list(dict.fromkeys(name for row in rows for name in row))
        body = [[_cell(row.get(name)) for name in names] for row in rows]
        if not rows:
            names = ["key", "value"]
            body = [[str(key), _cell(entry)] for key, entry in value.items()] if isinstance(value, Mapping) else []
        self._print(names, body)

    def raw(self, text: str) -> None:
        """Text as it is, in every mode."""
        self.out.file.write(text if text.endswith("\n") else text + "\n")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table for people."""
        if self.json_output:
            return
        self.out.print(f"[italic]{escape(title)}[/]", soft_wrap=True)
        self._print(columns, rows)

    def _print(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        table = Table(header_style="bold", box=None, pad_edge=False)
        for name in columns:
            table.add_column(name, overflow="fold", justify="right" if name in ("time", "tokens") else "left")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        if not self.out.file.isatty():  # a file or a program reads it: nothing is cut to the width of a screen
            self.out.width = max(self.out.width, WIDE)
        self.out.print(table)

    def note(self, message: str, next_step: str) -> None:
        """What is no failure, but worth knowing; results carry it in JSON mode."""
        if not self.json_output:
            self.err.print(f"[yellow]note:[/] {escape(message)}", soft_wrap=True)
            self.err.print(f"  [bold]next:[/] {escape(next_step)}", soft_wrap=True)

    def error(self, message: str, next_step: str = "", kind: str = "") -> None:
        """A failure: what and where, then what next."""
        if self.json_output:
            self.err.file.write(self._written({"error": message, "next": next_step}))
            return
        head = "" if kind == "spec" else "[red bold]error:[/] "
        self.err.print(f"{head}{escape(message)}", soft_wrap=True)
        if next_step:
            self.err.print(f"  [bold]next:[/] {escape(next_step)}", soft_wrap=True)


screen = Screen()


def linked(path: Path) -> str:
    """A path as a link that a terminal opens, as short as it is from here. It is never broken: `say` wraps nothing."""
    whole, here = path.absolute(), Path.cwd()
    shown = whole.relative_to(here) if whole.is_relative_to(here) else whole
    return f"[link={whole.as_uri()}]{escape(str(shown))}[/link]"


def _cell(value: Any) -> str:
    """A value on one line."""
    if value is None:
        return ""
    return (
        json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, Mapping | list | tuple) else str(value)
    )


def duration(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"
