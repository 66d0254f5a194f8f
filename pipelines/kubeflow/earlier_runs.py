"""What a Kubeflow server remembers of an assistant's steps: which keys it has results of, and how long they took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.kubeflow.client import Server
from pipelines.kubeflow.watch import steps_of
from pipelines.runs.cost import PastStep
from pipelines.runs.effort import rounds
from raftops.spec.model.base import STEPS, StepName


def past_steps(server: Server, experiment: str, limit: int = 10) -> list[PastStep]:
    """The good steps of the newest runs of an experiment, newest first; none where there is no such experiment."""
    found = server.experiment(experiment)
    if found is None:
        return []
    runs = (server.run(str(run["run_id"])) for run in server.runs(found, limit))
    return [step for run in runs for step in _steps(run)]


def _steps(run: Mapping[str, Any]) -> Iterator[PastStep]:
    pipeline = run.get("pipeline_spec") or {}
    keys = cache_keys(pipeline)
    for step, state in steps_of(run).items():
        if step in keys and state.status in ("done", "skipped"):
            settings = _training(pipeline) if step == "train" else {}
            worked = state.work if settings.get("plain_beside") else state.seconds
            seconds = worked if state.status == "done" else None
            yield PastStep(step, keys[step], seconds, str(run.get("run_id")), _rounds(settings))


def cache_keys(spec: Mapping[str, Any]) -> dict[StepName, str]:
    """The cache key of each step in a pipeline as the server keeps it, however deep its task lies."""
    found = {name: str((task.get("cachingOptions") or {}).get("cacheKey") or "") for name, task in _tasks(spec)}
    return {step: found[step] for step in STEPS if found.get(step)}


def _training(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of train that a pipeline was compiled with."""
    for name, task in _tasks(spec):
        if name == "train":
            given = ((task.get("inputs") or {}).get("parameters") or {}).get("config") or {}
            return ((given.get("runtimeValue") or {}).get("constant") or {}).get("train") or {}
    return {}


def _rounds(settings: Mapping[str, Any]) -> int:
    """How many candidates were trained one after the other."""
    return rounds(len(settings.get("candidates") or ()), int(settings.get("candidates_at_once") or 1))


def _tasks(spec: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Every task of a pipeline with its name, however deep it lies."""
    pipeline = spec.get("pipeline_spec") or spec
    dags = [pipeline.get("root") or {}, *(pipeline.get("components") or {}).values()]
    return [(name, task) for dag in dags for name, task in ((dag.get("dag") or {}).get("tasks") or {}).items()]
