"""What a server refuses about variables: their names, and where their values come from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import RULES, SUBDOMAIN, label_key
from pipelines.manifests.quantities import amount
from pipelines.manifests.resource import Container, Resource, at, listing, mapping

RELAXED = 32
"""The minor version from which a variable may have any printable name without =."""
_NAME, _RELAXED_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*"), re.compile(r"[ -<>-~]+")
_FILES_SINCE = 35
_OF_PODS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")
_OF_CONTAINERS = tuple(f"{s}.{what}" for s in ("limits", "requests") for what in ("cpu", "memory", "ephemeral-storage"))
_UNITS = ("", *"kMGTPE", *(f"{unit}i" for unit in "KMGTPE"))
_FILE_KEY = re.compile(r"[ -<>-~]{1,128}")


def variables(container: Container, minor: int) -> Iterator[Finding]:
    """Mistakes in `env` and `envFrom`, for a minor version of the server."""
    resource, path = container.pod.owner, container.path
    for index, item in enumerate(listing(container.body.get("env"))):
        place: Path = (*path, "env", index)
        yield from _named(resource, (*place, "name"), mapping(item).get("name"), minor)
        if isinstance(source := mapping(item).get("valueFrom"), Mapping):
            yield from _source(container, (*place, "valueFrom"), source, minor)
            if mapping(item).get("value"):
                yield resource.finding((*place, "valueFrom"), "beside a value", "one of them")
    for index, item in enumerate(listing(container.body.get("envFrom"))):
        yield from _map(resource, (*path, "envFrom", index), mapping(item), minor)


def _named(resource: Resource, path: Path, name: Any, minor: int) -> Iterator[Finding]:
    rule = _RELAXED_NAME if minor >= RELAXED else _NAME
    if isinstance(name, str) and (not rule.fullmatch(name) or (minor < RELAXED and name in (".", ".."))):
        mend = "printable, without =" if minor >= RELAXED else "letters, digits, _, - and ., not beginning with a digit"
        yield resource.finding(path, f"{name!r:.80} is not a name that Kubernetes accepts", mend)


def _map(resource: Resource, path: Path, source: Mapping[str, Any], minor: int) -> Iterator[Finding]:
    given = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
    if len(given) != 1:
        yield resource.finding(path, f"{len(given)} sources", "exactly one of configMapRef and secretRef")
    elif not at(source, given[0], "name"):
        yield resource.finding((*path, given[0], "name"), "missing", "name it")
    if source.get("prefix"):
        yield from _named(resource, (*path, "prefix"), source["prefix"], minor)


def _source(container: Container, path: Path, source: Mapping[str, Any], minor: int) -> Iterator[Finding]:
    resource = container.pod.owner
    if len([one for one in source.values() if one is not None]) != 1:
        yield resource.finding(path, "not one source", "exactly one: secretKeyRef, …")
    for name in ("configMapKeyRef", "secretKeyRef"):
        of = mapping(source.get(name)).get("name")
        if isinstance(source.get(name), Mapping) and not of:
            yield resource.finding((*path, name, "name"), "missing", "name it")
        elif isinstance(of, str) and not SUBDOMAIN.fullmatch(of):
            yield resource.finding(
                (*path, name, "name"), f"{of!r:.80} is not a name that Kubernetes accepts", RULES[SUBDOMAIN]
            )
    if isinstance(source.get("fieldRef"), Mapping):
        yield from field_of_pod(resource, (*path, "fieldRef"), source["fieldRef"], _OF_PODS)
    if isinstance(source.get("resourceFieldRef"), Mapping):
        yield from amount_of_container(resource, (*path, "resourceFieldRef"), source["resourceFieldRef"])
    if isinstance(source.get("fileKeyRef"), Mapping) and minor >= _FILES_SINCE:
        yield from _file(container, (*path, "fileKeyRef"), source["fileKeyRef"])


def field_of_pod(resource: Resource, path: Path, ref: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[Finding]:
    """A field of a pod that a variable, or a file, is to have."""
    field, version = str(ref.get("fieldPath") or ""), ref.get("apiVersion", "v1")
    if version not in ("", "v1"):
        yield resource.finding((*path, "apiVersion"), f"{version!r:.40} is not allowed", "v1")
    elif match := _SUBSCRIPT.fullmatch(field):
        key = match[2].lower() if match[1] == "annotations" else match[2]
        yield from label_key(resource, (*path, "fieldPath"), key)
    elif field not in known:
        yield resource.finding((*path, "fieldPath"), f"{field!r:.60} is not allowed", f"one of {', '.join(known)}")


def amount_of_container(resource: Resource, path: Path, ref: Mapping[str, Any]) -> Iterator[Finding]:
    """A limit or a request of a container that a variable, or a file, is to have."""
    name, divisor = str(ref.get("resource") or ""), amount(ref.get("divisor", "0"))
    if name not in _OF_CONTAINERS and not name.startswith(("limits.hugepages-", "requests.hugepages-")):
        yield resource.finding((*path, "resource"), f"{name!r:.60} is not allowed", "limits.memory, requests.cpu, …")
    units = ("", "m") if name.endswith(".cpu") else _UNITS
    if divisor and divisor not in [amount(f"1{unit}") for unit in units]:
        mend = f"one of {', '.join(f'1{unit}' for unit in units)}"
        yield resource.finding((*path, "divisor"), f"{ref.get('divisor')!r:.40} is not allowed", mend)


def _file(container: Container, path: Path, ref: Mapping[str, Any]) -> Iterator[Finding]:
    resource, place, key = container.pod.owner, str(ref.get("path") or ""), str(ref.get("key") or "")
    if not place or place.startswith(("/", "..")) or ".." in place.split("/"):
        yield resource.finding((*path, "path"), f"{place!r:.60} leaves the volume", "a relative path without ..")
    if not _FILE_KEY.fullmatch(key):
        yield resource.finding((*path, "key"), f"{key!r:.60} is no key of a file", "printable, without =, at most 128")
    volumes = {str(mapping(one).get("name")): mapping(one) for one in listing(container.pod.spec.get("volumes"))}
    volume = volumes.get(str(ref.get("volumeName")))
    if volume is None:
        yield resource.finding((*path, "volumeName"), f"no volume {ref.get('volumeName')}", "add it, or correct it")
    elif "emptyDir" not in volume:
        yield resource.finding((*path, "volumeName"), "not an emptyDir", "a file that an init container writes")
