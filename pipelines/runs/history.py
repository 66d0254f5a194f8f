"""A plan's memory from one run record instead of a store: what CI has, on a machine that never ran anything."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pipelines.runs.record import Result, RunRecord, StepRecord, read_record
from pipelines.wiring.compile import compile_spec
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


def record_of(loaded: LoadedSpec, metrics: dict[str, float]) -> dict[str, Any]:
    """The record of a run that ended well elsewhere, from the spec as it was run; times are not known here."""
    compiled = compile_spec(loaded)
    ended = "skipped"  # a result without a time of its own
    steps: dict[str, StepRecord] = {s: StepRecord(k.digest, dict(k.parts), ended) for s, k in compiled.keys.items()}
    steps["evaluate"].metrics = metrics
    record = RunRecord(
        run_id="", name=loaded.assistant.name, spec=loaded.path.name,
        started=datetime.now(UTC).isoformat(timespec="seconds"), steps=steps,
        documents=dict(compiled.inputs.documents), examples=dict(compiled.inputs.examples),
        dvc=compiled.inputs.dvc, status="done",
    )  # fmt: skip
    return asdict(record)
