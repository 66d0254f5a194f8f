"""What a server refuses about volumes: no source or two, sources without a name, files that leave the volume."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import SUBDOMAIN
from pipelines.manifests.resource import Pod, Resource, listing, mapping
from pipelines.manifests.variables import amount_of_container, field_of_pod

_OF_FILES = (
    "metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations",
)  # fmt: skip
_TOKEN_SECONDS = (600, 2**32)
_DRIVER_LETTERS = 63
_PROJECTED = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")
_NAMED = {"secret": "secretName", "configMap": "name", "persistentVolumeClaim": "claimName"}


def volumes(pod: Pod) -> Iterator[Finding]:
    """Mistakes in the volumes of a pod."""
    for index, volume in enumerate(listing(pod.spec.get("volumes"))):
        path: Path = (*pod.spec_path, "volumes", index)
        if mapping(volume).get("name") == "":
            yield pod.owner.finding((*path, "name"), "empty", "name the volume")
        sources = [key for key, value in mapping(volume).items() if key != "name" and value is not None]
        if len(sources) != 1:
            what = f"{len(sources)} sources ({', '.join(sources)})" if sources else "no source"
            yield pod.owner.finding(path, what, "exactly one; emptyDir: {} is the least")
        for source in sources:
            if source in _NAMED and not mapping(volume[source]).get(_NAMED[source]):
                yield pod.owner.finding((*path, source, _NAMED[source]), "missing", "name it")
            if source in _RULES:
                yield from _RULES[source](pod, (*path, source), mapping(volume[source]))


def _files(pod: Pod, path: Path, source: Mapping[str, Any]) -> Iterator[Finding]:
    for index, item in enumerate(mapping(one) for one in listing(source.get("items"))):
        place: Path = (*path, "items", index)
        if item.get("key") == "":
            yield pod.owner.finding((*place, "key"), "empty", "name the key")
        yield from _inside(pod.owner, (*place, "path"), item.get("path"))


def _inside(resource: Resource, path: Path, place: Any) -> Iterator[Finding]:
    text = str(place or "")
    if not text or text.startswith(("/", "..")) or ".." in text.split("/"):
        yield resource.finding(path, f"{text!r:.60} is no place in the volume", "a relative path without ..")


def _downward(pod: Pod, path: Path, source: Mapping[str, Any]) -> Iterator[Finding]:
    for index, item in enumerate(mapping(one) for one in listing(source.get("items"))):
        place: Path = (*path, "items", index)
        yield from _inside(pod.owner, (*place, "path"), item.get("path"))
        field, amount = item.get("fieldRef"), item.get("resourceFieldRef")
        if (field is None) == (amount is None):
            yield pod.owner.finding(place, "not one source", "exactly one of fieldRef and resourceFieldRef")
        if isinstance(field, Mapping):
            yield from field_of_pod(pod.owner, (*place, "fieldRef"), field, _OF_FILES)
        if isinstance(amount, Mapping):
            yield from amount_of_container(pod.owner, (*place, "resourceFieldRef"), amount)
            if not amount.get("containerName"):
                yield pod.owner.finding((*place, "resourceFieldRef", "containerName"), "missing", "say whose")


def _projected(pod: Pod, path: Path, volume: Mapping[str, Any]) -> Iterator[Finding]:
    taken: list[str] = []
    for index, source in enumerate(mapping(one) for one in listing(volume.get("sources"))):
        place: Path = (*path, "sources", index)
        given = [name for name in _PROJECTED if source.get(name) is not None]
        if len(given) > 1:
            yield pod.owner.finding(place, f"{len(given)} sources ({', '.join(given)})", "make two of it")
        for name in given:
            part = mapping(source[name])
            if name in ("secret", "configMap") and not part.get("name"):
                yield pod.owner.finding((*place, name, "name"), "missing", "name it")
            if name in _OF_PROJECTED:
                yield from _OF_PROJECTED[name](pod, (*place, name), part)
            for item in listing(part.get("items")):
                if (file := str(mapping(item).get("path"))) in taken:
                    yield pod.owner.finding((*place, name, "items"), f"{file!r:.60} stands twice", "each file once")
                taken.append(file)


def _token(pod: Pod, path: Path, token: Mapping[str, Any]) -> Iterator[Finding]:
    seconds, (low, high) = token.get("expirationSeconds"), _TOKEN_SECONDS
    if isinstance(seconds, int) and not low <= seconds <= high:
        yield pod.owner.finding((*path, "expirationSeconds"), f"{seconds} is out of range", f"from {low} to {high}")
    yield from _inside(pod.owner, (*path, "path"), token.get("path"))


def _csi(pod: Pod, path: Path, source: Mapping[str, Any]) -> Iterator[Finding]:
    driver = source.get("driver") or ""
    if not is_driver(driver):
        yield pod.owner.finding((*path, "driver"), f"{driver!r:.80} is no name of a driver", "csi.example.com")


def is_driver(name: Any) -> bool:
    """Whether a driver of storage may have a name."""
    return len(str(name)) <= _DRIVER_LETTERS and bool(SUBDOMAIN.fullmatch(str(name).lower()))


def _image(pod: Pod, path: Path, source: Mapping[str, Any]) -> Iterator[Finding]:
    if pod.owner.kind == "Pod" and not source.get("reference"):
        yield pod.owner.finding((*path, "reference"), "missing", "name the image")


_Rule = Callable[[Pod, Path, Mapping[str, Any]], Iterator[Finding]]
_OF_PROJECTED: dict[str, _Rule] = {
    "secret": _files, "configMap": _files, "downwardAPI": _downward, "serviceAccountToken": _token,
}  # fmt: skip
_RULES: dict[str, _Rule] = {
    "secret": _files, "configMap": _files, "downwardAPI": _downward, "projected": _projected, "csi": _csi,
    "image": _image,
}  # fmt: skip
