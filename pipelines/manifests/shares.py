"""What a server refuses about what a whole pod asks for, beside what its containers ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.quantities import amount
from pipelines.manifests.resource import Container, Pod, at, mapping

SINCE = 34
"""The minor version from which a pod may ask for something as a whole; those before drop it."""
_KNOWN = ("cpu", "memory")


def shares(pod: Pod, minor: int) -> Iterator[Finding]:
    """Mistakes in the resources of a pod, for a minor version of the server."""
    asked = pod.spec.get("resources")
    if minor < SINCE or not isinstance(asked, Mapping):
        return
    path: Path = (*pod.spec_path, "resources")
    if asked.get("claims") is not None:
        yield pod.owner.finding((*path, "claims"), "not for a pod", "claims belong to containers")
    for field in ("requests", "limits"):
        for name in mapping(asked.get(field)):
            if name not in _KNOWN and not str(name).startswith("hugepages-"):
                yield pod.owner.finding(
                    (*path, field, str(name)), "no such resource of a pod", "cpu, memory, hugepages-…"
                )
    for name, value in mapping(asked.get("requests")).items():
        given, limit = amount(value), amount(at(asked, "limits", name))
        if given is None:
            yield pod.owner.finding((*path, "requests", str(name)), f"{value!r:.40} is not a quantity", "500m, 16Gi")
        elif limit is not None and given > limit:
            yield pod.owner.finding((*path, "requests", str(name)), f"{value} is more than the limit", "ask for less")
        elif (needed := _needed(pod, str(name))) > given:
            what = f"{value}, and the containers ask for {needed.normalize():f}"
            yield pod.owner.finding((*path, "requests", str(name)), what, "at least what they ask for")
    yield from _limits(pod, path, asked)


def _limits(pod: Pod, path: Path, asked: Mapping[str, Any]) -> Iterator[Finding]:
    for name, value in mapping(asked.get("limits")).items():
        most, needed = amount(value), _needed(pod, str(name))
        if most is not None and needed > most and name not in mapping(asked.get("requests")):
            what = f"{value}, and the containers ask for {needed.normalize():f}"
            yield pod.owner.finding((*path, "limits", str(name)), what, "at least what they ask for")
        for container in pod.containers("containers"):
            own = amount(at(container.body, "resources", "limits", str(name)))
            if most is not None and own is not None and own > most:
                place = (*container.path, "resources", "limits", str(name))
                yield pod.owner.finding(place, f"more than the pod's {value}", "at most the pod's limit")


def _needed(pod: Pod, name: str) -> Decimal:
    """What containers need together: those that stay, or one that ends beside those that stay since before it."""
    running, peak = Decimal(0), Decimal(0)
    for container in pod.containers("initContainers"):
        own = _request(container, name)
        stays = container.body.get("restartPolicy") == "Always"
        peak = max(peak, running + own)
        running += own if stays else 0
    running += sum((_request(container, name) for container in pod.containers("containers")), Decimal(0))
    return max(peak, running)


def _request(container: Container, name: str) -> Decimal:
    asked = mapping(container.body.get("resources"))
    value = amount(at(asked, "requests", name))
    return (value if value is not None else amount(at(asked, "limits", name))) or Decimal(0)
