"""What a plan compares with: a store, or one run record from elsewhere, which is what CI has on a fresh machine."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pipelines.runs.effort import settings_of
from pipelines.runs.record import Result, RunRecord, StepRecord, read_record
from pipelines.wiring.compile import Compiled, compile_spec
from raftops.spec.load import LoadedSpec
from raftops.spec.model.base import StepName


class History(Protocol):
    """What a plan asks: a store, or a record from elsewhere."""

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


def new_record(loaded: LoadedSpec, compiled: Compiled) -> RunRecord:
    """The record of a run that starts now, by its time."""
    now = datetime.now(UTC)
    return RunRecord(
        run_id=now.strftime("%Y%m%dT%H%M%S.%f"),
        name=loaded.assistant.name,
        spec=str(loaded.path),
        started=now.isoformat(timespec="seconds"),
        steps={step: StepRecord(key.digest, dict(key.parts)) for step, key in compiled.keys.items()},
        documents=dict(compiled.inputs.documents),
        examples=dict(compiled.inputs.examples),
        dvc=compiled.inputs.dvc,
        settings=settings_of(loaded.assistant),
    )


def record_of(loaded: LoadedSpec, metrics: dict[str, float]) -> dict[str, Any]:
    """The record of a run that ended well elsewhere, from the spec as it was run; times are not known here."""
    record = replace(new_record(loaded, compile_spec(loaded)), run_id="", spec=loaded.path.name, status="done")
    for state in record.steps.values():
        state.status = "skipped"  # a result without a time of its own
    record.steps["evaluate"].metrics = metrics
    return asdict(record)
