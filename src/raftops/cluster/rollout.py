"""Wait until the pods of a deployment answer, or say why they never will: pod states, events, last lines of the log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from raftops.cluster.api import Body, Cluster
from raftops.cluster.resources import REVISION
from raftops.errors import ClusterError
from raftops.progress import FAILURE

LOOK_SECONDS = 5
"""Pods are looked at this often while the deployment says nothing new."""
HOPELESS = {
    "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError",
    "CreateContainerError", "CrashLoopBackOff", "RunContainerError",
}  # fmt: skip
"""States of a container that waiting does not mend."""
EVENTS_SHOWN = 4
LINES_SHOWN = 8
Tell = Callable[[int, int], None]
"""Called with the pods that are ready and the pods that are wanted."""


@dataclass(frozen=True)
class Pod:
    """A pod that is there."""

    name: str
    address: str
    """Its IP address; empty until it has one."""
    ready: bool


class RolloutFailed(ClusterError):
    """The pods did not become ready."""


def wait_for(cluster: Cluster, name: str, labels: dict[str, str], seconds: float, tell: Tell) -> list[Pod]:
    """Wait until every pod of a deployment runs what it says now; returns them.

    Raises:
        RolloutFailed: a pod cannot start, cannot serve, or the time is over. Names pod, state, events and last lines.
    """
    end = time.monotonic() + seconds
    while True:
        now = cluster.get("Deployment", name)
        if now is None:
            raise RolloutFailed(f"deployment {name} is gone", next_step="somebody deleted it: run the spec again")
        if is_complete(now):
            return [pod for pod in pods(cluster, labels) if pod.ready]
        status = now.get("status", {})
        tell(int(status.get("availableReplicas", 0)), int(now["spec"].get("replicas", 1)))
        if reason := _hopeless(cluster, now, labels) or (_late(seconds) if time.monotonic() >= end else ""):
            raise RolloutFailed(
                f"deployment {name} does not become ready: {reason}{_told(cluster, now, labels)}",
                next_step="mend what the events name, then run the spec again",
            )
        wait = max(1, min(LOOK_SECONDS, round(end - time.monotonic())))
        for _ in cluster.watch("Deployment", name, now["metadata"]["resourceVersion"], wait):
            break


def is_complete(deployment: Body) -> bool:
    """Whether the controller has seen what is wanted, and every pod is new and available."""
    wanted, status = deployment["spec"].get("replicas", 1), deployment.get("status", {})
    counts = ("replicas", "updatedReplicas", "availableReplicas")
    return _is_seen(deployment) and all(status.get(count, 0) == wanted for count in counts)


def _is_seen(deployment: Body) -> bool:
    """Whether the status is about what is wanted now, and not about what was wanted before."""
    seen, wanted = (
        deployment.get("status", {}).get("observedGeneration", 0),
        deployment["metadata"].get("generation", 1),
    )
    return bool(seen >= wanted)


def pods(cluster: Cluster, labels: dict[str, str]) -> list[Pod]:
    """The pods with these labels that are not on their way out."""
    found = [pod for pod in cluster.list("Pod", labels) if not pod["metadata"].get("deletionTimestamp")]
    return [Pod(pod["metadata"]["name"], pod.get("status", {}).get("podIP", ""), _is_ready(pod)) for pod in found]


def _is_ready(pod: Body) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _late(seconds: float) -> str:
    return f"not within {seconds / 60:.0f} min (deploy.kubernetes.ready_minutes)"


def _hopeless(cluster: Cluster, deployment: Body, labels: dict[str, str]) -> str:
    """Why the pods will never be ready, in a few words; empty while there is hope."""
    for condition in deployment.get("status", {}).get("conditions", []) if _is_seen(deployment) else ():
        failed = condition["type"] == "ReplicaFailure" and condition["status"] == "True"
        if failed or (condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded"):
            return str(condition.get("message") or condition["reason"])
    for pod in _current(cluster, deployment, labels):
        for state, message in _waiting(pod):
            if state in HOPELESS:
                return f"pod {pod['metadata']['name']}: {state}{message}"
        if reason := refusal(cluster.log(pod["metadata"]["name"], 50)):
            return f"pod {pod['metadata']['name']}: the service cannot serve: {reason}"
    return ""


def _current(cluster: Cluster, deployment: Body, labels: dict[str, str]) -> list[Body]:
    """The pods that the deployment wants now; a slot's earlier ones may still be ending beside them."""
    revision = _revision(deployment["spec"]["template"])
    found = (pod for pod in cluster.list("Pod", labels) if not pod["metadata"].get("deletionTimestamp"))
    return [pod for pod in found if _revision(pod) == revision]


def _revision(body: Body) -> str | None:
    revision: str | None = body.get("metadata", {}).get("annotations", {}).get(REVISION)
    return revision


def _waiting(pod: Body) -> Iterator[tuple[str, str]]:
    status = pod.get("status", {})
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = container.get("state", {}).get("waiting", {})
        if waiting:
            said = f" ({waiting['message']})" if waiting.get("message") else ""
            ended = container.get("lastState", {}).get("terminated", {})
            code = f", exit code {ended['exitCode']}" if "exitCode" in ended else ""
            yield waiting.get("reason", ""), said + code


def refusal(log: str) -> str:
    """What the service itself says about why it cannot serve, from the marked line of its log."""
    for line in log.splitlines():
        if FAILURE in line:
            try:
                said: Any = json.loads(line.partition(FAILURE)[2])
                return f"{said['message']} ({said['next']})" if said["next"] else str(said["message"])
            except (ValueError, KeyError, TypeError):
                continue
    return ""


def _told(cluster: Cluster, deployment: Body, labels: dict[str, str]) -> str:
    """Events and last lines of the pods that are not ready, to stand under a message."""
    lines: list[str] = []
    for pod in _current(cluster, deployment, labels):
        if not _is_ready(pod):
            name = pod["metadata"]["name"]
            lines += _events(cluster, name)
            lines += [f"{name}: {line}" for line in cluster.log(name, LINES_SHOWN).splitlines()]
    return "".join(f"\n    {line}" for line in _once(lines))


def _events(cluster: Cluster, pod: str) -> list[str]:
    events = cluster.list("Event", fields=f"involvedObject.name={pod}")
    bad = [event for event in events if event.get("type") == "Warning"]
    return [f"{pod}: {event.get('reason')}: {event.get('message')}" for event in bad[-EVENTS_SHOWN:]]


def _once(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))
