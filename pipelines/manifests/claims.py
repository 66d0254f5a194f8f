"""What a server refuses about claims to storage, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import SUBDOMAIN
from pipelines.manifests.quantities import amount
from pipelines.manifests.resource import Resource, at, listing, mapping

ACCESS = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_MODES = ("Filesystem", "Block")
_ATTRIBUTES_SINCE = 34
_KIND = "PersistentVolumeClaim"


def claims(resource: Resource, minor: int) -> Iterator[Finding]:
    """Mistakes in a claim, and in the templates of claims, for a minor version of the server."""
    if resource.kind == _KIND:
        yield from claim(resource, ("spec",), mapping(resource.body.get("spec")), minor)
    if resource.kind == "StatefulSet":
        for index, template in enumerate(listing(at(resource.body, "spec", "volumeClaimTemplates"))):
            path: Path = ("spec", "volumeClaimTemplates", index, "spec")
            if not at(template, "metadata", "name"):
                yield resource.finding((*path[:-1], "metadata", "name"), "missing", "the volume that it fills")
            yield from claim(resource, path, mapping(mapping(template).get("spec")), minor)
    for pod in resource.pods:
        for index, volume in enumerate(listing(pod.spec.get("volumes"))):
            ephemeral = mapping(volume).get("ephemeral")
            if isinstance(ephemeral, Mapping):
                yield from _ephemeral(resource, (*pod.spec_path, "volumes", index, "ephemeral"), ephemeral, minor)


def _ephemeral(resource: Resource, path: Path, source: Mapping[str, Any], minor: int) -> Iterator[Finding]:
    template = source.get("volumeClaimTemplate")
    place: Path = (*path, "volumeClaimTemplate")
    if not isinstance(template, Mapping):
        yield resource.finding(place, "missing", "add one with a spec")
        return
    for field in mapping(template.get("metadata")):
        if field not in ("labels", "annotations"):
            yield resource.finding((*place, "metadata", str(field)), "not in a template", "labels and annotations only")
    yield from claim(resource, (*place, "spec"), mapping(template.get("spec")), minor)


def claim(resource: Resource, path: Path, spec: Mapping[str, Any], minor: int) -> Iterator[Finding]:
    """Mistakes in the spec of a claim."""
    modes = listing(spec.get("accessModes"))
    if not modes:
        yield resource.finding((*path, "accessModes"), "missing", "ReadWriteOnce, or ReadWriteMany to share it")
    for index, mode in enumerate(modes):
        if mode not in ACCESS:
            what = f"{mode!r:.40} is not allowed"
            yield resource.finding((*path, "accessModes", index), what, f"one of {', '.join(ACCESS)}")
    if "ReadWriteOncePod" in modes and len({str(mode) for mode in modes}) > 1:
        yield resource.finding((*path, "accessModes"), "ReadWriteOncePod beside another", "one of them")
    if (mode := spec.get("volumeMode")) is not None and mode not in _MODES:
        yield resource.finding((*path, "volumeMode"), f"{mode!r:.40} is not allowed", f"one of {', '.join(_MODES)}")
    size = at(spec, "resources", "requests", "storage")
    if size is None or amount(size) == 0:
        yield resource.finding((*path, "resources", "requests", "storage"), "no size", "say how much: 10Gi")
    fields = ("storageClassName", "volumeAttributesClassName") if minor >= _ATTRIBUTES_SINCE else ("storageClassName",)
    for field in fields:
        if (name := spec.get(field)) and not SUBDOMAIN.fullmatch(str(name)):
            mend = "lower-case letters, digits, - and ."
            yield resource.finding((*path, field), f"{name!r:.80} is no name of a class", mend)
    yield from _source(resource, path, spec)


def _source(resource: Resource, path: Path, spec: Mapping[str, Any]) -> Iterator[Finding]:
    old, new = spec.get("dataSource"), spec.get("dataSourceRef")
    if isinstance(old, Mapping) and not old.get("apiGroup") and old.get("kind") != _KIND:
        old = None  # a server drops it without a word
    for field, ref in (("dataSource", old), ("dataSourceRef", new)):
        if not isinstance(ref, Mapping):
            continue
        for key in ("kind", "name"):
            if not ref.get(key):
                yield resource.finding((*path, field, key), "missing", "name what the volume is filled from")
        if not ref.get("apiGroup") and ref.get("kind") not in (None, "", _KIND):
            yield resource.finding((*path, field, "apiGroup"), f"missing for a {ref.get('kind')}", "add its group")
    keys = ("apiGroup", "kind", "name")
    if (
        isinstance(old, Mapping)
        and isinstance(new, Mapping)
        and [old.get(k) for k in keys] != [new.get(k) for k in keys]
    ):
        yield resource.finding((*path, "dataSource"), "is not dataSourceRef", "remove it")
