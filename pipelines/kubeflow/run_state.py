"""A run as Kubeflow's API describes it, understood: which step is pending, runs, was cached or failed, and its pods.

The API mirrors Argo's nodes: for a task `train` the nodes `train-driver` (a pod that looks into the cache), `train`
and, below it, `executor` (the pod that works). An executor that Argo skipped under a task that succeeded is a cached
result. A task that Argo left out because an upstream one failed is no result at all. Asks no server: see `watch.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipelines.wiring.steps import LISTING, PARTS
from raftops.spec.model.base import STEPS, StepName

ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
Node = Mapping[str, Any]


@dataclass(frozen=True)
class StepState:
    """One step of a run."""

    step: str
    """Its name; that of another task of the pipeline where it is not one of the seven."""
    status: str = "waiting"
    """waiting, running, done, skipped (a cached result), failed, canceled, or left out (the run ended before)."""
    seconds: float = 0.0
    """Time in which it was at work."""
    work: float = 0.0
    """Seconds of its tasks together: more, where some ran side by side."""
    pods: tuple[str, ...] = ()
    """Pods that did its work, the newest last; of several side by side one that failed, or runs, comes last."""
    error: str = ""
    """Kubeflow's message: often nothing."""
    states: Mapping[str, str] = field(default_factory=dict)
    """Kubeflow's state of every pod at its work, cached ones too; several where parts of it work side by side."""


def steps_of(run: Mapping[str, Any]) -> dict[StepName, StepState]:
    """The steps of a run by its nodes."""
    return {step: state_of(run, step) for step in STEPS}


def state_of(run: Mapping[str, Any], task: str) -> StepState:
    """One task of a run: a step, or one of `BESIDE`."""
    nodes: Sequence[Node] = (run.get("run_details") or {}).get("task_details") or []
    run_state = str(run.get("state"))
    own, parts = [], []
    for node in nodes:
        name = str(node.get("display_name"))
        if name == task:
            own.append(node)
        elif name.startswith(PARTS.get(task, ())) and not name.endswith("-driver"):  # such as `ingest-shard`
            parts.append(node)
    if not own and not parts:
        return StepState(task, "left out" if run_state in ENDED else "waiting")
    executors = [e for node in (*parts, *own) for e in _executors(node, nodes)]
    status = _status(own, parts, executors, run_state)
    # The sort is stable: the newest stays last among those that failed (or run).
    executors.sort(key=lambda e: e.get("state") == ("FAILED" if status == "failed" else "RUNNING"))
    pods = tuple(str(e.get("pod_name")) for e in executors if e.get("state") != "SKIPPED")
    error = next(filter(None, map(error_of, (*executors, *own))), "")
    listing = [e for node in parts if node.get("display_name") in LISTING for e in _executors(node, nodes)]
    states = {str(e.get("pod_name")): str(e.get("state")) for e in executors if e not in listing}
    spans = sorted(filter(None, map(_span, (*parts, *own))))
    seconds, until = 0.0, 0.0
    for start, end in spans:  # time in which at least one task ran: where spans overlap it counts once
        seconds += max(0.0, end - max(start, until))
        until = max(until, end)
    return StepState(task, status, seconds, sum(end - start for start, end in spans), pods, error, states)


def _status(own: Sequence[Node], parts: Sequence[Node], executors: Sequence[Node], run_state: str) -> str:
    states = {str(node.get("state")) for node in (*own, *parts)}
    if "FAILED" in states:
        return "failed"
    if own and all(node.get("state") == "SKIPPED" for node in own):
        return "left out"
    if not own or states & {"RUNNING", "PENDING", "RUNTIME_STATE_UNSPECIFIED"}:
        return "canceled" if run_state in ENDED else "running"
    if "CANCELED" in states:
        return "canceled"
    return "skipped" if executors and all(e.get("state") == "SKIPPED" for e in executors) else "done"


def _executors(node: Node, nodes: Sequence[Node]) -> Iterator[Node]:
    """The pods below a task: `executor`, or `executor(0)` and on where it was retried."""
    below = {_tail(child.get("pod_name")) for child in node.get("child_tasks") or ()}
    for other in nodes:
        if str(other.get("display_name", "")).startswith("executor") and _tail(other.get("pod_name")) in below:
            retried = list(_executors(other, nodes)) if other is not node else []
            yield from retried or [other]


def _tail(pod: Any) -> str:
    """The hash at the end: nodes and their pods have names of two forms that share it."""
    return str(pod).rpartition("-")[2]


def error_of(node: Node) -> str:
    """Kubeflow's message about a run or a node; empty where it has none."""
    return str((node.get("error") or {}).get("message") or "")


def _span(node: Node) -> tuple[float, float] | None:
    """When a task began and ended, or now where it still runs; None where it did not begin."""
    start, end = _time(node.get("start_time")), _time(node.get("end_time"))
    if start is None:
        return None
    return start.timestamp(), max(start, end or datetime.now(UTC)).timestamp()


def _time(text: Any) -> datetime | None:
    """A time of the server; what is not there yet comes as the year 1 or as 1970."""
    try:
        at = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.year > 1970 else None


def tasks_of(spec: Mapping[str, Any]) -> list[tuple[str, Node]]:
    """Every task of a pipeline with its name, however deep it is nested: the spec alone, or beside its platform's."""
    pipeline = spec.get("pipeline_spec") or spec
    dags = [pipeline.get("root") or {}, *(pipeline.get("components") or {}).values()]
    return [pair for dag in dags for pair in _tasks(dag).items()]


def _tasks(component: Mapping[str, Any]) -> Mapping[str, Node]:
    return (component.get("dag") or {}).get("tasks") or {}


def part_count(run: Mapping[str, Any], step: str) -> int:
    """Shards or candidates that a step of a run has by its pipeline; zero where it has none, or nobody knows."""
    spec = run.get("pipeline_spec") or {}
    components = (spec.get("pipeline_spec") or spec).get("components") or {}
    for _, task in tasks_of(spec):
        items = ((task.get("parameterIterator") or {}).get("items") or {}).get("raw")
        inner = components.get((task.get("componentRef") or {}).get("name")) or {}
        if items and set(PARTS.get(step, ())) & set(_tasks(inner)):
            return len(json.loads(items))
    return 0
