"""What a server refuses about network policies and about budgets of disruption."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from pipelines.manifests.addresses import network
from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.resource import Resource, at, listing, mapping

_PERCENT = re.compile(r"[0-9]+%")


def plumbing(resource: Resource, minor: int) -> Iterator[Finding]:
    """Mistakes in a resource of these kinds, for a minor version of the server."""
    if resource.kind in _RULES:
        yield from _RULES[resource.kind](resource, minor)


def _policy(resource: Resource, minor: int) -> Iterator[Finding]:
    directions = [str(one) for one in listing(at(resource.body, "spec", "policyTypes"))]
    if len(directions) > len(set(directions)):
        yield resource.finding(("spec", "policyTypes"), "one of them stands twice", "Ingress, Egress or both")
    for way, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(listing(at(resource.body, "spec", way))):
            path: Path = ("spec", way, index)
            for number, port in enumerate(listing(mapping(rule).get("ports"))):
                yield from _policy_port(resource, (*path, "ports", number), mapping(port))
            for number, peer in enumerate(listing(mapping(rule).get(peers))):
                yield from _peer(resource, (*path, peers, number), mapping(peer), minor)


def _policy_port(resource: Resource, path: Path, port: Mapping[str, Any]) -> Iterator[Finding]:
    first, last = port.get("port"), port.get("endPort")
    if last is not None and not (isinstance(first, int) and isinstance(last, int) and first <= last):
        yield resource.finding((*path, "endPort"), f"{last} is not after port {first}", "port ≤ endPort, both numbers")


def _peer(resource: Resource, path: Path, peer: Mapping[str, Any], minor: int) -> Iterator[Finding]:
    block = peer.get("ipBlock")
    if not any(value is not None for value in peer.values()):
        yield resource.finding(path, "an empty peer", "a podSelector, a namespaceSelector or an ipBlock")
    if block is None:
        return
    if "podSelector" in peer or "namespaceSelector" in peer:
        yield resource.finding((*path, "ipBlock"), "not beside a selector", "make two peers of it")
    whole = network(at(block, "cidr"), minor)
    if whole is None:
        yield resource.finding((*path, "ipBlock", "cidr"), f"{at(block, 'cidr')!r:.60} is no network", "10.0.0.0/8")
    for index, text in enumerate(listing(at(block, "except"))):
        part = network(text, minor)
        if whole is not None and not (part is not None and _inside(part, whole)):
            yield resource.finding(
                (*path, "ipBlock", "except", index), f"{text!r:.60} is not inside cidr", "a part of it"
            )


def _inside(part: IPv4Network | IPv6Network, whole: IPv4Network | IPv6Network) -> bool:
    """Whether a network is a part of another, and less than all of it."""
    same = part.version == whole.version and part.prefixlen > whole.prefixlen
    return same and part.network_address in whole


def _budget(resource: Resource, _minor: int) -> Iterator[Finding]:
    spec = mapping(resource.body.get("spec"))
    given = [name for name in ("minAvailable", "maxUnavailable") if spec.get(name) is not None]
    if len(given) != 1:
        what = "both minAvailable and maxUnavailable" if given else "neither minAvailable nor maxUnavailable"
        yield resource.finding(("spec", "maxUnavailable"), what, "exactly one of them")
    elif isinstance(value := spec[given[0]], str) and not _PERCENT.fullmatch(value):
        yield resource.finding(("spec", given[0]), f"{value!r:.40} is no number and no percentage", "1, or 25%")
    elif isinstance(value := spec[given[0]], str) and int(value.removesuffix("%")) > 100:
        yield resource.finding(("spec", given[0]), f"{value} is more than all", "at most 100%")
    elif spec.get("maxUnavailable") in (0, "0", "0%") or spec.get("minAvailable") == "100%":
        yield resource.finding(("spec", given[0]), "no pod may ever be moved", "allow one, or nodes cannot be drained")


_RULES: dict[str, Callable[[Resource, int], Iterator[Finding]]] = {
    "NetworkPolicy": _policy,
    "PodDisruptionBudget": _budget,
}
