"""What a server refuses about ingresses: hosts, paths and what stands behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.addresses import address
from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import LABEL, OLD_LABEL, PORT, SEGMENT, SUBDOMAIN
from pipelines.manifests.resource import Resource, at, listing, mapping

_PATHS = ("Exact", "Prefix", "ImplementationSpecific")
_NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_CLASS = "kubernetes.io/ingress.class"
_DIGIT_FIRST_SINCE = 36
"""The minor version from which the name of a service may begin with a digit."""


def ingress(resource: Resource, minor: int) -> Iterator[Finding]:
    """Mistakes in an Ingress, for a minor version of the server."""
    if resource.kind != "Ingress":
        return
    spec = mapping(resource.body.get("spec"))
    if not listing(spec.get("rules")) and not spec.get("defaultBackend"):
        yield resource.finding(("spec", "rules"), "neither rules nor defaultBackend", "add a rule")
    if isinstance(spec.get("defaultBackend"), Mapping):
        yield from _backend(resource, ("spec", "defaultBackend"), spec["defaultBackend"], minor)
    for index, rule in enumerate(mapping(one) for one in listing(spec.get("rules"))):
        path: Path = ("spec", "rules", index)
        host = rule.get("host")
        yield from _host(resource, (*path, "host"), host)
        if isinstance(host, str) and address(host, minor):
            yield resource.finding((*path, "host"), f"{host} is an address", "answers.example.com")
        if isinstance(http := rule.get("http"), Mapping):
            yield from _paths(resource, (*path, "http", "paths"), listing(http.get("paths")), minor)
    for index, tls in enumerate(listing(spec.get("tls"))):
        for number, host in enumerate(listing(mapping(tls).get("hosts"))):
            yield from _host(resource, ("spec", "tls", index, "hosts", number), host)
        yield from _name(resource, ("spec", "tls", index, "secretName"), mapping(tls).get("secretName"))
    yield from _class(resource, spec.get("ingressClassName"))


def _class(resource: Resource, name: Any) -> Iterator[Finding]:
    yield from _name(resource, ("spec", "ingressClassName"), name)
    old = at(resource.body, "metadata", "annotations", _CLASS)
    if name is not None and old is not None and old != name:
        yield resource.finding(("metadata", "annotations", _CLASS), f"is not ingressClassName {name}", "remove it")


def _host(resource: Resource, path: Path, host: Any) -> Iterator[Finding]:
    if isinstance(host, str) and host and not SUBDOMAIN.fullmatch(host.removeprefix("*.")):
        yield resource.finding(path, f"{host!r:.80} is no host", "answers.example.com or *.example.com")


def _name(resource: Resource, path: Path, name: Any) -> Iterator[Finding]:
    if name and not SUBDOMAIN.fullmatch(str(name)):
        yield resource.finding(path, f"{name!r:.80} is not a name that Kubernetes accepts", "a-z, 0-9, - and .")


def _paths(resource: Resource, path: Path, paths: Any, minor: int) -> Iterator[Finding]:
    if not paths:
        yield resource.finding(path, "no path", "add one")
    for index, one in enumerate(mapping(item) for item in paths):
        here: Path = (*path, index)
        kind, place = one.get("pathType"), one.get("path")
        if kind is not None and kind not in _PATHS:
            yield resource.finding((*here, "pathType"), f"{kind!r:.40} is not allowed", f"one of {', '.join(_PATHS)}")
        plain = kind in ("Exact", "Prefix")
        if (plain or place) and not str(place or "").startswith("/"):
            yield resource.finding((*here, "path"), f"{place!r:.60} is no absolute path", "begin with /")
        elif plain and not _straight(str(place)):
            mend = f"without {', '.join(_NOT_IN_PATHS)}"
            yield resource.finding((*here, "path"), f"{place!r:.60} is not straight", mend)
        yield from _backend(resource, (*here, "backend"), mapping(one.get("backend")), minor)


def _straight(place: str) -> bool:
    return not any(part in place for part in _NOT_IN_PATHS) and not place.endswith(("/.", "/.."))


def _backend(resource: Resource, path: Path, backend: Mapping[str, Any], minor: int) -> Iterator[Finding]:
    given = [name for name in ("service", "resource") if backend.get(name) is not None]
    if len(given) != 1:
        what = "both service and resource" if given else "neither service nor resource"
        yield resource.finding(path, what, "exactly one of them")
    if isinstance(service := backend.get("service"), Mapping):
        rule = LABEL if minor >= _DIGIT_FIRST_SINCE else OLD_LABEL
        if not rule.fullmatch(str(service.get("name") or "")):
            what = f"{service.get('name')!r:.80} is no name of a service"
            yield resource.finding((*path, "service", "name"), what, "name the service")
        yield from _port(resource, (*path, "service", "port"), mapping(service.get("port")))
    for field in ("kind", "name") if isinstance(backend.get("resource"), Mapping) else ():
        value = str(backend["resource"].get(field) or "")
        if not SEGMENT.fullmatch(value):
            yield resource.finding((*path, "resource", field), f"{value!r:.60} is not allowed", "name the resource")


def _port(resource: Resource, path: Path, port: Mapping[str, Any]) -> Iterator[Finding]:
    if len([name for name in ("name", "number") if port.get(name)]) != 1:
        yield resource.finding(path, "exactly one of name and number", "say which port of the service")
    elif port.get("name") and not PORT.fullmatch(str(port["name"])):
        yield resource.finding((*path, "name"), f"{port['name']!r:.40} is no name of a port", "as the port is named")
