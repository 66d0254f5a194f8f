"""What KFP's local runner prints, understood: which step runs, how far it is, how it ended and why it failed.

KFP's own lines stand at the left edge with a time, lines of the step's process are indented by four spaces. Marked
lines (see `raftops.progress`) may stand behind what the step wrote to stderr, so they are looked for anywhere.
Tasks are shown by their step: a shard of ingest is ingest, a candidate of train is train, and only the task of that
name ends it.
"""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Protocol

from pipelines.runs.record import RunRecord, StepRecord
from pipelines.wiring.steps import BESIDE, step_of
from raftops.errors import StepError
from raftops.progress import FAILURE, PROGRESS
from raftops.spec.model.base import StepName

_KFP = r"^\d\d:\d\d:\d\d\.\d+ - [A-Z]+ - "
_STARTED = re.compile(_KFP + r"Executing task \W*(?:\[\d+m)?'([\w-]+)'")
_ENDED = re.compile(_KFP + r"Task \W*(?:\[\d+m)?'([\w-]+)'.* finished with status .*(SUCCESS|FAILURE)")
_INDENT = "    "
_NAMED = re.compile(r"\s*([a-z]+)[-\d]* \| ")
"""What stands before a line of a container: the name of its task."""
_SIGNALS = {
    "Killed": "it was killed, perhaps because memory ran out",
    "Terminated": "it was terminated from outside",
}


class Listener(Protocol):
    """Who wants to know how a run goes."""

    def skipped(self, step: StepName, record: StepRecord) -> None:
        """Nothing changed: the earlier result holds."""

    def started(self, step: StepName) -> None:
        """A step runs now."""

    def progressed(self, step: StepName, done: int, total: int, note: str) -> None:
        """A step said how far it is."""

    def finished(self, step: StepName, record: StepRecord) -> None:
        """A step ended, well or not."""


class Follower(io.TextIOBase):
    """Stands in for stdout while KFP runs: tells the listener, and keeps every line in the step's log."""

    def __init__(self, record: RunRecord, folder: Path, listener: Listener) -> None:
        self._record, self._folder, self._listener = record, folder, listener
        self._terminal = sys.stdout
        self._line, self._since = "", time.monotonic()
        self._task = ""
        self._step: StepName | None = None
        """The step that the task belongs to; None for a task that is not shown."""
        self._spent = dict[StepName, float]()
        self._failure: dict[str, Any] = {}
        self._error: StepError | None = None
        """The first failure: the end of a run comes after it, and does not hide it."""
        self._said = deque[str](maxlen=200)
        self._reading_inputs = False
        """Whether KFP's executor lists the inputs of a step: many lines that end at a closing brace."""
        self._log: io.TextIOWrapper | None = None

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Take what KFP prints, line by line."""
        self._line += text
        *lines, self._line = self._line.split("\n")
        for line in lines:
            self._take(line)
        return len(text)

    def _take(self, line: str) -> None:
        if match := _STARTED.search(line):
            self._start(match[1])
        elif match := _ENDED.search(line):
            self._end(match[2] == "SUCCESS")
        elif line.startswith(_INDENT):
            named = _NAMED.match(line)
            ours = named is not None and named[1] == self._task
            self._hear(line[named.end() :] if named and ours else line.removeprefix(_INDENT))
        if self._log:
            self._log.write(line + "\n")
            self._log.flush()

    def _hear(self, line: str) -> None:
        """A line of the step's process."""
        if self._step and self._is_shown() and (said := marked(line, PROGRESS)):
            with redirect_stdout(self._terminal):
                self._listener.progressed(self._step, int(said["done"]), int(said["total"]), str(said["note"]))
        elif failure := marked(line, FAILURE):
            self._failure = failure
        elif self._reading_inputs or "[KFP Executor " in line:
            self._reading_inputs = line.endswith("Got executor_input:") or (self._reading_inputs and line != "}")
        elif line.strip():
            self._said.append(line.rstrip())

    def _start(self, name: str) -> None:
        self._task, self._step = name, step_of(name)
        self._since = time.monotonic()
        self._failure, self._reading_inputs = {}, False
        self._said.clear()
        self.close_log()
        log = self._folder / f"{self._step or name}.log"
        self._log = log.open("a", encoding="utf-8", errors="backslashreplace")
        if self._step and self._is_shown() and self._step not in self._spent:
            self._spent[self._step] = 0
            with redirect_stdout(self._terminal):
                self._listener.started(self._step)

    def _end(self, well: bool) -> None:
        if not well and self._error is None:
            self._error = self._told(reason_of(self._said))
        if self._step is None or self._task in BESIDE:
            return
        self._spent[self._step] += time.monotonic() - self._since
        if well and self._task != self._step:
            return
        state = self._record.steps[self._step]
        state.status = "done" if well else "failed"
        state.seconds = round(self._spent[self._step], 2)
        with redirect_stdout(self._terminal):
            self._listener.finished(self._step, state)

    def _is_shown(self) -> bool:
        """Whether the task's step is at work. A step that is skipped may still lack what its shards once made."""
        waits = self._step is not None and self._record.steps[self._step].status != "skipped"
        return waits and self._task not in BESIDE

    def close_log(self) -> None:
        """Close the log of the step at work."""
        if self._log:
            self._log.close()
            self._log = None

    def failure(self, error: Exception) -> StepError:
        """What to tell the user: the step, what it said, and where its log is."""
        if not self._task:
            return StepError(f"KFP's local runner failed before the first step: {error}", next_step="raftops doctor")
        return self._error or self._told(str(error))

    def _told(self, reason: str) -> StepError:
        """The failure of the task at work."""
        name = self._step or self._task
        log = self._folder / f"{name}.log"
        if self._failure:
            advice = str(self._failure["next"]) or f"read the step's log: {log}"
            return StepError(f"{name}: {self._failure['message']}", next_step=advice)
        return StepError(f"{name} failed: {reason}", next_step=f"tail -n 30 {log}")


def marked(line: str, mark: str) -> dict[str, Any]:
    """The object behind a mark; empty where there is no mark or no object."""
    _, found, rest = line.partition(mark)
    try:
        value = json.loads(rest) if found else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def reason_of(said: Sequence[str]) -> str:
    """Why a process ended, by its last lines: the exception of its traceback, the signal, or the last thing it said."""
    lines = list(said)
    if not lines:
        return "it ended without a message"
    heads = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    raised = [line for line in lines[heads[-1] + 1 :] if not line.startswith(" ")] if heads else []
    return raised[0] if raised else _SIGNALS.get(lines[-1], lines[-1])
