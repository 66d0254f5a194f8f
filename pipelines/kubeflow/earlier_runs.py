"""What a Kubeflow server keeps of an assistant's earlier runs: the keys that are cached, and how long steps took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.kubeflow.client import Server
from pipelines.kubeflow.run_state import steps_of, tasks_of
from pipelines.runs.cost import PastStep
from pipelines.runs.effort import rounds
from raftops.spec.model.base import STEPS, StepName


def past_steps(server: Server, experiment: str, limit: int = 10) -> list[PastStep]:
    """The good steps of the newest runs of an experiment, newest first; none where there is no such experiment."""
    experiment_id = server.experiment(experiment)
    if experiment_id is None:
        return []
    past = []
    for row in server.runs(experiment_id, limit):
        run = server.run(str(row["run_id"]))
        pipeline = run.get("pipeline_spec") or {}
        keys = cache_keys(pipeline)
        for step, state in steps_of(run).items():
            if step not in keys or state.status not in ("done", "skipped"):
                continue
            train = _train_settings(pipeline) if step == "train" else {}
            seconds = state.work if train.get("plain_beside") else state.seconds
            # How many candidates were trained one after the other.
            one_by_one = rounds(len(train.get("candidates") or ()), int(train.get("candidates_at_once") or 1))
            measured = seconds if state.status == "done" else None
            past.append(PastStep(step, keys[step], measured, str(run.get("run_id")), one_by_one))
    return past


def cache_keys(spec: Mapping[str, Any]) -> dict[StepName, str]:
    """The cache key of each step in a pipeline as the server keeps it, however deep its task is nested."""
    keys = {name: str((task.get("cachingOptions") or {}).get("cacheKey") or "") for name, task in tasks_of(spec)}
    return {step: keys[step] for step in STEPS if keys.get(step)}


def _train_settings(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of train that a pipeline was compiled with."""
    train: Mapping[str, Any] = next((task for name, task in tasks_of(spec) if name == "train"), {})
    config = ((train.get("inputs") or {}).get("parameters") or {}).get("config") or {}
    return ((config.get("runtimeValue") or {}).get("constant") or {}).get("train") or {}
