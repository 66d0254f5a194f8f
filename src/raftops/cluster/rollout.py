"""Wait for a rollout: until the pods of a deployment are ready, or say why they never will be (states, events, log).

Changes nothing on the cluster, and does not ask the service anything: see `switch.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raftops.cluster.api import Body, Cluster
from raftops.cluster.pod_failures import is_hopeless
from raftops.cluster.resources import REVISION
from raftops.errors import ClusterError
from raftops.progress import FAILURE

LOOK_SECONDS = 5
"""Pods are looked at this often while the deployment says nothing new."""
EVENTS_SHOWN = 4
LINES_SHOWN = 8
Report = Callable[[int, int], None]
"""Called with the pods that are ready and the pods that are wanted."""


@dataclass(frozen=True)
class Pod:
    """A pod of a deployment."""

    name: str
    address: str
    """Its IP address; empty until it has one."""
    ready: bool


class RolloutFailed(ClusterError):
    """The pods did not become ready."""


def wait_for(cluster: Cluster, name: str, labels: dict[str, str], seconds: float, report: Report) -> list[Pod]:
    """Wait until every pod of a deployment runs its present template; returns them.

    Raises:
        RolloutFailed: a pod cannot start, cannot serve, or the time is over. Names pod, state, events and last lines.
    """
    end = time.monotonic() + seconds
    while True:
        deployment = cluster.get("Deployment", name)
        if deployment is None:
            raise RolloutFailed(f"deployment {name} is gone", next_step="somebody deleted it: run the spec again")
        if is_complete(deployment):
            return [pod for pod in pods(cluster, labels) if pod.ready]
        status = deployment.get("status", {})
        report(int(status.get("availableReplicas", 0)), int(deployment["spec"].get("replicas", 1)))
        reason = _hopeless(cluster, deployment, labels)
        if not reason and time.monotonic() >= end:
            reason = f"not within {seconds / 60:.0f} min (deploy.kubernetes.ready_minutes)"
        if reason:
            lines = [f"deployment {name} does not become ready: {reason}"]
            for pod in _current(cluster, deployment, labels):
                if not _is_ready(pod):
                    own = pod["metadata"]["name"]
                    events = cluster.list("Event", fields=f"involvedObject.name={own}")
                    warnings = [f"{e.get('reason')}: {e.get('message')}" for e in events if e.get("type") == "Warning"]
                    last = cluster.log(own, LINES_SHOWN).splitlines()
                    lines += [f"{own}: {line}" for line in (*warnings[-EVENTS_SHOWN:], *last)]
            message = "\n    ".join(dict.fromkeys(lines))  # each line once
            raise RolloutFailed(message, next_step="mend what the events name, then run the spec again")
        wait = max(1, min(LOOK_SECONDS, round(end - time.monotonic())))
        for _ in cluster.watch("Deployment", name, deployment["metadata"]["resourceVersion"], wait):
            break  # it changed: look again


def is_complete(deployment: Body) -> bool:
    """Whether the controller has seen the present spec, and every pod is updated and available."""
    wanted, status = deployment["spec"].get("replicas", 1), deployment.get("status", {})
    counts = ("replicas", "updatedReplicas", "availableReplicas")
    return _is_seen(deployment) and all(status.get(count, 0) == wanted for count in counts)


def _is_seen(deployment: Body) -> bool:
    """Whether the status is about the present spec, and not about an earlier one."""
    seen = deployment.get("status", {}).get("observedGeneration", 0)
    return bool(seen >= deployment["metadata"].get("generation", 1))


def pods(cluster: Cluster, labels: dict[str, str]) -> list[Pod]:
    """The pods with these labels that are not terminating."""
    staying = [pod for pod in cluster.list("Pod", labels) if not pod["metadata"].get("deletionTimestamp")]
    return [Pod(pod["metadata"]["name"], pod.get("status", {}).get("podIP", ""), _is_ready(pod)) for pod in staying]


def _is_ready(pod: Body) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _hopeless(cluster: Cluster, deployment: Body, labels: dict[str, str]) -> str:
    """Why the pods will never be ready, in a few words; empty while there is hope."""
    for condition in deployment.get("status", {}).get("conditions", []) if _is_seen(deployment) else ():
        failed = condition["type"] == "ReplicaFailure" and condition["status"] == "True"
        if failed or (condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded"):
            return str(condition.get("message") or condition["reason"])
    for pod in _current(cluster, deployment, labels):
        status = pod.get("status", {})
        for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
            waiting = container.get("state", {}).get("waiting", {})
            if is_hopeless(waiting.get("reason", "")):
                message = f" ({waiting['message']})" if waiting.get("message") else ""
                ended = container.get("lastState", {}).get("terminated", {})
                code = f", exit code {ended['exitCode']}" if "exitCode" in ended else ""
                return f"pod {pod['metadata']['name']}: {waiting['reason']}{message}{code}"
        if reason := refusal(cluster.log(pod["metadata"]["name"], 50)):
            return f"pod {pod['metadata']['name']}: the service cannot serve: {reason}"
    return ""


def _current(cluster: Cluster, deployment: Body, labels: dict[str, str]) -> list[Body]:
    """The pods that the deployment wants now; a slot's earlier ones may still be ending beside them."""
    revision = _revision(deployment["spec"]["template"])
    staying = (pod for pod in cluster.list("Pod", labels) if not pod["metadata"].get("deletionTimestamp"))
    return [pod for pod in staying if _revision(pod) == revision]


def _revision(body: Body) -> str | None:
    revision: str | None = body.get("metadata", {}).get("annotations", {}).get(REVISION)
    return revision


def refusal(log: str) -> str:
    """The service's own reason why it cannot serve, from the marked line of its log."""
    for line in log.splitlines():
        if FAILURE in line:
            try:
                failure: Any = json.loads(line.partition(FAILURE)[2])
                return f"{failure['message']} ({failure['next']})" if failure["next"] else str(failure["message"])
            except (ValueError, KeyError, TypeError):
                continue
    return ""
