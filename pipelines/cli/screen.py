"""What a person sees: tables and one-line failures; or JSON lines. `NO_COLOR` is honoured (rich does it)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDE = 10_000
"""Columns where nobody sees them."""


class Screen:
    """Standard output for results, standard error for failures."""

    def __init__(self) -> None:
        self.out, self.err = Console(highlight=False), Console(stderr=True, highlight=False)
        self.json_output = self.verbose = False

    def configure(self, *, json_output: bool, verbose: bool) -> None:
        """Set what the global options said."""
        self.json_output, self.verbose = json_output, verbose

    def say(self, text: str) -> None:
        """A line for people; nothing in JSON mode."""
        if not self.json_output:
            self.out.print(text, soft_wrap=True)

    def result(self, value: Any) -> None:
        """The result for machines; nothing in text mode."""
        if self.json_output:
            self.out.file.write(json.dumps(value, ensure_ascii=False) + "\n")

    def raw(self, text: str) -> None:
        """Text as it is, in both modes."""
        self.out.file.write(text if text.endswith("\n") else text + "\n")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table for people."""
        if self.json_output:
            return
        self.out.print(f"[italic]{escape(title)}[/]", soft_wrap=True)
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
            self.err.file.write(json.dumps({"error": message, "next": next_step}, ensure_ascii=False) + "\n")
            return
        head = "" if kind == "spec" else "[red bold]error:[/] "
        self.err.print(f"{head}{escape(message)}", soft_wrap=True)
        if next_step:
            self.err.print(f"  [bold]next:[/] {escape(next_step)}", soft_wrap=True)


screen = Screen()


def duration(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"
