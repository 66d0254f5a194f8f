"""Run a compiled pipeline on this machine, by KFP's local runner. Shows nothing itself: it tells a `Listener`.

A task is a process here, or whatever the `Runner` makes of it: `containers.py` has one that starts containers.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stdout, suppress
from copy import deepcopy
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from kfp import local
from kfp.local.subprocess_task_handler import replace_python_executable

from pipelines.local.conditions import words_only
from pipelines.local.handler import Ending, Handler, Tasks
from pipelines.local.watcher import Watcher
from pipelines.runs.events import Listener
from pipelines.runs.history import new_record
from pipelines.runs.record import RunRecord, StepRecord, Store
from pipelines.runs.run_page import keep_spec, write_page
from pipelines.wiring.compile import Compiled
from pipelines.wiring.ir_text import ir_text
from pipelines.wiring.steps import HOLD, step_of, upstream
from raftops.files import write_text
from raftops.spec.load import LoadedSpec
from raftops.spec.model.base import STEPS, StepName

_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads cost four times the CPU on shared cores
    "PYTHONSAFEPATH": "1",  # a user's file called json.py beside the spec is not the json that a step imports
}

Launch = Callable[[Handler], Ending]
"""Runs one task to its end; the handler knows what, and hears what it prints."""
Runner = Callable[[LoadedSpec, Compiled, Store], AbstractContextManager[Launch]]
"""Gives what launches tasks, for the time of a run."""


@contextmanager
def as_processes(loaded: LoadedSpec, compiled: Compiled, store: Store) -> Iterator[Launch]:
    """Every task is a process in this environment; none of them outlives the run, however that ends.

    They hold the store's lock beside it: while one is left, no other run works there.
    """
    with Watcher() as watcher:
        yield partial(run_process, watcher=watcher, held=store.held)


def run_process(task: Handler, watcher: Watcher | None = None, held: Collection[int] = ()) -> Ending:
    """Run a task as a process, as KFP's own handler does, and hand on what it prints as it comes.

    It is the first of a group, which ends with it or with the run.
    """
    process = subprocess.Popen(
        replace_python_executable(list(task.command), sys.executable),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | dict(task.environment),
        process_group=0,
        pass_fds=tuple(held),
    )
    assert process.stdout
    if watcher:
        watcher.began(process.pid)
    out, ready = process.stdout.fileno(), select.poll()
    ready.register(out, select.POLLIN)
    try:
        while not task.stopped.is_set():
            if ready.poll(500):
                if not (chunk := os.read(out, 2**16)):
                    break
                task.hear(chunk)
        return Ending(-signal.SIGTERM if task.stopped.is_set() else process.wait())
    finally:
        process.stdout.close()  # a step ends when nobody reads it any more, see `raftops.progress`
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if watcher:
            watcher.ended(process.pid)


def run_local(  # noqa: PLR0913  one argument per option
    loaded: LoadedSpec,
    compiled: Compiled,
    store: Store,
    listener: Listener,
    again: Collection[StepName] = (),
    runner: Runner = as_processes,
    until: StepName = STEPS[-1],
) -> RunRecord:
    """Run what is not known yet, and the steps `again`; returns the run's record.

    Of the steps, only `until` and those that it reads from run.

    Raises `StepError` naming the step that failed; what the steps before it made is kept.
    """
    record = new_record(loaded, compiled)
    folder, wanted = store.runs / record.run_id, upstream(until)
    with store.locked():
        record.sequence = store.next_sequence()
        for step in again:
            store.forget(step, record.steps[step].key)
        write_text(folder / "pipeline.yaml", compiled.text)
        keep_spec(store, record, loaded.assistant)
        store.write(record)
        for step in STEPS:
            state = record.steps[step]
            if _fill(state, step, store):
                state.status = "skipped"
                listener.skipped(step, state)
            else:
                store.forget(step, state.key)  # so that KFP does not take for a result what the store does not
        began = time.monotonic()
        try:
            if any(record.steps[step].status == "waiting" for step in wanted):
                with runner(loaded, compiled, store) as launch:
                    tasks, pipeline = Tasks(launch, record, folder, listener), _here(compiled, wanted)
                    _execute(tasks, pipeline, folder, loaded.root, store)
            record.status = "done"
        except BaseException:
            record.status = "failed"
            with suppress(OSError):  # a disk that is full ended the run: that is what is told
                _keep(record, store, began)
            raise
        _keep(record, store, began)
        store.prune()
    return record


def _keep(record: RunRecord, store: Store, began: float) -> None:
    """What is left of a run that ended, well or not: its reports are where people look for them."""
    record.seconds = round(time.monotonic() - began, 2)
    for step in STEPS:
        _fill(record.steps[step], step, store)
    store.write(record)
    store.link(record)
    write_page(store, record)


def _fill(state: StepRecord, step: StepName, store: Store) -> bool:
    """Write into a step's record what the store has with its key; whether it has anything."""
    result = store.result(step, state.key)
    if result:
        state.metrics = dict(result.metrics)
        state.artifacts = {name: str(path) for name, path in result.artifacts.items()}
    return result is not None


