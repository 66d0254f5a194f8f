"""Run a compiled pipeline in its containers by a Docker engine. KFP orders the tasks, this module runs each of them.

KFP's own Docker runner takes a container that is gone for one that did well. Here a container stays until its exit
code was read. What it is given stands in `sandbox.py`. Images are never pulled, and one that was built from other code
than the keys speak of is refused.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from kfp import local
from kfp.local import docker_task_handler, status

from pipelines.local.limits import Limits, limits
from pipelines.local.sandbox import STORE_LABEL, Site, container_arguments, is_remote, named_outside, own
from pipelines.runs.record import Store
from pipelines.wiring.compile import Compiled
from raftops.errors import StepError
from raftops.progress import FAILURE, PROGRESS
from raftops.spec.load import LoadedSpec
from raftops.spec.model.base import STEPS

STEP_LABEL, CODE_LABEL = "io.raftops.step", "io.raftops.code"
"""Labels of an image: its step, and the hash of the code that the step's key is made of."""
_KILLED = 128 + signal.SIGKILL
_MAKE = "make images, or docker pull it"


def task_of(command: Sequence[str]) -> str:
    """The task that a command is for, by where its output goes: .../run/task/executor_output.json."""
    told = json.loads(command[list(command).index("--executor_input") + 1])
    return Path(told["outputs"]["outputFile"]).parent.name


@contextmanager
def in_containers(loaded: LoadedSpec, compiled: Compiled, store: Store) -> Iterator[local.DockerRunner]:
    """Let KFP's local orchestration run its tasks in containers, until the block ends.

    Raises:
        StepError: no engine answers, an image is not there or was built from other code, or the engine lacks GPUs.
    """
    engine = Engine(loaded, compiled, store)
    before = docker_task_handler.DockerTaskHandler
    docker_task_handler.DockerTaskHandler = engine.task
    try:
        engine.sweep()
        engine.check(step for step in STEPS if store.result(step, compiled.keys[step].digest) is None)
        with _terminated_as_interrupted():
            yield local.DockerRunner()
    finally:
        docker_task_handler.DockerTaskHandler = before
        engine.close()


class Engine:
    """A Docker engine, for one run."""

    def __init__(self, loaded: LoadedSpec, compiled: Compiled, store: Store) -> None:
        self._client = _client()
        self._limits = limits(compiled.pipeline, compiled.platform)
        self._code = {step: key.parts.get("code", "") for step, key in compiled.keys.items()}
        info: dict[str, Any] = self._client.info()
        self._gpus = "nvidia" in info.get("Runtimes", {})
        self.site = Site(
            root=loaded.root.resolve(),
            store=store.root,
            user=own(store.root),
            cores=int(info["NCPU"]),
            remote=is_remote(loaded.assistant),
            others=named_outside(loaded.assistant, loaded.root),
            selinux="name=selinux" in info.get("SecurityOptions", ()),
        )

    def task(
        self,
        image: str,
        full_command: list[str],
        pipeline_root: str,
        runner: object,
        env_vars: dict[str, str] | None = None,
    ) -> Task:
        """What KFP asks to run one task."""
        name = task_of(full_command)
        limit = replace(self._limits[name], image=image)
        self._check(name, limit)
        return Task(
            self._client, name, full_command, container_arguments(name, limit, self.site, env_vars or {}), limit
        )

    def check(self, steps: Iterable[str]) -> None:
        """Raise `StepError` where a step could not run: better now than behind an hour of training."""
        wanted = tuple(steps)
        for task, limit in self._limits.items():
            if any(task == step or task.startswith(f"{step}-") for step in wanted):
                self._check(task, limit)

    def sweep(self) -> None:
        """Remove containers that an earlier run of this store left; a killed runner cannot do it."""
        for left in self._client.containers.list(all=True, filters={"label": f"{STORE_LABEL}={self.site.store}"}):
            with suppress(NotFound):
                left.remove(force=True, v=True)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _check(self, task: str, limit: Limits) -> None:
        try:
            labels = self._client.images.get(limit.image).labels
        except ImageNotFound as error:
            raise StepError(f"{task}: the image {limit.image} is not on this engine", next_step=_MAKE) from error
        step = labels.get(STEP_LABEL)
        if step is None or (step in self._code and labels.get(CODE_LABEL) != self._code[step]):
            raise StepError(f"{task}: the image {limit.image} was not built from this code", next_step="make images")
        if limit.accelerators and not self._gpus:
            message = f"{task}: asks for {limit.accelerators} {limit.accelerator}, and this Docker engine offers no GPU"
            raise StepError(message, next_step="install the NVIDIA container toolkit, or run without the GPU overlay")


