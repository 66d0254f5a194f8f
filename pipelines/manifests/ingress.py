"""What a server refuses about ingresses: hosts, paths and what stands behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import SUBDOMAIN
from pipelines.manifests.resource import Resource, listing, mapping

_PATHS = ("Exact", "Prefix", "ImplementationSpecific")


def ingress(resource: Resource) -> Iterator[Finding]:
    """Mistakes in an Ingress."""
    if resource.kind != "Ingress":
        return
    spec = mapping(resource.body.get("spec"))
    if not listing(spec.get("rules")) and not spec.get("defaultBackend"):
        yield resource.finding(("spec", "rules"), "neither rules nor defaultBackend", "add a rule")
    for index, rule in enumerate(mapping(one) for one in listing(spec.get("rules"))):
        path: Path = ("spec", "rules", index)
        if isinstance(host := rule.get("host"), str) and host and not SUBDOMAIN.fullmatch(host.removeprefix("*.")):
            yield resource.finding((*path, "host"), f"{host!r:.80} is no host", "answers.example.com or *.example.com")
        if isinstance(http := rule.get("http"), Mapping):
            yield from _paths(resource, (*path, "http", "paths"), listing(http.get("paths")))


def _paths(resource: Resource, path: Path, paths: Any) -> Iterator[Finding]:
    if not paths:
        yield resource.finding(path, "no path", "add one")
    for index, one in enumerate(mapping(item) for item in paths):
        here: Path = (*path, index)
        kind, place, backend = one.get("pathType"), one.get("path"), mapping(one.get("backend"))
        if kind is not None and kind not in _PATHS:
            yield resource.finding((*here, "pathType"), f"{kind!r:.40} is not allowed", f"one of {', '.join(_PATHS)}")
        needed = kind in ("Exact", "Prefix") or place
        if needed and (not isinstance(place, str) or not _absolute(place)):
            yield resource.finding((*here, "path"), f"{place!r:.60} is no absolute path", "begin with /")
        given = [name for name in ("service", "resource") if backend.get(name) is not None]
        if len(given) != 1:
            what = "both service and resource" if given else "neither service nor resource"
            yield resource.finding((*here, "backend"), what, "exactly one of them")
        yield from _port(resource, (*here, "backend", "service", "port"), backend.get("service"))


def _absolute(place: str) -> bool:
    return place.startswith("/") and not any(part in (".", "..") for part in place.split("/")) and "//" not in place


def _port(resource: Resource, path: Path, service: Any) -> Iterator[Finding]:
    if isinstance(service, Mapping):
        port = mapping(service.get("port"))
        if len([name for name in ("name", "number") if port.get(name)]) != 1:
            yield resource.finding(path, "exactly one of name and number", "say which port of the service")
