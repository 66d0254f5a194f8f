"""A resource, and ways to walk through one that may be broken in any place: what is of another type is passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipelines.manifests.finding import Finding, Path, show

_MAKERS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job")
TEMPLATES: Mapping[str, Path] = {
    "Pod": (),
    "PodTemplate": ("template",),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    **{kind: ("spec", "template") for kind in _MAKERS},
}
"""Where each kind has the template of its pods."""
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
CLUSTER_WIDE = frozenset((
    "Namespace", "ClusterRole", "ClusterRoleBinding", "PersistentVolume", "StorageClass", "PriorityClass",
    "RuntimeClass", "CustomResourceDefinition", "ClusterQueue", "ResourceFlavor", "ClusterSecretStore",
    "ClusterImagePolicy", "ClusterTrainingRuntime", "IngressClass", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "APIService",
    "WorkloadPriorityClass",
))  # fmt: skip


def own(group: str) -> bool:
    """Whether a group is Kubernetes' own, and not of an operator's."""
    return "." not in group or (group.endswith(".k8s.io") and not group.endswith(".x-k8s.io"))


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listing(value: Any) -> Sequence[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def at(value: Any, *keys: str) -> Any:
    """The value under keys, or None."""
    for key in keys:
        value = mapping(value).get(key)
    return value


def select(value: Any, pattern: str, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every (path, value) that fits: `a.b` a key, `a[]` the elements of a list, `*` any key. Nulls do not fit."""
    head, _, rest = pattern.partition(".")
    name, elements = (head.removesuffix("[]"), True) if head.endswith("[]") else (head, False)
    names = list(mapping(value)) if name == "*" else [name]
    for key in names:
        found = mapping(value).get(key)
        pairs: list[tuple[Path, Any]] = [((*path, key), found)]
        if elements:
            pairs = [((*path, key, index), item) for index, item in enumerate(listing(found))]
        for place, item in pairs:
            if item is None:
                continue
            if rest:
                yield from select(item, rest, place)
            else:
                yield place, item


@dataclass(frozen=True)
class Resource:
    """A resource as it was read."""

    body: Mapping[str, Any]
    source: str = ""
    """Where it came from, to show when it has no name."""

    @property
    def kind(self) -> str:
        """Its kind, or nothing."""
        return str(self.body.get("kind") or "")

    @property
    def api_version(self) -> str:
        """Group and version."""
        return str(self.body.get("apiVersion") or "")

    @property
    def group(self) -> str:
        """Group of its API: nothing for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its name, or the beginning of the one that a server makes."""
        return str(at(self.body, "metadata", "name") or at(self.body, "metadata", "generateName") or "")

    @property
    def namespace(self) -> str:
        """Its namespace: `default` where none is said, nothing for what belongs to the whole cluster."""
        return "" if self.kind in CLUSTER_WIDE else str(at(self.body, "metadata", "namespace") or "default")

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, namespace, name."""
        return self.kind, self.namespace, self.name

    def finding(self, path: Path, what: str, next_step: str) -> Finding:
        """A finding about this resource."""
        where = "/".join(part for part in (self.namespace, self.name) if part) or self.source or "unnamed"
        return Finding(f"{self.kind or 'resource'} {where}", show(path), what, next_step)

    @cached_property
    def pods(self) -> tuple[Pod, ...]:
        """The pods it makes: one template, or none."""
        path = TEMPLATES.get(self.kind)
        if path is None:
            return ()
        template = at(self.body, *(str(part) for part in path))
        return (Pod(self, path, mapping(template)),)


@dataclass(frozen=True)
class Container:
    """A container of a pod."""

    pod: Pod
    path: Path
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Pod:
    """The template of pods."""

    owner: Resource
    path: Path
    """Of the template; the pod itself for a Pod."""
    template: Mapping[str, Any]

    @property
    def spec(self) -> Mapping[str, Any]:
        """The pod's spec."""
        return mapping(self.template.get("spec"))

    @property
    def spec_path(self) -> Path:
        """Path of the spec."""
        return (*self.path, "spec")

    @property
    def labels(self) -> Mapping[str, Any]:
        """The pod's labels."""
        return mapping(at(self.template, "metadata", "labels"))

    def containers(self, *groups: str) -> Iterator[Container]:
        """Containers of these groups, or of all."""
        for group in groups or CONTAINERS:
            for index, body in enumerate(listing(self.spec.get(group))):
                yield Container(self, (*self.spec_path, group, index), mapping(body))
