"""What a server refuses about services: fields of another type, addresses and families that do not go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.addresses import address, network
from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import PORT, SUBDOMAIN, label_key, once
from pipelines.manifests.resource import Resource, at, listing, mapping

_NODE_PORTS = (30000, 32767)
_AFFINITY_SECONDS = 86400
_NEAR_SINCE = 34
"""The minor version from which traffic may prefer a zone or a node by name."""
_OF_BALANCERS = ("loadBalancerClass", "allocateLoadBalancerNodePorts", "loadBalancerSourceRanges")


def services(resource: Resource, minor: int) -> Iterator[Finding]:
    """Mistakes in a Service, for a minor version of the server."""
    if resource.kind != "Service":
        return
    spec = mapping(resource.body.get("spec"))
    kind = str(spec.get("type") or "ClusterIP")
    yield from _ports(resource, spec, kind)
    yield from _addresses(resource, spec, kind, minor)
    yield from _families(resource, spec, kind)
    yield from _affinity(resource, spec)
    yield from _outside(resource, spec, kind, minor)
    near = ("PreferClose", "PreferSameZone", "PreferSameNode") if minor >= _NEAR_SINCE else ("PreferClose",)
    if (given := spec.get("trafficDistribution")) is not None and given not in near:
        what = f"{given!r:.40} is not allowed"
        yield resource.finding(("spec", "trafficDistribution"), what, f"one of {', '.join(near)}")


def _ports(resource: Resource, spec: Mapping[str, Any], kind: str) -> Iterator[Finding]:
    if kind == "ExternalName" and not SUBDOMAIN.fullmatch(str(spec.get("externalName") or "").removesuffix(".")):
        yield resource.finding(("spec", "externalName"), "missing, or no host", "name the host")
    if kind != "ExternalName" and not listing(spec.get("ports")) and spec.get("clusterIP") != "None":
        yield resource.finding(("spec", "ports"), "no port", "add one")
    ports = [mapping(port) for port in listing(spec.get("ports"))]
    for index, port in enumerate(ports):
        path: Path = ("spec", "ports", index)
        number = port.get("nodePort")
        if number and kind == "ClusterIP":
            yield resource.finding((*path, "nodePort"), f"not with type {kind}", "remove it, or choose NodePort")
        elif isinstance(number, int) and number and not _NODE_PORTS[0] <= number <= _NODE_PORTS[1]:
            what = f"{number} is no port of nodes"
            yield resource.finding((*path, "nodePort"), what, f"from {_NODE_PORTS[0]} to {_NODE_PORTS[1]}")
        target = port.get("targetPort")
        if isinstance(target, str) and not PORT.fullmatch(target):
            yield resource.finding(
                (*path, "targetPort"), f"{target!r:.40} is no name of a port", "as the port is named"
            )
        if (protocol := port.get("appProtocol")) is not None:
            yield from label_key(resource, (*path, "appProtocol"), protocol)
    taken = [(p["nodePort"], p.get("protocol", "TCP")) if p.get("nodePort") else None for p in ports]
    yield from once(resource, ("spec", "ports"), taken, "nodePort")


def _addresses(resource: Resource, spec: Mapping[str, Any], kind: str, minor: int) -> Iterator[Finding]:
    first, every = spec.get("clusterIP") or "", listing(spec.get("clusterIPs"))
    if kind == "ExternalName" and (first or every):
        yield resource.finding(("spec", "clusterIP"), "not with type ExternalName", "remove it")
        return
    if kind in ("NodePort", "LoadBalancer") and "None" in (first, *every):
        yield resource.finding(("spec", "clusterIP"), f"None beside type {kind}", "remove it, or choose ClusterIP")
    if every and every[0] != first:
        yield resource.finding(("spec", "clusterIPs"), f"does not begin with clusterIP {first!r:.40}", "the same first")
    for index, text in enumerate(every or ([first] if first else [])):
        path: Path = ("spec", "clusterIPs", index) if every else ("spec", "clusterIP")
        if text != "None" and address(text, minor) is None:
            yield resource.finding(path, f"{text!r:.60} is no address", "remove it: the server gives one")
    found = [known.version for text in every if (known := address(text, minor))]
    if len(every) > 2 or len(found) > len(set(found)):
        yield resource.finding(("spec", "clusterIPs"), "two of one family", "one for each family")


def _families(resource: Resource, spec: Mapping[str, Any], kind: str) -> Iterator[Finding]:
    families, policy = listing(spec.get("ipFamilies")), spec.get("ipFamilyPolicy")
    if kind == "ExternalName":
        for field in ("ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                yield resource.finding(("spec", field), "not with type ExternalName", "remove it")
        return
    if len(families) > len({str(family) for family in families}):
        yield resource.finding(("spec", "ipFamilies"), "one of them stands twice", "each once")
    elif len(families) > 1 and policy == "SingleStack":
        yield resource.finding(("spec", "ipFamilyPolicy"), "SingleStack beside two families", "PreferDualStack")
    first = address(spec.get("clusterIP"), 0)
    if first is not None and families and families[0] in ("IPv4", "IPv6") and families[0] != f"IPv{first.version}":
        yield resource.finding(("spec", "clusterIP"), f"{first} is not {families[0]}", "an address of the first family")


def _affinity(resource: Resource, spec: Mapping[str, Any]) -> Iterator[Finding]:
    config, path = spec.get("sessionAffinityConfig"), ("spec", "sessionAffinityConfig")
    if config is not None and spec.get("sessionAffinity", "None") == "None":
        yield resource.finding(path, "without sessionAffinity", "remove it, or set ClientIP")
    seconds = at(config, "clientIP", "timeoutSeconds")
    if isinstance(seconds, int) and not 1 <= seconds <= _AFFINITY_SECONDS:
        what = f"{seconds} is out of range"
        yield resource.finding((*path, "clientIP", "timeoutSeconds"), what, f"from 1 to {_AFFINITY_SECONDS}")


def _outside(resource: Resource, spec: Mapping[str, Any], kind: str, minor: int) -> Iterator[Finding]:
    """What concerns traffic that comes from outside the cluster."""
    for field in _OF_BALANCERS if kind != "LoadBalancer" else ():
        if spec.get(field) not in (None, []):
            yield resource.finding(("spec", field), f"not with type {kind}", "remove it, or choose LoadBalancer")
    if kind == "LoadBalancer" and (name := spec.get("loadBalancerClass")) is not None:
        yield from label_key(resource, ("spec", "loadBalancerClass"), name)
    for index, text in enumerate(listing(spec.get("loadBalancerSourceRanges"))):
        if network(str(text).strip(), minor) is None:
            yield resource.finding(
                ("spec", "loadBalancerSourceRanges", index), f"{text!r:.60} is no network", "10.0.0.0/8"
            )
    for index, text in enumerate(listing(spec.get("externalIPs"))):
        known = address(text, minor)
        if known is None or known.is_unspecified or known.is_loopback or known.is_link_local:
            yield resource.finding(
                ("spec", "externalIPs", index), f"{text!r:.60} is no address of outside", "remove it"
            )
    reached = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs"))
    if spec.get("externalTrafficPolicy") and not reached:
        yield resource.finding(("spec", "externalTrafficPolicy"), f"not with type {kind}", "remove it")
    local = kind == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
    if spec.get("healthCheckNodePort") and not local:
        mend = "remove it: it is for LoadBalancer with externalTrafficPolicy Local"
        yield resource.finding(("spec", "healthCheckNodePort"), "nobody asks it", mend)
