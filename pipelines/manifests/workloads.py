"""What a server refuses about pods and what makes them: no container, a restart policy of another kind, no selector."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.manifests.finding import Finding
from pipelines.manifests.resource import Pod, Resource, at, listing, mapping

_RESTARTS: dict[str, tuple[str, ...]] = {kind: ("OnFailure", "Never") for kind in ("Job", "CronJob")}
_RESTARTS |= {kind: ("Always",) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")}
_SELECTING = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")


def workloads(resource: Resource) -> Iterator[Finding]:
    """Mistakes in pods and in what makes them."""
    if resource.kind in _SELECTING and not any(mapping(at(resource.body, "spec", "selector")).values()):
        yield resource.finding(("spec", "selector"), "selects no pods, or all", "select by the labels of its pods")
    for pod in resource.pods:
        yield from _restart(pod)
        if not listing(pod.spec.get("containers")):
            yield resource.finding((*pod.spec_path, "containers"), "no container", "add one")


def _restart(pod: Pod) -> Iterator[Finding]:
    allowed = _RESTARTS.get(pod.owner.kind)
    policy = pod.spec.get("restartPolicy", "Always")
    if allowed and policy not in allowed:
        what = f"{policy!r:.40} is not allowed in a {pod.owner.kind}"
        yield pod.owner.finding((*pod.spec_path, "restartPolicy"), what, f"set {' or '.join(allowed)}")
