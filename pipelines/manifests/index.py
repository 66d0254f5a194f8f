"""What there is among resources: by kind and name, keys of secrets and config maps, pods by their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.manifests.resource import Container, Pod, Resource, at, listing, mapping, select

KEYS = "raftops.io/keys"
"""Annotation of a Secret without values: the keys that it will have."""
OTHERS_PODS = (
    "pipelines.kubeflow.org/", "jobset.sigs.k8s.io/", "batch.kubernetes.io/", "trainer.kubeflow.org/",
    "raftops.io/slot",
)  # fmt: skip
"""Labels of pods that Kubeflow and our deploy step make: no file has their templates."""
VIEWER = ("app", "ml-pipeline-ui-artifact")
"""The label of the pod by which a multi-user Kubeflow reads a profile's artifacts."""
TARGET_MADE_BY = "raftops.io/target-made-by"
"""Annotation of an autoscaler whose deployment is not among the files."""


@dataclass(frozen=True)
class Labelled:
    """Pods of one kind, by what a selector sees of them."""

    namespace: str
    labels: Mapping[str, Any]
    pod: Pod | None
    """None where an operator makes them."""


class Index:
    """Looks things up."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self.resources = resources
        self._by_key: dict[tuple[str, str, str], Resource] = {resource.key: resource for resource in resources}
        self.namespaces = {
            r.name: mapping(at(r.body, "metadata", "labels")) for r in resources if r.kind == "Namespace"
        }
        self.pods = [*self._templates(), *self._of_operators()]
        self._made_secrets = dict(self._external_secrets())

    def get(self, kind: str, namespace: str, name: Any) -> Resource | None:
        """A resource, or None."""
        return self._by_key.get((kind, namespace, str(name)))

    def keys(self, kind: str, namespace: str, name: Any) -> set[str] | None:
        """Keys of a ConfigMap or Secret; None where there is no such resource."""
        made = self._made_secrets.get((namespace, str(name))) if kind == "Secret" else None
        resource = self.get(kind, namespace, name)
        if resource is None:
            return made
        found = {
            str(key) for field in ("data", "binaryData", "stringData") for key in mapping(resource.body.get(field))
        }
        promised = str(at(resource.body, "metadata", "annotations", KEYS) or "")
        return found | {key.strip() for key in promised.split(",") if key.strip()} | (made or set())

    def matching(self, namespace: str, selector: Mapping[str, Any]) -> list[Labelled]:
        """Pods of a namespace that a label selector finds."""
        return [pod for pod in self.pods if pod.namespace == namespace and matches(selector, pod.labels)]

    def _templates(self) -> Iterator[Labelled]:
        for resource in self.resources:
            for pod in resource.pods:
                yield Labelled(resource.namespace, pod.labels, pod)

    def _of_operators(self) -> Iterator[Labelled]:
        for resource in self.resources:
            if resource.kind == "Milvus":
                labels = {"app.kubernetes.io/name": "milvus", "app.kubernetes.io/instance": resource.name}
                yield Labelled(resource.namespace, labels, None)

    def _external_secrets(self) -> Iterator[tuple[tuple[str, str], set[str]]]:
        for resource in self.resources:
            if resource.kind == "ExternalSecret":
                name = str(at(resource.body, "spec", "target", "name") or resource.name)
                keys = {str(key) for _, key in select(resource.body, "spec.data[].secretKey")}
                yield (resource.namespace, name), keys


def matches(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Whether a label selector (matchLabels, matchExpressions) finds these labels."""
    exact = all(labels.get(key) == value for key, value in mapping(selector.get("matchLabels")).items())
    return exact and all(_holds(mapping(rule), labels) for rule in listing(selector.get("matchExpressions")))


def _holds(rule: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    value, values = labels.get(str(rule.get("key"))), listing(rule.get("values"))
    operator = rule.get("operator")
    if operator in ("Exists", "DoesNotExist"):
        return (value is not None) == (operator == "Exists")
    return (value in values) == (operator == "In")


def of_others(selector: Mapping[str, Any]) -> bool:
    """Whether a selector is meant for pods that no file has."""
    labels = mapping(selector.get("matchLabels"))
    named = [str(key) for key in labels]
    named += [str(mapping(rule).get("key")) for rule in listing(selector.get("matchExpressions"))]
    return VIEWER in labels.items() or any(key.startswith(OTHERS_PODS) for key in named)


def ports(container: Container) -> tuple[set[str], set[int]]:
    """Names and numbers of the ports that a container says it listens on."""
    rows = [mapping(port) for port in listing(container.body.get("ports"))]
    names = {str(row["name"]) for row in rows if row.get("name")}
    return names, {row["containerPort"] for row in rows if isinstance(row.get("containerPort"), int)}
