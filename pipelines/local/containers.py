"""Run the tasks of a compiled pipeline in containers of a Docker engine. KFP orders them, `handler.py` listens to them.

A container stays until its exit code was read. What it is given is decided in `sandbox.py`. Images are never pulled,
and one that was built from other code than the keys speak of is refused.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound, NotFound
from docker.models.containers import Container

from pipelines.local.handler import Ending, Handler
from pipelines.local.limits import Limits, limits
from pipelines.local.sandbox import STORE_LABEL, Site, container_arguments, is_remote, named_outside, own
from pipelines.runs.record import Store
from pipelines.wiring.compile import Compiled
from raftops.errors import StepError
from raftops.spec.load import LoadedSpec
from raftops.spec.model.base import STEPS

STEP_LABEL, CODE_LABEL = "io.raftops.step", "io.raftops.code"
"""Labels of an image: its step, and the hash of the code that the step's key is made of."""
_KILLED = 128 + signal.SIGKILL
_MAKE = "make images, or docker pull it"


@contextmanager
def in_containers(loaded: LoadedSpec, compiled: Compiled, store: Store) -> Iterator[Callable[[Handler], Ending]]:
    """Every task is a container, removed when it ended.

    Raises:
        StepError: no engine answers, an image is not there or was built from other code, or the engine lacks GPUs.
    """
    engine = Engine(loaded, compiled, store)
    try:
        engine.sweep()
        engine.check(step for step in STEPS if store.result(step, compiled.keys[step].digest) is None)
        yield engine.launch
    finally:
        engine.close()


class Engine:
    """A Docker engine, for one run."""

    def __init__(self, loaded: LoadedSpec, compiled: Compiled, store: Store) -> None:
        try:
            self._client = docker.from_env()
            self._client.ping()
        except DockerException as error:
            raise StepError(
                f"no Docker engine answers ({error})", next_step="start Docker or set DOCKER_HOST, or leave --in out"
            ) from error
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

    def launch(self, task: Handler) -> Ending:
        """Run one task. StepError where its image does not do, or the engine fails."""
        limit = replace(self._limits[task.name], image=task.image)
        self._check(task.name, limit)
        arguments = container_arguments(task.name, limit, self.site, task.environment)
        try:
            return TaskContainer(self._client, arguments, limit).run(task)
        except DockerException as error:
            raise StepError(f"{task.name}: the Docker engine failed: {error}", next_step="docker info") from error

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


class TaskContainer:
    """One task in one container: created, listened to, asked for its exit code, removed."""

    def __init__(self, client: docker.DockerClient, arguments: Mapping[str, Any], limit: Limits) -> None:
        self._client, self._arguments, self._limit = client, arguments, limit
        self._late = False

    def run(self, task: Handler) -> Ending:
        """Run it to its end; it is killed when its time is over, or its run was ended."""
        container: Container = self._client.containers.create(command=list(task.command), **self._arguments)
        over, until = threading.Event(), time.monotonic() + (self._limit.seconds or float("inf"))

        def watch() -> None:
            while not over.wait(0.5):
                self._late = time.monotonic() > until
                if self._late or task.stopped.is_set():
                    with suppress(DockerException):
                        container.kill()
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        try:
            container.start()
            watcher.start()
            for chunk in container.logs(stream=True, follow=True):
                task.hear(chunk)
            container.wait()
            over.set()
            watcher.join()
            container.reload()
            return self.ending(task.name, container.attrs["State"])
        finally:
            over.set()
            with suppress(NotFound):
                container.remove(force=True, v=True)

    def ending(self, task: str, state: Mapping[str, Any]) -> Ending:
        """How it ended, by the engine's `State`; what it could not say itself, because it was killed, is said here."""
        code, message = int(state["ExitCode"]), ""
        settings = f"platform.resources.{task.partition('-')[0]}"
        if self._late:
            message, advice = f"it was stopped: it ran longer than {self._limit.seconds} s", "raise timeout_minutes of "
        elif code and state.get("OOMKilled"):
            memory = f"{self._limit.memory / 2**20:,.0f} MiB of memory"
            message, advice = f"it was killed: it needed more than its {memory}", "raise memory of "
        elif code == _KILLED:
            message = f"it was killed, perhaps because the machine's memory ran out (exit code {code})"
            advice = "make room; its own limit is memory of "
        return Ending(code, message, f"{advice}{settings}, then run again: what is finished is kept" if message else "")