class Task:
    """One task in one container: created, followed, asked for its exit code, removed."""

    def __init__(
        self, client: docker.DockerClient, name: str, command: list[str], arguments: dict[str, Any], limit: Limits
    ) -> None:
        self._client, self._name, self._command, self._arguments = client, name, command, arguments
        self._limit = limit
        self._late = False

    def run(self) -> status.Status:
        """Run it to its end; success is exit code 0 and nothing else."""
        container: Container = self._client.containers.create(command=self._command, **self._arguments)
        try:
            container.start()
            with self._deadline(container):
                said = self._follow(container)
                container.wait()
            container.reload()
            return self._ended(container.attrs["State"], said)
        finally:
            with suppress(NotFound):
                container.remove(force=True, v=True)

    def _follow(self, container: Container) -> str:
        """Print what it says, line by line, behind the task's name; returns the last line."""
        last = ""
        for line in lines(container.logs(stream=True, follow=True)):
            last = line.strip() if line.strip() and PROGRESS not in line else last
            print(f"{self._name} | {line}")  # noqa: T201  KFP's runners print; the follower stands in for stdout
        return last

    def _ended(self, state: Mapping[str, Any], said: str) -> status.Status:
        code = int(state["ExitCode"])
        if code == 0 and not self._late:
            return status.Status.SUCCESS
        ended = self._ended_by_force(code, bool(state.get("OOMKilled")))
        last = f"{said} (exit code {code})" if said else f"it ended with exit code {code}, without a message"
        print(f"{self._name} | {FAILURE + json.dumps(ended) if ended else last}")  # noqa: T201  as above
        return status.Status.FAILURE

    def _ended_by_force(self, code: int, out_of_memory: bool) -> dict[str, str]:
        """What to say of a step that could not say it itself, marked as it would have; empty where it ended alone."""
        settings = f"platform.resources.{self._name.partition('-')[0]}"
        again = "then run again: what is finished is kept"
        if self._late:
            message = f"it was stopped: it ran longer than {self._limit.seconds} s"
            return {"message": message, "next": f"raise timeout_minutes of {settings}, {again}"}
        if out_of_memory:
            message = f"it was killed: it needed more than its {self._limit.memory / 2**20:,.0f} MiB of memory"
            return {"message": message, "next": f"raise memory of {settings}, {again}"}
        if code == _KILLED:
            message = f"it was killed, perhaps because the machine's memory ran out (exit code {code})"
            return {"message": message, "next": f"make room (its own limit is memory of {settings}), {again}"}
        return {}

    @contextmanager
    def _deadline(self, container: Container) -> Iterator[None]:
        """Kill it when its time is over."""

        def stop() -> None:
            self._late = True
            with suppress(DockerException):
                container.kill()

        timer = threading.Timer(self._limit.seconds, stop)
        timer.daemon = True
        if self._limit.seconds:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Whole lines of a stream that comes in pieces; what is not UTF-8 is shown escaped."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", "backslashreplace") for line in whole)
    if rest:
        yield rest.decode("utf-8", "backslashreplace")


def _client() -> docker.DockerClient:
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        raise StepError(
            f"no Docker engine answers ({error})", next_step="start Docker or set DOCKER_HOST, or leave --in out"
        ) from error
    return client


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does, so that its container goes too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
