"""What a server refuses about probes and hooks: handlers, ports, headers, seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import PORT
from pipelines.manifests.resource import Container, Resource, at, listing, mapping

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
GRACE_SECONDS = 30
"""What Kubernetes gives a pod to end, where its spec says nothing."""
_OF_PROBES, _OF_HOOKS = ("exec", "httpGet", "tcpSocket", "grpc"), ("exec", "httpGet", "tcpSocket", "sleep")
_HEADER = re.compile(r"[-A-Za-z0-9]+")
_ZERO_SINCE = 33
"""The minor version from which a hook may sleep for no time."""


def probes(container: Container, minor: int) -> Iterator[Finding]:
    """Mistakes in the probes and hooks of a container, for a minor version of the server."""
    for name in PROBES:
        if isinstance(probe := container.body.get(name), Mapping):
            yield from _probe(container, (*container.path, name), name, probe)
    for hook in ("preStop", "postStart"):
        if isinstance(handler := at(container.body, "lifecycle", hook), Mapping):
            path: Path = (*container.path, "lifecycle", hook)
            yield from _handler(container.pod.owner, path, handler, _OF_HOOKS)
            yield from _sleep(container, (*path, "sleep", "seconds"), at(handler, "sleep", "seconds"), minor)
    yield from _grace(container)


def _probe(container: Container, path: Path, name: str, probe: Mapping[str, Any]) -> Iterator[Finding]:
    resource = container.pod.owner
    yield from _handler(resource, path, probe, _OF_PROBES)
    if name != "readinessProbe" and probe.get("successThreshold", 1) not in (0, 1):
        yield resource.finding((*path, "successThreshold"), f"must be 1 in a {name}", "remove it")
    if name == "readinessProbe" and probe.get("terminationGracePeriodSeconds") is not None:
        mend = "remove it: nothing ends that is not ready"
        yield resource.finding((*path, "terminationGracePeriodSeconds"), "not in a readinessProbe", mend)


def _handler(resource: Resource, path: Path, handler: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[Finding]:
    given = [name for name in known if handler.get(name) is not None]
    if len(given) != 1:
        what = f"{len(given)} handlers ({', '.join(given)})" if given else "no handler"
        yield resource.finding(path, what, f"exactly one of {', '.join(known)}")
    if isinstance(command := handler.get("exec"), Mapping) and not listing(command.get("command")):
        yield resource.finding((*path, "exec", "command"), "no command", "a list of words")
    for index, header in enumerate(listing(at(handler, "httpGet", "httpHeaders"))):
        name = str(mapping(header).get("name") or "")
        if not _HEADER.fullmatch(name):
            place: Path = (*path, "httpGet", "httpHeaders", index, "name")
            yield resource.finding(place, f"{name!r:.60} is no name of a header", "letters, digits and -")
    for kind in ("httpGet", "tcpSocket"):
        port = at(handler, kind, "port")
        if isinstance(port, str) and not PORT.fullmatch(port):
            yield resource.finding((*path, kind, "port"), f"{port!r:.40} is no name of a port", "as the port is named")


def _sleep(container: Container, path: Path, seconds: Any, minor: int) -> Iterator[Finding]:
    least = 0 if minor >= _ZERO_SINCE else 1
    if isinstance(seconds, int) and seconds < least:
        yield container.pod.owner.finding(path, f"{seconds} s", f"{least} or more")


def _grace(container: Container) -> Iterator[Finding]:
    """A hook that sleeps as long as the pod has to end leaves no time to end."""
    seconds = at(container.body, "lifecycle", "preStop", "sleep", "seconds")
    command = [str(word) for word in listing(at(container.body, "lifecycle", "preStop", "exec", "command"))]
    path: Path = (*container.path, "lifecycle", "preStop", "sleep", "seconds")
    if command[:1] == ["sleep"] and command[1:2] and command[1].isdigit():
        seconds, path = int(command[1]), (*container.path, "lifecycle", "preStop", "exec", "command")
    grace = container.pod.spec.get("terminationGracePeriodSeconds", GRACE_SECONDS)
    if isinstance(seconds, int) and isinstance(grace, int) and 0 < grace <= seconds:
        what = f"{seconds} s of the {grace} s that the pod has to end"
        yield container.pod.owner.finding(path, what, "raise terminationGracePeriodSeconds above it")
