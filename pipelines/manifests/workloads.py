"""What a server refuses about pods and what makes them: no container, a restart policy of another kind, no selector."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.manifests.finding import Finding
from pipelines.manifests.resource import Pod, Resource, at, listing, mapping

_RESTARTS: dict[str, tuple[str, ...]] = {kind: ("OnFailure", "Never") for kind in ("Job", "CronJob")}
_SELECTING = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
_RESTARTS |= {kind: ("Always",) for kind in (*_SELECTING, "ReplicationController")}


def workloads(resource: Resource) -> Iterator[Finding]:
    """Mistakes in pods and in what makes them."""
    if resource.kind in _SELECTING and not any(mapping(at(resource.body, "spec", "selector")).values()):
        yield resource.finding(("spec", "selector"), "selects no pods, or all", "select by the labels of its pods")
    for pod in resource.pods:
        yield from _restart(pod)
        yield from _controlled(pod)
        if not listing(pod.spec.get("containers")):
            yield resource.finding((*pod.spec_path, "containers"), "no container", "add one")


def _controlled(pod: Pod) -> Iterator[Finding]:
    """The old selector, of labels alone; without one the labels of the pods are it."""
    if pod.owner.kind != "ReplicationController":
        return
    selector, path = mapping(at(pod.owner.body, "spec", "selector")), (*pod.path, "metadata", "labels")
    if not pod.labels or any(pod.labels.get(key) != value for key, value in selector.items()):
        yield pod.owner.finding(path, "the selector does not find these pods", "the labels that it selects by")


def _restart(pod: Pod) -> Iterator[Finding]:
    allowed = _RESTARTS.get(pod.owner.kind)
    policy = pod.spec.get("restartPolicy", "Always")
    if allowed and policy not in allowed:
        what = f"{policy!r:.40} is not allowed in a {pod.owner.kind}"
        yield pod.owner.finding((*pod.spec_path, "restartPolicy"), what, f"set {' or '.join(allowed)}")
