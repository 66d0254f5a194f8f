"""Run a compiled pipeline on this machine, by KFP's local runner. Shows nothing itself: it tells a `Listener`.

A task is a process here, or whatever the `Runner` makes of it: `containers.py` has one that starts containers.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from copy import deepcopy
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from kfp import local

from pipelines.local.conditions import words_only
from pipelines.runs.effort import settings_of
from pipelines.runs.events import Follower, Listener
from pipelines.runs.record import RunRecord, StepRecord, Store
from pipelines.wiring.compile import Compiled
from pipelines.wiring.ir_text import ir_text
from raftops.files import write_text
from raftops.spec.load import LoadedSpec
from raftops.spec.model.base import STEPS, StepName

_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads cost four times the CPU on shared cores
    "PYTHONSAFEPATH": "1",  # a user's file called json.py beside the spec is not the json that a step imports
}

Runner = Callable[[LoadedSpec, Compiled, Store], AbstractContextManager[Any]]
"""Gives KFP's runner of tasks for the time of a run."""


@contextmanager
def as_processes(loaded: LoadedSpec, compiled: Compiled, store: Store) -> Iterator[Any]:
    """Every task is a process in this environment."""
    yield local.SubprocessRunner(use_venv=False)


def run_local(
    loaded: LoadedSpec,
    compiled: Compiled,
    store: Store,
    listener: Listener,
    again: Collection[StepName] = (),
    runner: Runner = as_processes,
) -> RunRecord:
    """Run what is not known yet, and the steps `again`; returns the run's record.

    Raises `StepError` naming the step that failed; what the steps before it made is kept.
    """
    record = _new_record(loaded, compiled)
    folder = store.runs / record.run_id
    with store.locked():
        for step in again:
            store.forget(step, record.steps[step].key)
        write_text(folder / "pipeline.yaml", compiled.text)
        store.write(record)
        _skip_known(record, store, listener)
        with _finished(record, store):
            if any(step.status == "waiting" for step in record.steps.values()):
                with runner(loaded, compiled, store) as tasks:
                    _execute(tasks, _one_at_a_time(compiled), loaded.root, store, Follower(record, folder, listener))
        store.link(record)
        store.prune()
    return record


@contextmanager
def _finished(record: RunRecord, store: Store) -> Iterator[None]:
    """Write the record at the end, however that comes."""
    started = time.monotonic()
    try:
        yield
        record.status = "done"
    except BaseException:
        record.status = "failed"
        raise
    finally:
        record.seconds = round(time.monotonic() - started, 2)
        for step in STEPS:
            _fill(record.steps[step], step, store)
        store.write(record)


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
        settings=settings_of(loaded.assistant),
    )


def _skip_known(record: RunRecord, store: Store, listener: Listener) -> None:
    for step in STEPS:
        state = record.steps[step]
        if store.result(step, state.key) is not None:
            state.status = "skipped"
            _fill(state, step, store)
            listener.skipped(step, state)
        else:
            store.forget(step, state.key)  # so that KFP does not take for a result what the store does not


def _fill(state: StepRecord, step: StepName, store: Store) -> None:
    result = store.result(step, state.key)
    if result:
        state.metrics = dict(result.metrics)
        state.artifacts = {name: str(path) for name, path in result.artifacts.items()}


def _execute(tasks: Any, pipeline: str, root: Path, store: Store, follower: Follower) -> None:
    """Hand a pipeline to KFP. Steps resolve paths from the project's folder, so that is where they run."""
    try:
        with _inside(root) as scratch, redirect_stdout(follower), words_only(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            local.init(
                tasks, pipeline_root=str(store.artifacts), workspace_root=scratch,
                enable_caching=True, cache_root=str(store.keys),
            )  # fmt: skip
            import_module("kfp.components").load_component_from_text(pipeline)()
    except (RuntimeError, ValueError, OSError) as error:
        raise follower.failure(error) from error
    finally:
        follower.close_log()


def _one_at_a_time(compiled: Compiled) -> str:
    """The pipeline with its shards one after the other: side by side they would share this machine's cores."""
    pipeline = deepcopy(dict(compiled.pipeline))
    for component in (pipeline["root"], *pipeline["components"].values()):
        for task in component.get("dag", {}).get("tasks", {}).values():
            if "iteratorPolicy" in task:
                task["iteratorPolicy"]["parallelismLimit"] = 1
    return ir_text(filter(None, [pipeline, compiled.platform]))


@contextmanager
def _inside(root: Path) -> Iterator[str]:
    """The project as working directory, and the environment that steps run in; both as before at the end.

    Gives the folder of temporary files: KFP and its tasks clear up none of theirs.
    """
    before, environment = Path.cwd(), os.environ.copy()
    level = logging.getLogger().level
    with tempfile.TemporaryDirectory(prefix="raftops-run-") as scratch:
        os.environ.update({name: os.environ.get(name, value) for name, value in _ENVIRONMENT.items()})
        os.environ["TMPDIR"] = scratch
        os.chdir(root)
        try:
            yield scratch
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(environment)
            logging.getLogger().setLevel(level)