def _execute(tasks: Tasks, pipeline: str, folder: Path, root: Path, store: Store) -> None:
    """Hand a pipeline to KFP. Steps resolve paths from the project's folder, so that is where they run."""
    try:
        with (
            _ended_by_signals(tasks.stopped),
            (folder / "kfp.log").open("w", encoding="utf-8", buffering=1) as kfp_log,
            _inside(root) as scratch,
            redirect_stdout(kfp_log),
            words_only(),
            warnings.catch_warnings(),
            tasks.under_kfp() as runner,
        ):
            warnings.simplefilter("ignore")
            local.init(
                runner, pipeline_root=str(store.artifacts), workspace_root=scratch,
                enable_caching=True, cache_root=str(store.keys),
            )  # fmt: skip
            import_module("kfp.components").load_component_from_text(pipeline)()
    except (RuntimeError, ValueError, OSError) as error:
        raise tasks.failure(error) from error


def _here(compiled: Compiled, wanted: Collection[StepName]) -> str:
    """The pipeline as it runs here: the steps that are wanted, and their shards one after the other.

    Side by side they would share this machine's cores.
    """
    pipeline = deepcopy(dict(compiled.pipeline))
    components, unwanted = pipeline["components"], set(STEPS) - set(wanted)
    for dag in [part["dag"] for part in (pipeline["root"], *components.values()) if "dag" in part]:
        inside = {name: steps_in(name, task, components) for name, task in dag["tasks"].items()}
        kept = {name: task for name, task in dag["tasks"].items() if not inside[name] or inside[name] - unwanted}
        dag["tasks"] = kept or dag["tasks"]  # a group that is left out stands here still, and nothing asks for it
    for component in (pipeline["root"], *pipeline["components"].values()):
        for task in component.get("dag", {}).get("tasks", {}).values():
            if "iteratorPolicy" in task:
                task["iteratorPolicy"]["parallelismLimit"] = 1
    return ir_text(filter(None, [pipeline, compiled.platform]))


def steps_in(name: str, task: Mapping[str, Any], components: Mapping[str, Any]) -> set[StepName]:
    """The steps that a task is or does a part of; of a group of tasks, those of all inside.

    What holds a release is there in the place of its deployment.
    """
    inner = components.get(task["componentRef"]["name"], {}).get("dag", {}).get("tasks", {})
    inside = set[StepName]().union(*(steps_in(each, one, components) for each, one in inner.items()))
    step: StepName | None = "deploy" if name == HOLD else step_of(name)
    return inside | ({step} if step else set())


@contextmanager
def _ended_by_signals(stopped: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM end a run in the same way, also where a task is at work in one of KFP's threads."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        stopped.set()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)

    both = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # what is ignored stays so: a shell starts its jobs in the background without Ctrl-C
    before = {number: handler for number, handler in both.items() if handler not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
