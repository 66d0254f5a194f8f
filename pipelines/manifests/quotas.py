"""What a server refuses about quotas and limits: resources that there are not, scopes that do not go with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import label_key
from pipelines.manifests.quantities import NATIVE, amount
from pipelines.manifests.resource import Resource, at, listing, mapping

_COMPUTE = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
_COUNTED = (
    "pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
)  # fmt: skip
_STORED = ("requests.storage", "ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage")
_PAGES = ("hugepages-", "requests.hugepages-")
_PODS_ONLY = ("Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity")
_SCOPES = {**dict.fromkeys(_PODS_ONLY, ("pods", *_COMPUTE)), "BestEffort": ("pods",)}
"""Scopes, and the resources of those above that may be counted within them."""
_VOLUMES_SINCE, _VOLUMES = 34, {"VolumeAttributesClass": ("persistentvolumeclaims", "requests.storage")}
_OPPOSITES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_EXISTING = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_LIMITED = ("Container", "Pod", "PersistentVolumeClaim")
_ORDER = ("min", "defaultRequest", "default", "max")


def quotas(resource: Resource, minor: int) -> Iterator[Finding]:
    """Mistakes in a ResourceQuota or a LimitRange, for a minor version of the server."""
    if resource.kind == "ResourceQuota":
        spec = mapping(resource.body.get("spec"))
        yield from _hard(resource, mapping(spec.get("hard")))
        yield from _scopes(resource, spec, _SCOPES | (_VOLUMES if minor >= _VOLUMES_SINCE else {}))
    if resource.kind == "LimitRange":
        limits = [mapping(one) for one in listing(at(resource.body, "spec", "limits"))]
        for index, limit in enumerate(limits):
            path: Path = ("spec", "limits", index)
            if limit.get("type") in [earlier.get("type") for earlier in limits[:index]]:
                yield resource.finding((*path, "type"), f"{limit.get('type')} stands twice", "one for each type")
            yield from _limit(resource, path, limit)


def _hard(resource: Resource, hard: Mapping[str, Any]) -> Iterator[Finding]:
    for name, value in hard.items():
        path: Path = ("spec", "hard", str(name))
        known = name in (*_COMPUTE, *_COUNTED, *_STORED) or str(name).startswith(_PAGES)
        if "/" in str(name):
            yield from label_key(resource, path, name)
        elif not known:
            yield resource.finding(path, "nothing that can be counted", "pods, requests.cpu, count/jobs.batch, …")
        whole = name in _COUNTED or ("/" in str(name) and not str(name).startswith("requests."))
        size = amount(value)
        if whole and size is not None and size != int(size):
            yield resource.finding(path, f"{value} is not whole", "1, 2, …")


def _scopes(resource: Resource, spec: Mapping[str, Any], known: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    hard = [name for name in mapping(spec.get("hard")) if name in (*_COMPUTE, *_COUNTED, *_STORED)]
    rules = [mapping(one) for one in listing(at(spec, "scopeSelector", "matchExpressions"))]
    base: Path = ("spec", "scopeSelector", "matchExpressions")
    named: list[tuple[Path, str]] = [(("spec", "scopes", i), str(s)) for i, s in enumerate(listing(spec.get("scopes")))]
    named += [((*base, index, "scopeName"), str(rule.get("scopeName"))) for index, rule in enumerate(rules)]
    for path, scope in named:
        if scope not in known:
            yield resource.finding(path, f"{scope!r:.40} is not allowed", f"one of {', '.join(known)}")
        for name in hard:
            if scope in known and name not in known[scope]:
                yield resource.finding(path, f"{name} is not counted by {scope}", f"count {', '.join(known[scope])}")
    scopes = [scope for _, scope in named]
    for pair in _OPPOSITES:
        if set(pair) <= set(scopes):
            yield resource.finding(("spec", "scopes"), " and ".join(pair), "one of them")
    for index, rule in enumerate(rules):
        yield from _scope(resource, (*base, index), rule)


def _scope(resource: Resource, path: Path, rule: Mapping[str, Any]) -> Iterator[Finding]:
    operator, values = rule.get("operator"), listing(rule.get("values"))
    if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
        yield resource.finding(
            (*path, "operator"), f"{operator!r:.40} is not allowed", "In, NotIn, Exists, DoesNotExist"
        )
    elif rule.get("scopeName") in _EXISTING and operator != "Exists":
        yield resource.finding((*path, "operator"), f"not {operator} with {rule.get('scopeName')}", "Exists")
    if operator in ("In", "NotIn") and not values:
        yield resource.finding((*path, "values"), f"none beside {operator}", "name at least one")
    elif operator in ("Exists", "DoesNotExist") and values:
        yield resource.finding((*path, "values"), f"not beside {operator}", "remove them")


def _limit(resource: Resource, path: Path, limit: Mapping[str, Any]) -> Iterator[Finding]:
    kind = limit.get("type")
    if kind not in _LIMITED and "/" not in str(kind):
        yield resource.finding((*path, "type"), f"{kind!r:.40} is not allowed", f"one of {', '.join(_LIMITED)}")
    for field in (*_ORDER, "maxLimitRequestRatio"):
        if kind == "Pod" and field.startswith("default") and limit.get(field):
            yield resource.finding((*path, field), "not for a Pod", "give it to type Container")
        for name in mapping(limit.get(field)):
            plain = "/" not in str(name) and not str(name).startswith("hugepages-")
            if kind in ("Container", "Pod") and plain and name not in NATIVE:
                mend = f"{', '.join(NATIVE)} or a device"
                yield resource.finding((*path, field, str(name)), "no resource of a container", mend)
    if kind == "PersistentVolumeClaim" and not any("storage" in mapping(limit.get(f)) for f in ("min", "max")):
        yield resource.finding((*path, "max", "storage"), "neither a minimum nor a maximum", "add one")
    yield from _ordered(resource, path, limit)
    yield from _ratios(resource, path, limit)


def _ordered(resource: Resource, path: Path, limit: Mapping[str, Any]) -> Iterator[Finding]:
    for position, lower in enumerate(_ORDER):
        for upper in _ORDER[position + 1 :]:
            for name, value in mapping(limit.get(lower)).items():
                low, high = amount(value), amount(at(limit, upper, name))
                device = "/" in str(name) or str(name).startswith("hugepages-")
                if low is None or high is None:
                    continue
                if low > high:
                    what = f"{value} is more than {upper} ({at(limit, upper, name)})"
                    yield resource.finding((*path, lower, name), what, f"at most {upper}")
                elif device and (lower, upper) == ("defaultRequest", "default") and low != high:
                    yield resource.finding((*path, lower, name), "is not the default", "devices are not shared")


def _ratios(resource: Resource, path: Path, limit: Mapping[str, Any]) -> Iterator[Finding]:
    for name, value in mapping(limit.get("maxLimitRequestRatio")).items():
        ratio, low, high = amount(value), amount(at(limit, "min", name)), amount(at(limit, "max", name))
        place: Path = (*path, "maxLimitRequestRatio", name)
        if ratio is not None and ratio < 1:
            yield resource.finding(place, f"{value} is below 1", "1 or more")
        elif ratio and low and high is not None and ratio > high / low:
            yield resource.finding(place, f"{value} is more than max/min", f"at most {high / low:.3g}")
