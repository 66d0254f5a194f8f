"""What a server refuses about autoscalers: replicas, what is scaled, metrics and their targets, tolerances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import SEGMENT
from pipelines.manifests.quantities import amount
from pipelines.manifests.resource import Resource, at, listing, mapping, select

_SECTION = {
    "Resource": "resource", "Pods": "pods", "Object": "object", "External": "external",
    "ContainerResource": "containerResource",
}  # fmt: skip
_TARGETS = {
    "resource": ("averageUtilization", "averageValue"), "containerResource": ("averageUtilization", "averageValue"),
    "pods": ("averageValue",), "object": ("value", "averageValue"), "external": ("value", "averageValue"),
}  # fmt: skip
"""Values of which each kind of metric has exactly one."""
_TYPED = {"averageUtilization": "Utilization", "averageValue": "AverageValue", "value": "Value"}
_NAMED = {"resource": ("name",), "containerResource": ("name", "container"), "object": (), "pods": (), "external": ()}
_TOLERANCE_SINCE = 35


def autoscalers(resource: Resource, minor: int) -> Iterator[Finding]:
    """Mistakes in a HorizontalPodAutoscaler, for a minor version of the server."""
    if resource.kind != "HorizontalPodAutoscaler":
        return
    spec = mapping(resource.body.get("spec"))
    low, high = spec.get("minReplicas", 1), spec.get("maxReplicas")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        what = f"{low} is more than maxReplicas ({high})"
        yield resource.finding(("spec", "minReplicas"), what, "at most maxReplicas")
    for way, rules in mapping(spec.get("behavior")).items():
        path: Path = ("spec", "behavior", way)
        if isinstance(policies := mapping(rules).get("policies"), list) and not policies:
            yield resource.finding((*path, "policies"), "no policy", "add one, or remove the list")
        tolerance = mapping(rules).get("tolerance")
        if minor >= _TOLERANCE_SINCE and tolerance is not None and ((size := amount(tolerance)) is None or size < 0):
            yield resource.finding(
                (*path, "tolerance"), f"{tolerance!r:.40} is no part of a metric", "zero or more: 0.1"
            )
    yield from _names(resource, spec)
    for index, metric in enumerate(listing(spec.get("metrics"))):
        yield from _metric(resource, ("spec", "metrics", index), mapping(metric))


def _names(resource: Resource, spec: Mapping[str, Any]) -> Iterator[Finding]:
    target = mapping(spec.get("scaleTargetRef"))
    version = str(target.get("apiVersion") or "")
    if target.get("kind") != "ReplicationController" and (version.count("/") != 1 or not all(version.split("/"))):
        yield resource.finding(("spec", "scaleTargetRef", "apiVersion"), f"{version!r:.60} names no group", "apps/v1")
    for place, name in (
        *select(spec, "scaleTargetRef.*", ("spec",)),
        *select(spec, "metrics[].object.describedObject.*", ("spec",)),
        *select(spec, "metrics[].*.metric.name", ("spec",)),
    ):
        if place[-1] in ("kind", "name") and isinstance(name, str) and not SEGMENT.fullmatch(name):
            yield resource.finding(place, f"{name!r:.60} is not a name that Kubernetes accepts", "no / and no %")


def _metric(resource: Resource, path: Path, metric: Mapping[str, Any]) -> Iterator[Finding]:
    section = _SECTION.get(str(metric.get("type")))
    for other in _SECTION.values():
        if section and other != section and metric.get(other) is not None:
            yield resource.finding((*path, other), f"beside type {metric.get('type')}", "make two metrics of it")
    if section and not isinstance(metric.get(section), Mapping):
        yield resource.finding((*path, section), f"missing beside type {metric.get('type')}", f"add {section}")
    elif section:
        for field in _NAMED[section]:
            if at(metric, section, field) == "":
                yield resource.finding((*path, section, field), "empty", "name it")
        yield from _target(resource, (*path, section, "target"), section, mapping(at(metric, section, "target")))


def _target(resource: Resource, path: Path, section: str, target: Mapping[str, Any]) -> Iterator[Finding]:
    fitting = _TARGETS[section]
    given = [name for name in fitting if target.get(name) is not None]
    named = next((name for name, kind in _TYPED.items() if kind == target.get("type") and name in fitting), fitting[0])
    if not given:
        yield resource.finding((*path, named), "missing", f"add {named}")
    elif len(given) > 1:
        yield resource.finding((*path, given[1]), f"beside {given[0]}", "one of them")
    for name in _TYPED:
        size = amount(target.get(name))
        if size is not None and size <= 0:
            yield resource.finding((*path, name), "nothing is aimed at", "more than zero")
