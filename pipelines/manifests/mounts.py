"""What a server refuses about where a container has its volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import once
from pipelines.manifests.resource import Container, Resource, at, listing, mapping

_ON_DISK = ("persistentVolumeClaim", "ephemeral")


def mounts(container: Container) -> Iterator[Finding]:
    """Mistakes in mounts and devices."""
    resource = container.pod.owner
    for index, mount in enumerate(listing(container.body.get("volumeMounts"))):
        path: Path = (*container.path, "volumeMounts", index)
        yield from _mount(resource, path, mapping(mount))
        privileged = at(container.body, "securityContext", "privileged") is True
        if mapping(mount).get("mountPropagation") == "Bidirectional" and not privileged:
            yield resource.finding((*path, "mountPropagation"), "only in a privileged container", "HostToContainer")
    yield from _devices(container)


def _mount(resource: Resource, path: Path, mount: Mapping[str, Any]) -> Iterator[Finding]:
    place = str(mount.get("mountPath") or "")
    if not place or ":" in place:
        yield resource.finding((*path, "mountPath"), f"{place!r:.60} is no place to mount at", "an absolute path")
    for field in ("subPath", "subPathExpr"):
        below = str(mount.get(field) or "")
        if below.startswith("/") or ".." in below.split("/"):
            yield resource.finding((*path, field), f"{below!r:.60} leaves the volume", "a relative path without ..")
    if mount.get("subPath") and mount.get("subPathExpr"):
        yield resource.finding((*path, "subPathExpr"), "beside subPath", "one of them")
    if mount.get("recursiveReadOnly") in ("Enabled", "IfPossible"):
        if mount.get("readOnly") is not True:
            yield resource.finding((*path, "recursiveReadOnly"), "without readOnly", "set readOnly: true")
        if mount.get("mountPropagation") not in (None, "None"):
            yield resource.finding((*path, "recursiveReadOnly"), "beside mountPropagation", "remove mountPropagation")


def _devices(container: Container) -> Iterator[Finding]:
    resource, devices = container.pod.owner, [mapping(one) for one in listing(container.body.get("volumeDevices"))]
    sources = {str(mapping(v).get("name")): mapping(v) for v in listing(container.pod.spec.get("volumes"))}
    templates = listing(at(container.pod.owner.body, "spec", "volumeClaimTemplates"))
    sources |= {str(at(one, "metadata", "name")): {"persistentVolumeClaim": {}} for one in templates}
    mounted = [mapping(one) for one in listing(container.body.get("volumeMounts"))]
    for index, device in enumerate(devices):
        path: Path = (*container.path, "volumeDevices", index)
        name, place = str(device.get("name")), str(device.get("devicePath") or "")
        if name not in sources:
            yield resource.finding((*path, "name"), f"no volume {name}", "add the volume, or correct the name")
        elif not any(field in sources[name] for field in _ON_DISK):
            yield resource.finding((*path, "name"), f"{name} is no claim", "a claim with volumeMode: Block")
        if not place or ".." in place.split("/"):
            yield resource.finding((*path, "devicePath"), f"{place!r:.60} is no place of a device", "/dev/…")
        for field, key in (("name", "name"), ("devicePath", "mountPath")):
            if device.get(field) in [one.get(key) for one in mounted if one.get(key)]:
                yield resource.finding((*path, field), f"{device.get(field)!r:.60} is mounted too", "one of them")
    for field in ("name", "devicePath"):
        yield from once(resource, (*container.path, "volumeDevices"), [one.get(field) for one in devices], field)
