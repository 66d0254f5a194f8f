"""What Kubernetes knows of a pod: how it ended, or what keeps it from starting. Needs a reachable API, waits briefly.

A module of its own for its heavy import. What mends a pod: `raftops.cluster.pod_failures`.
"""

from __future__ import annotations

from typing import Any

from kubernetes import client, config
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from raftops.cluster.pod_failures import EXIT_CODES, NO_NODE

SECONDS = 5
"""Longest wait for one answer."""


def connect() -> client.CoreV1Api | None:
    """The API of the cluster that we run in or that the kubeconfig names; None where there is none."""
    settings = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=settings)
    except ConfigException:
        try:
            config.load_kube_config(client_configuration=settings)
        except (ConfigException, OSError):
            return None
    settings.retries = False
    return client.CoreV1Api(client.ApiClient(settings))


def pod_reason(namespace: str, name: str) -> str:
    """Why a pod failed or is pending; empty where nobody can tell."""
    api = connect()
    if api is None:
        return ""
    try:
        pod = api.read_namespaced_pod(name, namespace, _request_timeout=SECONDS)
        if reason := _ended(pod) or _waiting(pod):
            return reason
        warnings = f"involvedObject.name={name},type=Warning"
        events = api.list_namespaced_event(namespace, field_selector=warnings, _request_timeout=SECONDS).items
        return f"{events[-1].reason}: {events[-1].message}" if events else ""
    except (client.ApiException, HTTPError, OSError):
        return ""


def _ended(pod: Any) -> str:
    """How it ended: what was done to the pod as a whole, or how its containers ended.

    The pod comes first: its containers tell of the kill alone, and newer kubelets keep that beside the pod's reason.
    """
    if pod.status.reason == "DeadlineExceeded":
        return "its time was over (DeadlineExceeded): raise timeout_minutes in platform.resources"
    if pod.status.reason:
        return f"{pod.status.reason}: {pod.status.message or ''}".strip(": ")
    for status in _containers(pod):
        for state in (status.state, status.last_state):
            ended = state.terminated if state else None
            if ended and ended.exit_code and ended.reason == "OOMKilled":
                limits = [c.resources.limits for c in pod.spec.containers if c.name == status.name and c.resources]
                limit = (limits[0] or {}).get("memory") if limits else None
                return f"out of memory (OOMKilled{f', limit {limit}' if limit else ''})"
            if ended and ended.exit_code:
                return EXIT_CODES.get(ended.exit_code, f"exit code {ended.exit_code}")
    return ""


def _waiting(pod: Any) -> str:
    """What a pod waits for: an image, a config map, a node."""
    for status in _containers(pod):
        waiting = status.state.waiting if status.state else None
        if waiting and waiting.reason not in (None, "ContainerCreating", "PodInitializing"):
            return f"{waiting.reason}: {waiting.message or ''}".strip(": ")
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"{NO_NODE}: {condition.message or condition.reason}"
    return ""


def _containers(pod: Any) -> list[Any]:
    """Our container first: Argo's own wait beside it."""
    statuses = [*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ())]
    return sorted(statuses, key=lambda status: status.name != "main")
