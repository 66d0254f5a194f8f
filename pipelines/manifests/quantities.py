"""Quantities: how much of what is asked for, and whether it is within what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.resource import Container, Resource, mapping, select

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d+))?")
_FACTORS = {unit: Decimal(10) ** power for unit, power in {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9}.items()}
_FACTORS |= {unit: Decimal(10) ** power for unit, power in {"T": 12, "P": 15, "E": 18}.items()}
_FACTORS |= {f"{unit}i": Decimal(1024) ** (power + 1) for power, unit in enumerate("KMGTPE")}
NATIVE = ("cpu", "memory", "ephemeral-storage")
_FORM = "a number with an optional unit: 500m, 2, 16Gi"
_OF_WHOLE_RESOURCES = (
    "spec.metrics[].*.target.averageValue", "spec.metrics[].*.target.value", "spec.hard.*",
    "spec.limits[].default.*", "spec.limits[].defaultRequest.*", "spec.limits[].min.*",
    "spec.limits[].max.*", "spec.limits[].maxLimitRequestRatio.*",
    "spec.resources.requests.*", "spec.resources.limits.*", "spec.capacity.*",
    "spec.volumeClaimTemplates[].spec.resources.requests.*", "spec.resourceGroups[].flavors[].resources[].nominalQuota",
    "spec.components.resources.requests.*", "spec.components.resources.limits.*",
    "spec.components.*.resources.requests.*", "spec.components.*.resources.limits.*",
    "spec.trainer.resourcesPerNode.requests.*", "spec.trainer.resourcesPerNode.limits.*",
)  # fmt: skip


def amount(value: Any) -> Decimal | None:
    """A quantity as a number, or None where it is none."""
    match = _QUANTITY.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    if isinstance(value, bool) or not match:
        return None
    number, unit, power = match.groups()
    return Decimal(number) * (_FACTORS[unit] if unit else Decimal(10) ** int(power or 0))


def quantities(resource: Resource) -> Iterator[Finding]:
    """Amounts that are no amounts, requests above limits, fractions of a device."""
    for pattern in _OF_WHOLE_RESOURCES:
        for path, value in select(resource.body, pattern):
            yield from _well_formed(resource, path, value)
    for base in ("spec.components", "spec.components.*", "spec.trainer"):
        field = "resourcesPerNode" if base == "spec.trainer" else "resources"
        for path, value in select(resource.body, f"{base}.{field}"):
            yield from _within(resource, path, mapping(value))
    for pod in resource.pods:
        for container in pod.containers():
            yield from _of_container(container)
        for pattern in ("volumes[].emptyDir.sizeLimit", "overhead.*", "resources.*.*"):
            for path, value in select(pod.spec, pattern, pod.spec_path):
                yield from _well_formed(resource, path, value)
        yield from _within(resource, (*pod.spec_path, "overhead"), {"limits": mapping(pod.spec.get("overhead"))})


def _well_formed(resource: Resource, path: Path, value: Any) -> Iterator[Finding]:
    if isinstance(value, str | int | float):
        number = amount(value)
        if number is None:
            yield resource.finding(path, f"{value!r:.40} is not a quantity", _FORM)
        elif number < 0:
            yield resource.finding(path, f"{value!r:.40} is below zero", "zero or more")


def _of_container(container: Container) -> Iterator[Finding]:
    resource, path = container.pod.owner, (*container.path, "resources")
    asked = mapping(container.body.get("resources"))
    for field in ("requests", "limits"):
        for place, value in select(asked, f"{field}.*", path):
            yield from _well_formed(resource, place, value)
    yield from _within(resource, path, asked)


def _within(resource: Resource, path: Path, asked: Mapping[str, Any]) -> Iterator[Finding]:
    requests, limits = mapping(asked.get("requests")), mapping(asked.get("limits"))
    for name in dict.fromkeys([*requests, *limits]):
        low, high = amount(requests.get(name)), amount(limits.get(name))
        if "/" in str(name) and not str(name).startswith(("kubernetes.io/", "requests.")):
            yield from _device(resource, path, str(name), requests, limits)
        elif str(name).startswith("hugepages-"):
            yield from _pages(resource, path, str(name), requests, limits)
        elif str(name) not in NATIVE:
            field = "requests" if name in requests else "limits"
            mend = f"{', '.join(NATIVE)}, hugepages-<size>, or a device with its domain: nvidia.com/gpu"
            yield resource.finding((*path, field, str(name)), "no such resource of a container", mend)
        elif low is not None and high is not None and low > high:
            what = f"{requests[name]} is more than the limit of {limits[name]}"
            yield resource.finding((*path, "requests", str(name)), what, "raise the limit or ask for less")


def _pages(
    resource: Resource, path: Path, name: str, requests: Mapping[str, Any], limits: Mapping[str, Any]
) -> Iterator[Finding]:
    """Pages are whole, and all that is asked for is also the limit."""
    yield from _device(resource, path, name, requests, limits)
    size = amount(name.removeprefix("hugepages-"))
    for field, values in (("requests", requests), ("limits", limits)):
        asked = amount(values.get(name))
        if size and asked is not None and (asked % size or not asked):
            yield resource.finding((*path, field, name), f"{values[name]} is no number of pages", f"times {name[10:]}")


def _device(
    resource: Resource, path: Path, name: str, requests: Mapping[str, Any], limits: Mapping[str, Any]
) -> Iterator[Finding]:
    """Devices are whole, and all that is asked for is also the limit."""
    for field, values in (("requests", requests), ("limits", limits)):
        number = amount(values.get(name))
        if number is not None and number != int(number):
            yield resource.finding(
                (*path, field, name), f"{values[name]} is not whole", "devices are not shared: 1, 2, …"
            )
    if name in requests and name not in limits:
        yield resource.finding((*path, "limits", name), "missing beside a request", f"add {name}: {requests[name]}")
    elif name in requests and amount(requests[name]) != amount(limits[name]):
        what = f"{requests[name]} is not the limit of {limits[name]}"
        yield resource.finding((*path, "requests", name), what, "ask for as many as the limit says")
