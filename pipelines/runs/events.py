"""What a run tells while it goes, wherever it runs: the listener, and how a step's lines and tasks are understood."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from pipelines.runs.record import StepRecord
from raftops.spec.model.base import StepName

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
