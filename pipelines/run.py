"""Run a compiled pipeline on this machine, by KFP's local runner. Shows nothing itself: it tells a `Listener`."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import time
import warnings
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from kfp import components, local
from raftops.spec.load import LoadedSpec

from pipelines.compile import Compiled
from pipelines.store import RunRecord, StepRecord, Store
from raftops.errors import RaftopsError, StepError
from raftops.files import write_text
from raftops.progress import FAILURE, PROGRESS
from raftops.spec.model import STEPS, StepName

_STARTED = re.compile(r"Executing task .*?'(\w+)'")
_ENDED = re.compile(r"Task .*?'(\w+)'.*? finished with status .*?(SUCCESS|FAILURE)")


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


def run_local(loaded: LoadedSpec, compiled: Compiled, store: Store, listener: Listener) -> RunRecord:
    """Run what is not known yet; returns the run's record. Raises `StepError` naming the step that failed."""
    record = _new_record(loaded, compiled)
    folder = store.runs / record.run_id
    with store.locked():
        write_text(folder / "pipeline.yaml", compiled.text)
        _skip_known(record, store, listener)
        started = time.monotonic()
        follower = _Follower(record, folder, listener)
        try:
            if any(step.status == "waiting" for step in record.steps.values()):
                _execute(folder / "pipeline.yaml", loaded.root, store, follower)
            record.status = "done"
        except (RaftopsError, KeyboardInterrupt):
            record.status = "failed"
            raise
        finally:
            record.seconds = round(time.monotonic() - started, 2)
            _collect(record, store)
            store.write(record)
        store.prune()
    return record


def _new_record(loaded: LoadedSpec, compiled: Compiled) -> RunRecord:
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
    )


def _skip_known(record: RunRecord, store: Store, listener: Listener) -> None:
    for step in STEPS:
        state = record.steps[step]
        if store.result(step, state.key) is not None:
            state.status = "skipped"
            _fill(state, step, store)
            listener.skipped(step, state)


def _collect(record: RunRecord, store: Store) -> None:
    for step in STEPS:
        _fill(record.steps[step], step, store)


def _fill(state: StepRecord, step: StepName, store: Store) -> None:
    result = store.result(step, state.key)
    if result:
        state.metrics = dict(result.metrics)
        state.artifacts = {name: str(path) for name, path in result.artifacts.items()}


def _execute(pipeline: Path, root: Path, store: Store, follower: _Follower) -> None:
    """Hand the compiled file to KFP. Steps resolve paths from the project's folder, so that is where they run."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads cost four times the CPU on shared cores
    before = Path.cwd()
    os.chdir(root)
    try:
        local.init(
            local.SubprocessRunner(use_venv=False), pipeline_root=str(store.artifacts.resolve()),
            enable_caching=True, cache_root=str(store.keys.resolve()),
        )  # fmt: skip
        with redirect_stdout(follower), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            components.load_component_from_file(str(pipeline))()
    except RuntimeError as error:
        raise follower.failure() from error
    finally:
        follower.close()
        logging.getLogger().setLevel(logging.WARNING)
        os.chdir(before)


class _Follower(io.TextIOBase):
    """Stands in for stdout while KFP runs: reads the marked lines, keeps every line in the step's log."""

    def __init__(self, record: RunRecord, folder: Path, listener: Listener) -> None:
        self._record, self._folder, self._listener = record, folder, listener
        self._line, self._since = "", time.monotonic()
        self._step: StepName | None = None
        self._failure: dict[str, str] = {}
        self._log: io.TextIOWrapper | None = None

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
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
        elif line.startswith(PROGRESS) and self._step:
            said = json.loads(line[len(PROGRESS) :])
            self._listener.progressed(self._step, said["done"], said["total"], said["note"])
        elif line.startswith(FAILURE):
            self._failure = json.loads(line[len(FAILURE) :])
        if self._log:
            self._log.write(line + "\n")
            self._log.flush()

    def _start(self, name: str) -> None:
        self._step = next(step for step in STEPS if step == name)
        self._since = time.monotonic()
        if self._log:
            self._log.close()
        self._log = (self._folder / f"{name}.log").open("w", encoding="utf-8")
        self._listener.started(self._step)

    def _end(self, well: bool) -> None:
        if self._step is None:
            return
        state = self._record.steps[self._step]
        state.status = "done" if well else "failed"
        state.seconds = round(time.monotonic() - self._since, 2)
        self._listener.finished(self._step, state)

    def close(self) -> None:
        if self._log:
            self._log.close()
            self._log = None

    def failure(self) -> StepError:
        """What to tell the user about the step that failed."""
        log = self._folder / f"{self._step}.log"
        if self._failure:
            message = f"{self._step}: {self._failure['message']}"
            return StepError(message, next_step=self._failure["next"] or f"the step's log is {log}")
        return StepError(f"{self._step} failed; its log is {log}", next_step=f"tail -n 30 {log}")
