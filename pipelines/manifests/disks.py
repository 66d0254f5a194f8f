"""What a server refuses about volumes of a cluster and about their classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipelines.manifests.claims import ACCESS
from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import KEY_NAME, SUBDOMAIN
from pipelines.manifests.quantities import amount
from pipelines.manifests.resource import Resource, at, listing, mapping
from pipelines.manifests.volumes import is_driver

_ABOUT = (
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
    "storageClassName", "volumeAttributesClassName", "volumeMode",
)  # fmt: skip
"""Fields of a volume that are no source of it."""
_RECLAIM = ("Delete", "Recycle", "Retain")
_MODES = ("Block", "Filesystem")
_NEEDED = {
    "nfs": ("server", "path"), "csi": ("driver", "volumeHandle"), "local": ("path",), "hostPath": ("path",),
    "iscsi": ("targetPortal", "iqn"),
}  # fmt: skip
_MOST_PARAMETERS = 256 * 1024


def disks(resource: Resource) -> Iterator[Finding]:
    """Mistakes in a PersistentVolume or a StorageClass."""
    if resource.kind in _RULES:
        yield from _RULES[resource.kind](resource)


def _volume(resource: Resource) -> Iterator[Finding]:
    spec = mapping(resource.body.get("spec"))
    yield from _amount(resource, mapping(spec.get("capacity")))
    yield from _access(resource, [str(mode) for mode in listing(spec.get("accessModes"))])
    for field, allowed in (("persistentVolumeReclaimPolicy", _RECLAIM), ("volumeMode", _MODES)):
        if (value := spec.get(field)) is not None and value not in allowed:
            yield resource.finding(("spec", field), f"{value!r:.40} is not allowed", f"one of {', '.join(allowed)}")
    if (name := spec.get("storageClassName")) and not SUBDOMAIN.fullmatch(str(name)):
        what = f"{name!r:.80} is no name of a class"
        yield resource.finding(("spec", "storageClassName"), what, "lower-case letters, digits, - and .")
    sources = [str(key) for key, value in spec.items() if key not in _ABOUT and value is not None]
    if len(sources) != 1:
        what = f"{len(sources)} sources ({', '.join(sources)})" if sources else "no source"
        yield resource.finding(("spec",), what, "exactly one: csi, nfs, local")
    for source in sources:
        yield from _source(resource, source, mapping(spec[source]), spec)


def _amount(resource: Resource, capacity: Mapping[str, Any]) -> Iterator[Finding]:
    path: Path = ("spec", "capacity")
    if list(capacity) != ["storage"]:
        yield resource.finding(path, "not storage alone" if capacity else "missing", "storage: 10Gi")
    elif (size := amount(capacity["storage"])) is not None and size <= 0:
        yield resource.finding((*path, "storage"), "no size", "say how much: 10Gi")


def _access(resource: Resource, modes: list[str]) -> Iterator[Finding]:
    path: Path = ("spec", "accessModes")
    if not modes:
        yield resource.finding(path, "missing", "ReadWriteOnce, or ReadWriteMany to share it")
    for index, mode in enumerate(modes):
        if mode not in ACCESS:
            yield resource.finding((*path, index), f"{mode!r:.40} is not allowed", f"one of {', '.join(ACCESS)}")
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        yield resource.finding(path, "ReadWriteOncePod beside another", "one of them")


def _source(resource: Resource, name: str, source: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[Finding]:
    path: Path = ("spec", name)
    for field in _NEEDED.get(name, ()):
        if not source.get(field):
            yield resource.finding((*path, field), "missing", f"say the {field}")
    place = str(source.get("path") or "")
    if name in ("hostPath", "local") and ".." in place.split("/"):
        yield resource.finding((*path, "path"), f"{place!r:.60} goes back", "a path without ..")
    if name == "nfs" and place and not place.startswith("/"):
        yield resource.finding((*path, "path"), f"{place!r:.60} is no absolute path", "begin with /")
    if name == "local" and not listing(at(spec, "nodeAffinity", "required", "nodeSelectorTerms")):
        yield resource.finding(("spec", "nodeAffinity"), "missing for a local volume", "say which node has it")
    if name == "hostPath" and place == "/" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield resource.finding(("spec", "persistentVolumeReclaimPolicy"), "would empty the node's root", "Retain")
    if name == "csi" and source.get("driver") and not is_driver(source["driver"]):
        what = f"{source['driver']!r:.80} is no name of a driver"
        yield resource.finding((*path, "driver"), what, "csi.example.com")


def _class(resource: Resource) -> Iterator[Finding]:
    provisioner = str(resource.body.get("provisioner") or "").lower()
    domain, slash, rest = provisioner.rpartition("/")
    if not KEY_NAME.fullmatch(rest) or (slash and not SUBDOMAIN.fullmatch(domain)):
        yield resource.finding(("provisioner",), f"{provisioner!r:.80} is no provisioner", "ebs.csi.aws.com")
    parameters = mapping(resource.body.get("parameters"))
    if sum(len(str(key)) + len(str(value)) for key, value in parameters.items()) > _MOST_PARAMETERS:
        yield resource.finding(("parameters",), "too much", f"at most {_MOST_PARAMETERS} bytes in all")
    terms = [mapping(term) for term in listing(resource.body.get("allowedTopologies"))]
    for number, term in enumerate(terms):
        path: Path = ("allowedTopologies", number)
        if term in terms[:number]:
            yield resource.finding(path, "stands twice", "each place once")
        keys: list[object] = []
        for index, rule in enumerate(mapping(one) for one in listing(term.get("matchLabelExpressions"))):
            yield from _place(resource, (*path, "matchLabelExpressions", index), rule, keys)
            keys.append(rule.get("key"))


def _place(resource: Resource, path: Path, rule: Mapping[str, Any], before: list[object]) -> Iterator[Finding]:
    values = listing(rule.get("values"))
    if rule.get("key") in before:
        yield resource.finding((*path, "key"), "stands twice", "one rule for each key")
    if not values or len(set(map(str, values))) < len(values):
        yield resource.finding((*path, "values"), "one stands twice" if values else "none", "each value once")


_RULES: dict[str, Callable[[Resource], Iterator[Finding]]] = {"PersistentVolume": _volume, "StorageClass": _class}
