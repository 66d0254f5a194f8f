"""What resources name and is not among them: config maps, secrets and their keys, claims, accounts, roles, services."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from pipelines.manifests.forms import RULES
from pipelines.manifests.resource import CLUSTER_WIDE, Finding, Resource, at, mapping, select

_KEYS = "raftops.io/keys"
"""Annotation of a Secret without values: the keys that it will have."""
_TARGET_MADE_BY = "raftops.io/target-made-by"
"""Annotation of an autoscaler whose deployment is not among the files."""
_ALWAYS = {"ConfigMap": ("kube-root-ca.crt",), "ServiceAccount": ("default",), "ClusterRole": ("view", "edit", "admin"),
           "PriorityClass": ("system-cluster-critical", "system-node-critical")}  # fmt: skip


class Index:
    """Resources that are applied together, by kind and name, with the keys of secrets and config maps."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self.resources = resources
        self._by_key = {(r.kind, r.namespace, r.name): r for r in resources}
        # An ExternalSecret makes a Secret that no file has.
        self.made = {
            (r.namespace, at(r.body, "spec", "target", "name") or r.name): r for r in self.of("ExternalSecret")
        }

    def of(self, *kinds: str) -> list[Resource]:
        """Every resource of some kinds."""
        return [resource for resource in self.resources if resource.kind in kinds]

    def get(self, kind: str, namespace: str, name: Any) -> Resource | None:
        """A resource, or None."""
        return self._by_key.get((kind, "" if kind in CLUSTER_WIDE else namespace, str(name)))

    def missing(self, kind: str, namespace: str, name: Any, key: Any = None) -> tuple[str, str] | None:
        """What and what next where a resource is named, with a key of it or not, and is not there."""
        found, made = self.get(kind, namespace, name), self.made.get((namespace, name)) if kind == "Secret" else None
        if not found and not made:
            # A ClusterSecretStore is its operator's: no file has it.
            if kind == "ClusterSecretStore" or name in _ALWAYS.get(kind, ()) or str(name).startswith("system:"):
                return None
            near = get_close_matches(str(name), [r.name for r in self.of(kind) if r.namespace == namespace], 1)
            mend = f"did you mean {near[0]}?" if near else "add it to the files that are checked, or correct the name"
            return f"no {kind} {name}{'' if kind in CLUSTER_WIDE else f' in {namespace}'}", mend
        body = found.body if found else {}
        keys = {key for field in ("data", "binaryData", "stringData") for key in mapping(body.get(field))}
        keys |= set(str(at(body, "metadata", "annotations", _KEYS) or "").replace(",", " ").split())
        keys |= {str(key) for _, key in select(made.body, "spec.data[].secretKey")} if made else set()
        if key is None or key in keys:
            return None
        there = f"it has {', '.join(sorted(keys)[:8])}" if keys else f"the annotation {_KEYS} names those to come"
        return f"{kind} {name} has no key {key}", f"add the key, or correct its name: {there}"


def references(index: Index) -> Iterator[Finding]:
    """Names of resources and keys that are not there, and what two resources would fight over."""
    namespaces = sorted(r.name for r in index.of("Namespace"))
    for resource in index.resources:
        if resource.name and index.get(resource.kind, resource.namespace, resource.name) is not resource:
            yield resource.finding(("metadata", "name"), "stands twice", "remove one, or rename it")
        # An Application lives where Argo CD does.
        if namespaces and resource.namespace not in ("", *namespaces) and resource.kind != "Application":
            what = f"no Namespace {resource.namespace}"
            yield resource.finding(("metadata", "namespace"), what, f"one of {', '.join(namespaces)}")
        made = index.made.get((resource.namespace, resource.name)) if resource.kind == "Secret" else None
        if made and at(made.body, "spec", "target", "creationPolicy") in (None, "Owner"):
            what = f"Secret {resource.name} is among the files too: two makers of one secret"
            yield made.finding(("spec", "target", "name"), what, "remove one of them")
        target = mapping(at(resource.body, "spec", "scaleTargetRef"))
        scaled = index.get(str(target.get("kind")), resource.namespace, target.get("name"))
        if scaled and at(scaled.body, "spec", "replicas") is not None:
            what = f"{resource.kind} {resource.name} sets it too: every apply would undo its work"
            yield scaled.finding(("spec", "replicas"), what, "remove it")
        volumes = [name for _, name in resource.pod("volumes[].name")]
        volumes += [name for _, name in select(resource.body, "spec.volumeClaimTemplates[].metadata.name")]
        for path, name in resource.pod("@.volumeMounts[].name"):
            if name not in volumes:
                yield resource.finding(path, f"no volume {name}", f"one of {', '.join(map(str, volumes)) or 'none'}")
        for row in RULES["references"] if not at(resource.body, "metadata", "annotations", _TARGET_MADE_BY) else ():
            yield from _resolved(index, resource, *row)


def _resolved(index: Index, resource: Resource, owner: str, where: str, *named: str) -> Iterator[Finding]:
    """What is not there of all that one row of the table finds in a resource."""
    found, (of_kind, field, *keys) = resource.pod(where) if owner == "pods" else select(resource.body, where), named
    for path, ref in found if owner in ("pods", resource.kind) else ():
        name, namespace = at(ref, field), resource.namespace
        kind = str(at(ref, "kind") or "SecretStore") if of_kind == "*" else of_kind
        if path[0] == "subjects" and kind == "ServiceAccount":
            namespace = str(at(ref, "namespace") or "")
            if not namespace:
                yield resource.finding((*path, "namespace"), "missing", "name the namespace of the account")
                continue
        if not name or at(ref, "optional") or kind in ("User", "Group"):
            continue
        if problem := index.missing(kind, namespace, name):
            yield resource.finding((*path, field), *problem)
            continue
        for place, key in select(ref, keys[0], path) if keys else ():
            if problem := index.missing(kind, namespace, name, key):
                yield resource.finding(place, *problem)
