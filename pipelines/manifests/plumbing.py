"""What a server refuses about services, network policies, autoscalers, budgets and claims."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import SEGMENT, SUBDOMAIN
from pipelines.manifests.quantities import amount
from pipelines.manifests.resource import Resource, at, listing, mapping, select

_SECTION = {"Resource": "resource", "Pods": "pods", "Object": "object", "External": "external"}
_SECTION |= {"ContainerResource": "containerResource"}
_PERCENT = re.compile(r"[0-9]+%")
_VALUE = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}


def plumbing(resource: Resource) -> Iterator[Finding]:
    """Mistakes in a resource of these kinds."""
    if resource.kind in _RULES:
        yield from _RULES[resource.kind](resource)


def _service(resource: Resource) -> Iterator[Finding]:
    spec = mapping(resource.body.get("spec"))
    kind = spec.get("type", "ClusterIP")
    if kind == "ExternalName" and not SUBDOMAIN.fullmatch(str(spec.get("externalName") or "").removesuffix(".")):
        yield resource.finding(("spec", "externalName"), "missing, or no host", "name the host")
    if kind != "ExternalName" and not listing(spec.get("ports")) and spec.get("clusterIP") != "None":
        yield resource.finding(("spec", "ports"), "no port", "add one")
    for index, port in enumerate(listing(spec.get("ports"))):
        if kind in ("ClusterIP", "ExternalName") and mapping(port).get("nodePort"):
            path = ("spec", "ports", index, "nodePort")
            yield resource.finding(path, f"not with type {kind}", "remove it, or choose NodePort")


def _policy(resource: Resource) -> Iterator[Finding]:
    directions = [str(one) for one in listing(at(resource.body, "spec", "policyTypes"))]
    if len(directions) > len(set(directions)):
        yield resource.finding(("spec", "policyTypes"), "one of them stands twice", "Ingress, Egress or both")
    for way, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(listing(at(resource.body, "spec", way))):
            path: Path = ("spec", way, index)
            for number, port in enumerate(listing(mapping(rule).get("ports"))):
                yield from _policy_port(resource, (*path, "ports", number), mapping(port))
            for number, peer in enumerate(listing(mapping(rule).get(peers))):
                yield from _peer(resource, (*path, peers, number), mapping(peer))


def _policy_port(resource: Resource, path: Path, port: Mapping[str, Any]) -> Iterator[Finding]:
    first, last = port.get("port"), port.get("endPort")
    if last is not None and not (isinstance(first, int) and isinstance(last, int) and first <= last):
        yield resource.finding((*path, "endPort"), f"{last} is not after port {first}", "port ≤ endPort, both numbers")


def _peer(resource: Resource, path: Path, peer: Mapping[str, Any]) -> Iterator[Finding]:
    block = peer.get("ipBlock")
    if not any(value is not None for value in peer.values()):
        yield resource.finding(path, "an empty peer", "a podSelector, a namespaceSelector or an ipBlock")
    if block is None:
        return
    if "podSelector" in peer or "namespaceSelector" in peer:
        yield resource.finding((*path, "ipBlock"), "not beside a selector", "make two peers of it")
    whole = _network(at(block, "cidr"))
    if whole is None:
        yield resource.finding((*path, "ipBlock", "cidr"), f"{at(block, 'cidr')!r:.60} is no network", "10.0.0.0/8")
    for index, text in enumerate(listing(at(block, "except"))):
        part = _network(text)
        inside = part is not None and whole is not None and part.version == whole.version and part != whole
        if whole is not None and not (inside and part.subnet_of(whole)):
            yield resource.finding(
                (*path, "ipBlock", "except", index), f"{text!r:.60} is not inside cidr", "a part of it"
            )


def _network(text: Any) -> Any:
    try:
        return ip_network(str(text))
    except ValueError:
        return None


def _autoscaler(resource: Resource) -> Iterator[Finding]:
    spec = mapping(resource.body.get("spec"))
    low, high = spec.get("minReplicas", 1), spec.get("maxReplicas")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        yield resource.finding(
            ("spec", "minReplicas"), f"{low} is more than maxReplicas ({high})", "at most maxReplicas"
        )
    for way, rules in mapping(spec.get("behavior")).items():
        if isinstance(policies := mapping(rules).get("policies"), list) and not policies:
            yield resource.finding(("spec", "behavior", way, "policies"), "no policy", "add one, or remove the list")
    for place, name in (
        *select(spec, "scaleTargetRef.*", ("spec",)),
        *select(spec, "metrics[].*.metric.name", ("spec",)),
    ):
        if place[-1] in ("kind", "name") and isinstance(name, str) and not SEGMENT.fullmatch(name):
            yield resource.finding(place, f"{name!r:.60} is not a name that Kubernetes accepts", "no / and no %")
    for index, metric in enumerate(listing(spec.get("metrics"))):
        yield from _metric(resource, ("spec", "metrics", index), mapping(metric))


def _metric(resource: Resource, path: Path, metric: Mapping[str, Any]) -> Iterator[Finding]:
    kind = str(metric.get("type"))
    section = _SECTION.get(kind)
    if section and not isinstance(metric.get(section), Mapping):
        yield resource.finding((*path, section), f"missing beside type {kind}", f"add {section}")
    elif section:
        target = mapping(at(metric, section, "target"))
        value = _VALUE.get(str(target.get("type")))
        where = (*path, section, "target", str(value))
        if value and target.get(value) is None:
            yield resource.finding(where, f"missing beside type {target.get('type')}", f"add {value}")
        elif value and amount(target[value]) == 0:
            yield resource.finding(where, "nothing is aimed at", "more than zero")


def _budget(resource: Resource) -> Iterator[Finding]:
    spec = mapping(resource.body.get("spec"))
    given = [name for name in ("minAvailable", "maxUnavailable") if spec.get(name) is not None]
    if len(given) != 1:
        what = "both minAvailable and maxUnavailable" if given else "neither minAvailable nor maxUnavailable"
        yield resource.finding(("spec", "maxUnavailable"), what, "exactly one of them")
    elif isinstance(value := spec[given[0]], str) and not _PERCENT.fullmatch(value):
        yield resource.finding(("spec", given[0]), f"{value!r:.40} is no number and no percentage", "1, or 25%")
    elif spec.get("maxUnavailable") in (0, "0", "0%") or spec.get("minAvailable") == "100%":
        yield resource.finding(("spec", given[0]), "no pod may ever be moved", "allow one, or nodes cannot be drained")


def _claim(resource: Resource) -> Iterator[Finding]:
    yield from _claimed(resource, ("spec",), mapping(resource.body.get("spec")))


def _claims(resource: Resource) -> Iterator[Finding]:
    for index, claim in enumerate(listing(at(resource.body, "spec", "volumeClaimTemplates"))):
        path: Path = ("spec", "volumeClaimTemplates", index, "spec")
        yield from _claimed(resource, path, mapping(mapping(claim).get("spec")))


def _claimed(resource: Resource, path: Path, spec: Mapping[str, Any]) -> Iterator[Finding]:
    if not listing(spec.get("accessModes")):
        yield resource.finding((*path, "accessModes"), "missing", "ReadWriteOnce, or ReadWriteMany to share it")
    size = at(spec, "resources", "requests", "storage")
    if size is None or amount(size) == 0:
        yield resource.finding((*path, "resources", "requests", "storage"), "no size", "say how much: 10Gi")


_RULES: dict[str, Callable[[Resource], Iterator[Finding]]] = {
    "Service": _service, "NetworkPolicy": _policy, "HorizontalPodAutoscaler": _autoscaler,
    "PodDisruptionBudget": _budget, "PersistentVolumeClaim": _claim, "StatefulSet": _claims,
}  # fmt: skip
