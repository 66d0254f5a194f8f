"""What a server refuses about how deployments, stateful sets and daemon sets replace their pods."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.resource import Resource, at, mapping

_PERCENT = re.compile(r"[0-9]+%")
_ZERO = (0, "0", "0%")
_DEADLINE_SECONDS = 600
_SHARES_SINCE = 35
"""The minor version from which a stateful set may say how many of its pods may be away."""


def rollouts(resource: Resource, minor: int) -> Iterator[Finding]:
    """Mistakes in the strategy of a Deployment, a StatefulSet or a DaemonSet, for a minor version of the server."""
    if resource.kind in _RULES:
        yield from _RULES[resource.kind](resource, minor)
        path: Path = ("spec", "template", "spec", "activeDeadlineSeconds")
        if at(resource.body, *(str(part) for part in path)) is not None:
            yield resource.finding(path, f"not in a {resource.kind}", "remove it: it is for pods that end")


def _deployment(resource: Resource, _minor: int) -> Iterator[Finding]:
    spec, path = mapping(resource.body.get("spec")), ("spec", "strategy", "rollingUpdate")
    rolling = at(spec, "strategy", "rollingUpdate")
    if at(spec, "strategy", "type") == "Recreate" and rolling:
        yield resource.finding(path, "not with type Recreate", "remove it, or choose RollingUpdate")
    yield from _amounts(resource, path, mapping(rolling))
    if at(rolling, "maxUnavailable") in _ZERO and at(rolling, "maxSurge") in _ZERO:
        yield resource.finding((*path, "maxUnavailable"), "0 beside maxSurge 0", "allow one of them, or nothing rolls")
    deadline, ready = spec.get("progressDeadlineSeconds", _DEADLINE_SECONDS), spec.get("minReadySeconds", 0)
    if isinstance(deadline, int) and isinstance(ready, int) and 0 < deadline <= ready:
        what = f"{deadline} s, and a pod counts after {ready} s"
        yield resource.finding(("spec", "progressDeadlineSeconds"), what, "more than minReadySeconds")


def _daemon_set(resource: Resource, _minor: int) -> Iterator[Finding]:
    path: Path = ("spec", "updateStrategy", "rollingUpdate")
    rolling = mapping(at(resource.body, "spec", "updateStrategy", "rollingUpdate"))
    yield from _amounts(resource, path, rolling)
    yield from _at_most_all(resource, (*path, "maxSurge"), rolling.get("maxSurge"))
    away, more = rolling.get("maxUnavailable", 1), rolling.get("maxSurge", 0)
    if away in _ZERO and more in _ZERO:
        yield resource.finding((*path, "maxUnavailable"), "0 beside maxSurge 0", "allow one of them, or nothing rolls")
    elif away not in _ZERO and more not in _ZERO:
        yield resource.finding((*path, "maxSurge"), "beside maxUnavailable", "set maxUnavailable: 0")


def _stateful_set(resource: Resource, minor: int) -> Iterator[Finding]:
    path: Path = ("spec", "updateStrategy", "rollingUpdate")
    strategy = mapping(at(resource.body, "spec", "updateStrategy"))
    rolling = mapping(strategy.get("rollingUpdate"))
    if strategy.get("type") == "OnDelete" and strategy.get("rollingUpdate") is not None:
        yield resource.finding(path, "not with type OnDelete", "remove it, or choose RollingUpdate")
    if minor >= _SHARES_SINCE:
        yield from _amounts(resource, path, {"maxUnavailable": rolling.get("maxUnavailable")})
        if rolling.get("maxUnavailable") in _ZERO:
            yield resource.finding((*path, "maxUnavailable"), "0: nothing rolls", "1, or 25%")


def _amounts(resource: Resource, path: Path, rolling: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("maxUnavailable", "maxSurge"):
        value = rolling.get(name)
        if isinstance(value, str) and not _PERCENT.fullmatch(value):
            yield resource.finding((*path, name), f"{value!r:.40} is no number and no percentage", "1, or 25%")
    yield from _at_most_all(resource, (*path, "maxUnavailable"), rolling.get("maxUnavailable"))


def _at_most_all(resource: Resource, path: Path, value: Any) -> Iterator[Finding]:
    if isinstance(value, str) and _PERCENT.fullmatch(value) and int(value.removesuffix("%")) > 100:
        yield resource.finding(path, f"{value} is more than all", "at most 100%")


_RULES: dict[str, Callable[[Resource, int], Iterator[Finding]]] = {
    "Deployment": _deployment, "DaemonSet": _daemon_set, "StatefulSet": _stateful_set,
}  # fmt: skip
