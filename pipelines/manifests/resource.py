"""A Kubernetes resource, what is found in it, and ways to walk through one that may be broken anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""Keys and indices from the root of a resource."""
_MAKERS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")
_POD_SPECS: Mapping[str, Path] = {
    "Pod": ("spec",), "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(_MAKERS, ("spec", "template", "spec")),
}  # fmt: skip
"""Where each kind has the spec of its pods."""
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
CLUSTER_WIDE = frozenset((
    "Namespace", "ClusterRole", "ClusterRoleBinding", "PersistentVolume", "StorageClass", "PriorityClass",
    "CustomResourceDefinition", "ClusterQueue", "ResourceFlavor", "ClusterSecretStore", "ClusterImagePolicy",
))  # fmt: skip


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listing(value: Any) -> Sequence[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def at(value: Any, *keys: str | int) -> Any:
    """The value under keys, or None."""
    for key in keys:
        value = mapping(value).get(str(key))
    return value


def select(value: Any, pattern: str, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """What fits, nulls not: `a.b` a key, `a[]` the elements of a list, `*` any key, `@` the containers of a pod."""
    if not pattern:
        yield from () if value is None else ((path, value),)
        return
    head, _, rest = pattern.partition(".")
    elements = head == "@" or head.endswith("[]")
    keys = {"*": list(mapping(value)), "@": list(_CONTAINERS)}.get(head, [head.removesuffix("[]")])
    for key in keys:
        found = mapping(value).get(key)
        for index, item in enumerate(listing(found) if elements else [found]):
            yield from select(item, rest, (*path, key, index) if elements else (*path, key))


def below(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """A value and everything in it, at any depth, with their paths."""
    yield path, value
    pairs: list[tuple[Any, Any]] = [*mapping(value).items(), *enumerate(listing(value))]
    for key, item in pairs:
        yield from below(item, (*path, key))


@dataclass(frozen=True)
class Finding:
    """One mistake: of which resource, in which field (as Kubernetes writes it), what, and the edit that mends it."""

    resource: str
    path: str
    what: str
    next_step: str


def show(path: Path) -> str:
    """A path as Kubernetes writes it; a key with dots or slashes stands in brackets."""
    plain = (isinstance(part, str) and not set(part) & set("./[] ") for part in path)
    text = "".join(f".{part}" if one else f"[{part}]" for part, one in zip(path, plain, strict=True))
    return text.removeprefix(".") or "."


class Resource:
    """A resource as it was read, and where that was, to show when it has no name."""

    def __init__(self, body: Mapping[str, Any], source: str = "") -> None:
        self.body, self.kind, self.api_version = body, str(body.get("kind") or ""), str(body.get("apiVersion") or "")
        self.name = str(at(body, "metadata", "name") or at(body, "metadata", "generateName") or "")
        space = str(at(body, "metadata", "namespace") or "default")
        self.namespace = "" if self.kind in CLUSTER_WIDE else space
        group = self.api_version.rpartition("/")[0]
        self.of_an_operator = "." in group and (not group.endswith(".k8s.io") or group.endswith(".x-k8s.io"))
        where = "/".join(part for part in (self.namespace, self.name) if part)
        self.label = f"{self.kind or 'resource'} {where if self.name else source or 'unnamed'}"
        self.pod_path = _POD_SPECS.get(self.kind)
        self.pod_labels = mapping(at(body, *self.pod_path[:-1], "metadata", "labels")) if self.pod_path else {}

    def pod(self, pattern: str) -> Iterator[tuple[Path, Any]]:
        """What fits a pattern below the spec of its pods; nothing where it makes none."""
        if self.pod_path:
            yield from select(at(self.body, *self.pod_path), pattern, self.pod_path)

    def finding(self, path: Path, what: str, next_step: str) -> Finding:
        """A finding about this resource."""
        return Finding(self.label, show(path), what, next_step)
