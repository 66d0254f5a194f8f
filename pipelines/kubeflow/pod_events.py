"""What Kubernetes knows of a pod: how it ended, or what keeps it from starting. Needs a reachable API, waits briefly.

Apart for its heavy import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernetes import client, config
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

SECONDS = 5
"""Longest wait for one answer."""
_MEANING = {
    137: "it was killed (exit code 137), by the kernel or because its time was over",
    139: "it crashed (exit code 139)",
    143: "it was asked to end (exit code 143)",
}


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


def reasons(namespace: str) -> Callable[[str], str]:
    """A function from a pod's name to why it failed or does not start; empty where nobody can tell."""
    api = connect()
    return lambda pod: _reason(api, namespace, pod) if api else ""


def _reason(api: client.CoreV1Api, namespace: str, name: str) -> str:
    try:
        pod = api.read_namespaced_pod(name, namespace, _request_timeout=SECONDS)
        return _ended(pod) or _waiting(pod) or _event(api, namespace, name)
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
            if ended and ended.exit_code:
                if ended.reason == "OOMKilled":
                    limit = _memory(pod, status.name)
                    return f"out of memory (OOMKilled{f', limit {limit}' if limit else ''})"
                return _MEANING.get(ended.exit_code, f"exit code {ended.exit_code}")
    return ""


def _waiting(pod: Any) -> str:
    """What a pod waits for: an image, a config map, a node."""
    for status in _containers(pod):
        waiting = status.state.waiting if status.state else None
        if waiting and waiting.reason not in (None, "ContainerCreating", "PodInitializing"):
            return f"{waiting.reason}: {waiting.message or ''}".strip(": ")
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"no node takes it: {condition.message or condition.reason}"
    return ""


def _event(api: client.CoreV1Api, namespace: str, name: str) -> str:
    """The newest warning about a pod."""
    chosen = f"involvedObject.name={name},type=Warning"
    events = api.list_namespaced_event(namespace, field_selector=chosen, _request_timeout=SECONDS).items
    return f"{events[-1].reason}: {events[-1].message}" if events else ""


def _containers(pod: Any) -> list[Any]:
    """Our container first: Argo's own wait beside it."""
    found = [*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ())]
    return sorted(found, key=lambda status: status.name != "main")


def _memory(pod: Any, name: str) -> str:
    limits = [c.resources.limits for c in pod.spec.containers if c.name == name and c.resources]
    return str((limits[0] or {}).get("memory", "")) if limits else ""
