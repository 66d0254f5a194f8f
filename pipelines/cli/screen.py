"""What a person sees: tables, progress, one-line failures; or JSON lines. `NO_COLOR` is honoured (rich does it)."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from raftops.spec.model.base import STEPS, StepName

if TYPE_CHECKING:
    from pipelines.runs.record import StepRecord


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


class RunScreen:
    """Follows a run: a line for each step, and a bar for the one at work where there is a terminal."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        live = screen.out.is_terminal and not screen.json_output
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24),
            TextColumn("{task.fields[note]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            TimeElapsedColumn(), console=screen.out, transient=True, disable=not live, expand=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._tasks: dict[StepName, TaskID] = {}
        """Bars of the steps at work: on a cluster there may be several."""
        self._last_note = 0.0

    def __enter__(self) -> RunScreen:
        self._screen.out.file = sys.stdout  # bound: a run stands in for stdout while it listens to KFP
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        self._screen.out = Console(highlight=False)

    def skipped(self, step: StepName, record: StepRecord) -> None:
        self._line(step, "skipped", "nothing changed", {"event": "skipped"})

    def started(self, step: StepName) -> None:
        self._tasks[step] = self._bar.add_task(_ordinal(step), total=None, note="")
        self._line(step, "running", "", {"event": "started"})

    def progressed(self, step: StepName, done: int, total: int, note: str) -> None:
        if step in self._tasks:
            self._bar.update(self._tasks[step], completed=done, total=total, note=escape(f"{done}/{total} {note}"))
        if not self._screen.out.is_terminal and time.monotonic() - self._last_note > 10:
            self._last_note = time.monotonic()
            self._screen.say(f"  {_ordinal(step)}  {done}/{total} {escape(note)}")
        self._screen.result({"step": step, "event": "progress", "done": done, "total": total, "note": note})

    def finished(self, step: StepName, record: StepRecord) -> None:
        if step in self._tasks:
            self._bar.remove_task(self._tasks.pop(step))
        self._line(step, record.status, f"{record.seconds:.1f} s", {"event": record.status, "seconds": record.seconds})

    def _line(self, step: StepName, status: str, note: str, event: dict[str, Any]) -> None:
        colour = {"done": "green", "failed": "red", "skipped": "dim", "running": "cyan"}[status]
        self._screen.say(f"  {_ordinal(step)}  [{colour}]{status:<8}[/] {note}")
        self._screen.result({"step": step, **event})


def _ordinal(step: StepName) -> str:
    return f"{STEPS.index(step) + 1}/{len(STEPS)} {step:<9}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"
