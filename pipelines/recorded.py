"""A plan's memory from one run record instead of a store: what CI has, on a machine that never ran anything."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pipelines.store import Result, RunRecord, read_record
from raftops.spec.model import StepName


class History(Protocol):
    """What a plan asks: a store, or a record that was brought from elsewhere."""

    def result(self, step: StepName, key: str) -> Result | None:
        """What a step made with this key, or None where it would run."""

    def records(self, name: str) -> list[RunRecord]:
        """The runs of an assistant, newest first."""


class Recorded:
    """A `History` of one run (`run.json`): its steps count as known by their keys, wherever their results lie."""

    def __init__(self, path: Path) -> None:
        self._record = read_record(path)

    def result(self, step: StepName, key: str) -> Result | None:
        """The figures of a step that ended well with this key."""
        state = self._record.steps.get(step)
        if state is None or state.key != key or state.status not in ("done", "skipped"):
            return None
        return Result({}, state.metrics)

    def records(self, name: str) -> list[RunRecord]:
        """The one record, if it is this assistant's."""
        return [self._record] if self._record.name == name else []
