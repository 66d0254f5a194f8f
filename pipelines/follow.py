"""What KFP's local runner prints, understood: which step runs, how far it is, how it ended and why it failed.

KFP's own lines stand at the left edge with a time, lines of the step's process are indented by four spaces. Marked
lines (see `raftops.progress`) may stand behind what the step wrote to stderr, so they are looked for anywhere.
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

from pipelines.store import RunRecord, StepRecord
from raftops.errors import StepError
from raftops.progress import FAILURE, PROGRESS
from raftops.spec.model import STEPS, StepName

_KFP = r"^\d\d:\d\d:\d\d\.\d+ - [A-Z]+ - "
_STARTED = re.compile(_KFP + r"Executing task \W*(?:\[\d+m)?'(\w+)'")
_ENDED = re.compile(_KFP + r"Task \W*(?:\[\d+m)?'(\w+)'.* finished with status .*(SUCCESS|FAILURE)")
_INDENT = "    "
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
        self._step: StepName | None = None
        self._failure: dict[str, Any] = {}
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
            self._hear(line.removeprefix(_INDENT))
        if self._log:
            self._log.write(line + "\n")
            self._log.flush()

    def _hear(self, line: str) -> None:
        """A line of the step's process."""
        if self._step and (said := _marked(line, PROGRESS)):
            with redirect_stdout(self._terminal):
                self._listener.progressed(self._step, int(said["done"]), int(said["total"]), str(said["note"]))
        elif failure := _marked(line, FAILURE):
            self._failure = failure
        elif self._reading_inputs or "[KFP Executor " in line:
            self._reading_inputs = line.endswith("Got executor_input:") or (self._reading_inputs and line != "}")
        elif line.strip():
            self._said.append(line.rstrip())

    def _start(self, name: str) -> None:
        if name not in STEPS:
            return
        self._step = step = next(known for known in STEPS if known == name)
        self._since = time.monotonic()
        self._failure, self._reading_inputs = {}, False
        self._said.clear()
        self.close_log()
        self._log = (self._folder / f"{name}.log").open("a", encoding="utf-8", errors="backslashreplace")
        with redirect_stdout(self._terminal):
            self._listener.started(step)

    def _end(self, well: bool) -> None:
        if self._step is None:
            return
        state = self._record.steps[self._step]
        state.status = "done" if well else "failed"
        state.seconds = round(time.monotonic() - self._since, 2)
        with redirect_stdout(self._terminal):
            self._listener.finished(self._step, state)

    def close_log(self) -> None:
        """Close the log of the step at work."""
        if self._log:
            self._log.close()
            self._log = None

    def failure(self, error: Exception) -> StepError:
        """What to tell the user: the step, what it said, and where its log is."""
        if self._step is None:
            return StepError(f"KFP's local runner failed before the first step: {error}", next_step="raftops doctor")
        log = self._folder / f"{self._step}.log"
        if self._failure:
            message = f"{self._step}: {self._failure['message']}"
            return StepError(message, next_step=str(self._failure["next"]) or f"read the step's log: {log}")
        reason = reason_of(self._said) if self._record.steps[self._step].status == "failed" else str(error)
        return StepError(f"{self._step} failed: {reason}", next_step=f"tail -n 30 {log}")


def _marked(line: str, mark: str) -> dict[str, Any]:
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
