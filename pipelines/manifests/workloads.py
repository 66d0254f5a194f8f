"""What a server refuses about pods and what makes them: handlers of probes, volumes, restart policies, strategies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.resource import Container, Pod, Resource, at, listing, mapping

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_RESTARTS: dict[str, tuple[str, ...]] = {kind: ("OnFailure", "Never") for kind in ("Job", "CronJob")}
_RESTARTS |= {kind: ("Always",) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")}
_SELECTING = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
_PERCENT = re.compile(r"[0-9]+%")
_FIELD = r"(?:\*|\d+(?:-\d+)?|[A-Za-z]{3}(?:-[A-Za-z]{3})?)(?:/\d+)?"
_CRON = re.compile(
    rf"@(?:yearly|annually|monthly|weekly|daily|midnight|hourly)|{_FIELD}(?:,{_FIELD})*(?:\s+{_FIELD}(?:,{_FIELD})*){{4}}"
)
GRACE_SECONDS = 30
"""What Kubernetes gives a pod to end, where its spec says nothing."""


def workloads(resource: Resource) -> Iterator[Finding]:
    """Mistakes in pods and in what makes them."""
    if resource.kind == "Deployment":
        yield from _strategy(resource)
    if resource.kind == "CronJob" and not _CRON.fullmatch(str(at(resource.body, "spec", "schedule"))):
        yield resource.finding(("spec", "schedule"), "not a schedule", "five fields: minute hour day month weekday")
    if resource.kind in _SELECTING and not any(mapping(at(resource.body, "spec", "selector")).values()):
        yield resource.finding(("spec", "selector"), "selects no pods, or all", "select by the labels of its pods")
    for pod in resource.pods:
        yield from _restart(pod)
        yield from _volumes(pod)
        yield from _scheduling(pod)
        if not listing(pod.spec.get("containers")):
            yield resource.finding((*pod.spec_path, "containers"), "no container", "add one")
        for container in pod.containers():
            yield from _container(container)


def _strategy(resource: Resource) -> Iterator[Finding]:
    strategy = mapping(at(resource.body, "spec", "strategy"))
    rolling, path = strategy.get("rollingUpdate"), ("spec", "strategy", "rollingUpdate")
    if strategy.get("type") == "Recreate" and rolling:
        yield resource.finding(path, "not with type Recreate", "remove it, or choose RollingUpdate")
    for name, value in mapping(rolling).items():
        if isinstance(value, str) and not _PERCENT.fullmatch(value):
            yield resource.finding((*path, name), f"{value!r:.40} is no number and no percentage", "1, or 25%")
    zero = (0, "0", "0%")
    if at(rolling, "maxUnavailable") in zero and at(rolling, "maxSurge") in zero:
        yield resource.finding((*path, "maxUnavailable"), "0 beside maxSurge 0", "allow one of them, or nothing rolls")


def _restart(pod: Pod) -> Iterator[Finding]:
    allowed = _RESTARTS.get(pod.owner.kind)
    policy = pod.spec.get("restartPolicy", "Always")
    if allowed and policy not in allowed:
        what = f"{policy!r:.40} is not allowed in a {pod.owner.kind}"
        yield pod.owner.finding((*pod.spec_path, "restartPolicy"), what, f"set {' or '.join(allowed)}")


def _volumes(pod: Pod) -> Iterator[Finding]:
    for index, volume in enumerate(listing(pod.spec.get("volumes"))):
        sources = [key for key, value in mapping(volume).items() if key != "name" and value is not None]
        if len(sources) != 1:
            what = f"{len(sources)} sources ({', '.join(sources)})" if sources else "no source"
            yield pod.owner.finding((*pod.spec_path, "volumes", index), what, "exactly one; emptyDir: {} is the least")


def _scheduling(pod: Pod) -> Iterator[Finding]:
    resource, path = pod.owner, pod.spec_path
    for index, one in enumerate(mapping(item) for item in listing(pod.spec.get("tolerations"))):
        if not one.get("key") and one.get("operator") != "Exists":
            yield resource.finding(
                (*path, "tolerations", index, "operator"), "must be Exists without a key", "name key"
            )
    seen: list[Any] = []
    for index, one in enumerate(mapping(item) for item in listing(pod.spec.get("topologySpreadConstraints"))):
        place: Path = (*path, "topologySpreadConstraints", index, "topologyKey")
        if (pair := (one.get("topologyKey"), one.get("whenUnsatisfiable"))) in seen:
            yield resource.finding(place, f"{pair[0]!r:.60} stands twice", "one constraint for each key")
        if pair[0] == "":
            yield resource.finding(place, "empty", "kubernetes.io/hostname or topology.kubernetes.io/zone")
        seen.append(pair)


def _container(container: Container) -> Iterator[Finding]:
    resource, path, body = container.pod.owner, container.path, container.body
    if not body.get("image"):
        yield resource.finding((*path, "image"), "missing", "name the image")
    for name in PROBES:
        probe = body.get(name)
        if isinstance(probe, Mapping):
            yield from _probe(resource, (*path, name), name, probe)
    for hook in ("preStop", "postStart"):
        handler = at(body, "lifecycle", hook)
        if isinstance(handler, Mapping):
            yield from _handler(resource, (*path, "lifecycle", hook), handler)
    yield from _grace(container)
    yield from _variables(resource, path, body)
    for index, mount in enumerate(listing(body.get("volumeMounts"))):
        yield from _mount(resource, (*path, "volumeMounts", index), mapping(mount))


def _variables(resource: Resource, path: Path, body: Mapping[str, Any]) -> Iterator[Finding]:
    for index, variable in enumerate(listing(body.get("env"))):
        source = mapping(variable).get("valueFrom")
        if isinstance(source, Mapping) and len([one for one in source.values() if one is not None]) != 1:
            yield resource.finding((*path, "env", index, "valueFrom"), "not one source", "exactly one: secretKeyRef, …")
    for index, source in enumerate(listing(body.get("envFrom"))):
        given = [name for name in ("configMapRef", "secretRef") if mapping(source).get(name) is not None]
        if len(given) != 1:
            mend = "exactly one of configMapRef and secretRef"
            yield resource.finding((*path, "envFrom", index), f"{len(given)} sources", mend)
        elif not at(source, given[0], "name"):
            yield resource.finding((*path, "envFrom", index, given[0], "name"), "missing", "name it")


def _probe(resource: Resource, path: Path, name: str, probe: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _handler(resource, path, probe)
    if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        yield resource.finding((*path, "successThreshold"), f"must be 1 in a {name}", "remove it")


def _handler(resource: Resource, path: Path, handler: Mapping[str, Any]) -> Iterator[Finding]:
    given = [name for name in _HANDLERS if handler.get(name) is not None]
    if len(given) != 1:
        what = f"{len(given)} handlers ({', '.join(given)})" if given else "no handler"
        yield resource.finding(path, what, f"exactly one of {', '.join(_HANDLERS)}")


def _grace(container: Container) -> Iterator[Finding]:
    """A hook that sleeps as long as the pod has to end leaves no time to end."""
    seconds = at(container.body, "lifecycle", "preStop", "sleep", "seconds")
    command = [str(word) for word in listing(at(container.body, "lifecycle", "preStop", "exec", "command"))]
    path: Path = (*container.path, "lifecycle", "preStop", "sleep", "seconds")
    if command[:1] == ["sleep"] and command[1:2] and command[1].isdigit():
        seconds, path = int(command[1]), (*container.path, "lifecycle", "preStop", "exec", "command")
    grace = container.pod.spec.get("terminationGracePeriodSeconds", GRACE_SECONDS)
    if isinstance(seconds, int) and isinstance(grace, int) and seconds >= grace:
        what = f"{seconds} s of the {grace} s that the pod has to end"
        yield container.pod.owner.finding(path, what, "raise terminationGracePeriodSeconds above it")


def _mount(resource: Resource, path: Path, mount: Mapping[str, Any]) -> Iterator[Finding]:
    place, below = str(mount.get("mountPath") or ""), str(mount.get("subPath") or "")
    if not place or ":" in place:
        yield resource.finding((*path, "mountPath"), f"{place!r:.60} is no place to mount at", "an absolute path")
    if below.startswith("/") or ".." in below.split("/"):
        yield resource.finding((*path, "subPath"), f"{below!r:.60} leaves the volume", "a relative path without ..")
