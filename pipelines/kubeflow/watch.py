"""A run on Kubeflow, understood: which step runs, how far it is, how it ended and why it failed.

Kubeflow tells Argo's nodes: for a task `train` the nodes `train-driver` (a pod that looks into the cache), `train`
and, below it, `executor` (the pod that works). An executor that Argo skipped under a task that succeeded is a cached
result. A task that Argo left out because an earlier one failed is no result at all.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipelines.kubeflow.client import Server, Unreachable
from pipelines.kubeflow.how_far import Far, Parts, parts_of
from pipelines.runs.events import Listener, marked, reason_of
from pipelines.runs.record import StepRecord
from pipelines.wiring.steps import BESIDE, LISTING, PARTS
from raftops.errors import ClusterError, StepError
from raftops.progress import FAILURE, PROGRESS
from raftops.spec.model.base import STEPS, StepName

ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
PATIENCE = 20
"""Polls in a row that a server may leave unanswered: the run does not depend on us."""
_PAINT = re.compile(r"\x1b\[[\d;]*m")
_CURES = {
    "OOMKilled": "raise platform.resources.{step}.memory and submit again",
    "ImagePull|InvalidImageName": "check platform.registry, images and image_pull_secrets, and that it was pushed",
    "CreateContainerConfigError": "make the secret or the config map that it names, in the namespace of the run",
    "no node takes it": "lower platform.resources.{step}, or mend its node_selector and tolerations, or add a node",
}
"""What mends a pod, by what Kubernetes says of it."""
ASKED = 3
"""Pods of a step that Kubernetes is asked about at a look: where it cannot be reached, each costs seconds."""
Node = Mapping[str, Any]
Why = Callable[[str], str]
"""From a pod's name to what Kubernetes knows of it: why it failed, or does not start; nothing where nobody can tell."""


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
    """Pods that did its work, the newest last; of several side by side one that failed, or is at work, stands last."""
    error: str = ""
    """What Kubeflow says about it: often nothing."""
    states: Mapping[str, str] = field(default_factory=dict)
    """Kubeflow's state of every pod at its work, cached ones too; several where parts of it work side by side."""


def steps_of(run: Mapping[str, Any]) -> dict[StepName, StepState]:
    """The steps of a run as its nodes tell them."""
    return {step: state_of(run, step) for step in STEPS}


def state_of(run: Mapping[str, Any], task: str) -> StepState:
    """One task of a run: a step, or one of `BESIDE`."""
    return _state(task, (run.get("run_details") or {}).get("task_details") or [], str(run.get("state")))


def _state(step: str, nodes: Sequence[Node], run_state: str) -> StepState:
    own = [node for node in nodes if node.get("display_name") == step]
    parts = [node for node in nodes if _is_part(step, str(node.get("display_name")))]
    if not own and not parts:
        return StepState(step, "left out" if run_state in ENDED else "waiting")
    executors = [e for node in (*parts, *own) for e in _executors(node, nodes)]
    status = _status(own, parts, executors, run_state)
    executors.sort(key=lambda e: e.get("state") == ("FAILED" if status == "failed" else "RUNNING"))
    pods = tuple(str(e.get("pod_name")) for e in executors if e.get("state") != "SKIPPED")
    error = next((_error(node) for node in (*executors, *own) if _error(node)), "")
    times = sorted(filter(None, map(_span, (*parts, *own))))
    listing = [e for node in parts if node.get("display_name") in LISTING for e in _executors(node, nodes)]
    states = {str(e.get("pod_name")): str(e.get("state")) for e in executors if e not in listing}
    return StepState(step, status, _covered(times), sum(end - start for start, end in times), pods, error, states)


def _is_part(step: str, name: str) -> bool:
    """Whether a task is a part of a step: `ingest-shard`, `train-candidate`; drivers are nobody's work."""
    return name.startswith(PARTS.get(step, ())) and not name.endswith("-driver")


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


def _error(node: Node) -> str:
    return str((node.get("error") or {}).get("message") or "")


def _span(node: Node) -> tuple[float, float] | None:
    """When a task began and ended, or now where it is at work; None where it did not begin."""
    start, end = _time(node.get("start_time")), _time(node.get("end_time"))
    if start is None:
        return None
    return start.timestamp(), max(start, end or datetime.now(UTC)).timestamp()


def _covered(times: Sequence[tuple[float, float]]) -> float:
    """Seconds in which at least one task was at work; `times` by their start."""
    seconds, until = 0.0, 0.0
    for start, end in times:
        seconds += max(0.0, end - max(start, until))
        until = max(until, end)
    return seconds


def _time(text: Any) -> datetime | None:
    """A time of the server; what is not there yet comes as the year 1 or as 1970."""
    try:
        at = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.year > 1970 else None


