"""What running a step in a container costs beside the step: one JSON line per figure, in seconds.

`step` is a task's time less that of its process (State.FinishedAt - StartedAt), over tasks that do nothing; `skipped`
is the time of a run in which every step is known, by step. Needs a Docker engine and one image: IMAGE, or validate's.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
from kfp import dsl
from kfp.local.cache import LocalCache

from components.images import image
from pipelines.local.containers import TaskContainer, in_containers
from pipelines.local.handler import Ending
from pipelines.local.limits import Limits
from pipelines.local.run import run_local
from pipelines.local.sandbox import Site, container_arguments, own
from pipelines.runs.record import StepRecord, Store
from pipelines.wiring.compile import compile_spec
from raftops.errors import StepError
from raftops.spec.load import load_spec
from raftops.spec.model.base import STEPS, StepName

TIMES = 10


class Timed(TaskContainer):
    """A task that keeps how long its process was up."""

    up = 0.0

    def ending(self, task: str, state: Mapping[str, Any]) -> Ending:
        self.up = (_moment(state["FinishedAt"]) - _moment(state["StartedAt"])).total_seconds()
        return super().ending(task, state)


class Silent:
    """A listener that shows nothing."""

    def skipped(self, step: StepName, record: StepRecord) -> None: ...

    def started(self, step: StepName) -> None: ...

    def progressed(self, step: StepName, done: int, total: int, note: str) -> None: ...

    def finished(self, step: StepName, record: StepRecord) -> None: ...


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:26].rstrip("Z"))


def of_steps(client: docker.DockerClient, name: str, place: Path) -> list[float]:
    """Time beside the process, of tasks that end at once."""
    site = Site(place, place, own(place), cores=os.cpu_count() or 1)
    found = []
    for _ in range(TIMES):
        limit = Limits(name)
        task = Timed(client, container_arguments("validate", limit, site, {}), limit)
        asked: Any = SimpleNamespace(name="validate", command=["true"], stopped=threading.Event(), hear=len)
        began = time.perf_counter()
        task.run(asked)
        found.append(time.perf_counter() - began - task.up)
    return found


def of_skipped(root: Path, place: Path) -> list[float]:
    """Time of a run in containers in which every step is known, by step. No image is asked for."""
    loaded, store = load_spec(root / "specs" / "quickstart.yaml"), Store(place / "store")
    compiled = compile_spec(loaded)
    cache = LocalCache(str(store.keys))
    for step, key in compiled.keys.items():
        name = cache.compute_key(f"comp-{step}", "", [], {}, custom_cache_key=key.digest)
        cache.put(name, {"made": dsl.Artifact(name="made", uri=str(place))})
    found = []
    for _ in range(TIMES):
        began = time.perf_counter()
        record = run_local(loaded, compiled, store, Silent(), runner=in_containers)
        found.append((time.perf_counter() - began) / len(STEPS))
        if any(step.status != "skipped" for step in record.steps.values()):
            raise StepError("a step ran that should have been skipped")
    return found


def main() -> None:
    """Print both figures: median and greatest."""
    root = Path(__file__).resolve().parents[1]
    client = docker.from_env()
    name = os.environ.get("IMAGE", image("validate"))
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        figures = {"step": of_steps(client, name, Path(folder)), "skipped": of_skipped(root, Path(folder))}
    for what, seconds in figures.items():
        line = {"benchmark": "container_overhead", "figure": what, "median": round(statistics.median(seconds), 4)}
        sys.stdout.write(json.dumps(line | {"max": round(max(seconds), 4), "times": len(seconds)}) + "\n")


if __name__ == "__main__":
    main()
