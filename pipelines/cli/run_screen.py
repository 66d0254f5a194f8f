"""A run as a person sees it: a line for each step, a bar for those at work; or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from pipelines.cli.screen import Screen, console, linked
from raftops.files import read_json
from raftops.spec.model.base import STEPS, StepName

if TYPE_CHECKING:
    from pipelines.runs.record import StepRecord


SHOWN = 5
"""Rows that are named on the screen."""


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
        self._evaluated: StepRecord | None = None
        """The evaluation's record; what it made is written into it when the run ends."""

    def __enter__(self) -> RunScreen:
        self._screen.out.file = sys.stdout  # bound: a run stands in for stdout while it listens to KFP
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        self._screen.out = console()

    def skipped(self, step: StepName, record: StepRecord) -> None:
        self._notice(step, record)
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
        self._screen.event({"step": step, "event": "progress", "done": done, "total": total, "note": note})

    def finished(self, step: StepName, record: StepRecord) -> None:
        if step in self._tasks:
            self._bar.remove_task(self._tasks.pop(step))
        self._notice(step, record)
        self._line(step, record.status, f"{record.seconds:.1f} s", {"event": record.status, "seconds": record.seconds})
        if step == "validate" and "accepted" in record.artifacts:
            self._put_aside(Path(record.artifacts["accepted"]) / "quarantine.jsonl")

    def verdict(self) -> None:
        """What readers get; and what nobody should have to look for, in red, each with what to do."""
        report = self._evaluated.artifacts.get("report") if self._evaluated else None
        file = Path(report) / "report.json" if report else None
        body = read_json(file) if file and file.is_file() else {}
        if readers := body.get("conclusion", {}).get("readers"):
            self._screen.say(escape(readers))
        for alarm in body.get("alarms", []):
            self._screen.say(f"[red bold]{escape(alarm['said'])}[/]")
            self._screen.say(f"  [bold]next:[/] {escape(alarm['advice'])}")
            self._screen.event({"event": "alarm", **alarm})

    def _put_aside(self, path: Path) -> None:
        """The rows that do not go on: the first with their reasons, and where all of them are."""
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        if not lines:
            return
        rows = "1 row is" if len(lines) == 1 else f"{len(lines)} rows are"
        self._screen.say(f"    [yellow]{rows} put aside:[/]")
        for row in map(json.loads, lines[:SHOWN]):
            self._screen.say(f"      {escape(row['where'])}: {escape(row['reason'])}")
        if len(lines) > SHOWN:
            self._screen.say(f"      and {len(lines) - SHOWN} more in {linked(path)}")
        self._screen.event({"step": "validate", "event": "put aside", "rows": len(lines), "path": str(path)})

    def _notice(self, step: StepName, record: StepRecord) -> None:
        if step == "evaluate":
            self._evaluated = record

    def _line(self, step: StepName, status: str, note: str, event: dict[str, Any]) -> None:
        colour = {"done": "green", "failed": "red", "skipped": "dim", "running": "cyan"}[status]
        self._screen.say(f"  {_ordinal(step)}  [{colour}]{status:<8}[/] {note}")
        self._screen.event({"step": step, **event})


def _ordinal(step: StepName) -> str:
    return f"{STEPS.index(step) + 1}/{len(STEPS)} {step:<9}"