def watch(server: Server, run_id: str, listener: Listener, pause: float, why: Why = lambda pod: "") -> dict[str, Any]:
    """Tell the listener how a run goes until it ends; the run as it ended. Asks every `pause` seconds.

    `why` tells what Kubernetes knows of a pod that does not start.
    """
    seen: dict[StepName, str] = {}
    parts: dict[StepName, Parts] = {step: Parts() for step in STEPS}
    far: dict[StepName, Far] = {}
    missed = 0
    while True:
        try:
            run = server.run(run_id)
            missed = 0
        except Unreachable:
            missed += 1
            if missed > PATIENCE:
                raise
            time.sleep(pause)
            continue
        for step, state in steps_of(run).items():
            _tell(step, state, seen, listener)
            now = far_of(server, run, state, parts[step]) or _held_up(state, why)
            if now and far.get(step) != now:
                far[step] = now
                listener.progressed(step, now.done, now.total, now.note)
        if run.get("state") in ENDED:
            return run
        time.sleep(pause)


def _tell(step: StepName, state: StepState, seen: dict[StepName, str], listener: Listener) -> None:
    before, now = seen.get(step, "waiting"), state.status
    if before == now or now in ("waiting", "left out"):
        return
    seen[step] = now
    record = StepRecord("", {}, "failed" if now == "canceled" else now, round(state.seconds, 1))
    if now == "skipped":
        listener.skipped(step, record)
        return
    if before == "waiting":
        listener.started(step)
    if now != "running":
        listener.finished(step, record)


def far_of(server: Server, run: Mapping[str, Any], state: StepState, parts: Parts) -> Far | None:
    """How far a step at work says it is, by the logs of its pods; `parts` remembers what they said."""
    if state.status != "running":
        return None
    return parts.look(state.states, parts_of(run, state.step), lambda pod: _log(server, str(run.get("run_id")), pod))


def waits_for(state: StepState, why: Why) -> str:
    """What keeps a pod of a step at work from starting, where Kubernetes tells; else nothing."""
    pending = [pod for pod, at in state.states.items() if at == "PENDING"] if state.status == "running" else []
    return next(filter(None, map(why, pending[:ASKED])), "")


def _held_up(state: StepState, why: Why) -> Far | None:
    told = waits_for(state, why)
    return Far(0, 1, f"waits: {told}") if told else None


def _log(server: Server, run_id: str, pod: str) -> str:
    """The log of a pod; nothing where it cannot be had."""
    try:
        return server.log(run_id, pod)
    except ClusterError:
        return ""


def failure(server: Server, run: Mapping[str, Any], why: Why = lambda pod: "") -> StepError | None:
    """Why a run did not succeed: step, reason, next step; None where it did.

    `why` tells what Kubernetes knows of a pod: exit code, or the event that kept it from starting.
    """
    state, run_id = str(run.get("state")), str(run.get("run_id"))
    if state in ("SUCCEEDED", "SKIPPED"):
        return None
    states = (state_of(run, task) for task in (*STEPS, *BESIDE))
    failed = next((state for state in states if state.status == "failed"), None)
    if state == "CANCELED" and failed is None:
        return StepError(f"run {run_id} was canceled", next_step="raftops submit SPEC: finished steps are not redone")
    if failed is None:
        told = [line for line in _PAINT.sub("", _error(run)).splitlines() if line.strip()]
        said = reason_of(told) if told else "no step of ours failed; a driver pod or the workflow itself did"
        return StepError(f"run {run_id} failed: {said}", next_step=f"look at {server.page(run_id)}")
    if not failed.pods:
        return _step_failure(failed, [], "", run_id)
    last = failed.pods[-1]
    return _step_failure(failed, _log(server, run_id, last).splitlines(), why(last), run_id)


def _step_failure(failed: StepState, log: Sequence[str], pod: str, run_id: str) -> StepError:
    said: dict[str, Any] = next(filter(None, (marked(line, FAILURE) for line in reversed(log))), {})
    read = f"raftops logs {run_id[:8]} {failed.step}"
    if said:
        return StepError(f"{failed.step}: {said['message']}", next_step=str(said["next"]) or read)
    last = reason_of([line for line in log if line.strip() and PROGRESS not in line]) if log else ""
    reasons = [reason for reason in (pod, last, failed.error) if reason]
    if not reasons:
        step = "kubectl get events in the run's namespace tells more; Kubeflow keeps neither log nor reason"
        return StepError(f"{failed.step} failed and left no log: its pod may never have started", next_step=step)
    cure = next((cure for said, cure in _CURES.items() if re.search(said, pod)), "") if failed.step in STEPS else ""
    advice = f"{cure.format(step=failed.step)}; {read}" if cure and last else cure.format(step=failed.step) or read
    return StepError(f"{failed.step} failed: {'; '.join(dict.fromkeys(reasons))}", next_step=advice)
