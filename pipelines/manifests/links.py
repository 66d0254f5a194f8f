"""References between resources: services and pods, policies, budgets, autoscalers, roles, monitors, queues, secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.index import TARGET_MADE_BY, Index, Labelled, matches, of_others, ports
from pipelines.manifests.resource import Resource, at, listing, mapping, select

_MEND = "add it to the files that are checked, or correct the name"
_BUILT_IN_ROLES = ("view", "edit", "admin", "cluster-admin")


def links(index: Index) -> Iterator[Finding]:
    """What resources refer to and is not there."""
    seen: set[tuple[str, str, str]] = set()
    for resource in index.resources:
        if resource.name and resource.key in seen:
            yield resource.finding(("metadata", "name"), "stands twice", "remove one, or rename it")
        seen.add(resource.key)
        elsewhere = not resource.namespace or resource.kind == "Application"  # that one lives where Argo CD does
        if index.namespaces and not elsewhere and resource.namespace not in index.namespaces:
            yield resource.finding(("metadata", "namespace"), f"no Namespace {resource.namespace}", _MEND)
        if resource.kind in _RULES:
            yield from _RULES[resource.kind](index, resource)


def _service(index: Index, resource: Resource) -> Iterator[Finding]:
    spec = mapping(resource.body.get("spec"))
    selector = mapping(spec.get("selector"))
    if spec.get("type") == "ExternalName" or not selector:
        return
    found = index.matching(resource.namespace, {"matchLabels": selector})
    if not found:
        yield resource.finding(("spec", "selector"), "finds no pod", "give it labels that a template has")
    for number, port in enumerate(listing(spec.get("ports"))):
        yield from _target(resource, ("spec", "ports", number), mapping(port), found)
    for pod in found:
        yield from _becomes_ready(pod)


def _target(resource: Resource, path: Path, port: Mapping[str, Any], found: list[Labelled]) -> Iterator[Finding]:
    target = port.get("targetPort", port.get("port"))
    for labelled in found:
        listened = [ports(container) for container in labelled.pod.containers()] if labelled.pod else []
        names = {name for known, _ in listened for name in known}
        numbers = {number for _, known in listened for number in known}
        if numbers and isinstance(target, str | int) and target not in (names if isinstance(target, str) else numbers):
            field = "targetPort" if "targetPort" in port else "port"
            what = f"no container of {labelled.pod.owner.name if labelled.pod else ''} listens on {target}"
            yield resource.finding(
                (*path, field), what, f"one of {', '.join([*sorted(names), *map(str, sorted(numbers))])}"
            )


def _becomes_ready(labelled: Labelled) -> Iterator[Finding]:
    """A pod behind a service gets questions as soon as it counts as ready."""
    containers = list(labelled.pod.containers("containers")) if labelled.pod else []
    if containers and not any(container.body.get("readinessProbe") for container in containers):
        path = (*containers[0].path, "readinessProbe")
        yield containers[0].pod.owner.finding(path, "missing behind a service", "say when it can answer")


def _budget(index: Index, resource: Resource) -> Iterator[Finding]:
    selector = mapping(at(resource.body, "spec", "selector"))
    if not of_others(selector) and not index.matching(resource.namespace, selector):
        yield resource.finding(("spec", "selector"), "finds no pod", "give it labels that a template has")


def _policy(index: Index, resource: Resource) -> Iterator[Finding]:
    selector = mapping(at(resource.body, "spec", "podSelector"))
    if selector and not of_others(selector) and not index.matching(resource.namespace, selector):
        yield resource.finding(("spec", "podSelector"), "finds no pod", "give it labels that a template has")
    for pattern in ("spec.ingress[].from[]", "spec.egress[].to[]"):
        for path, peer in select(resource.body, pattern):
            wanted = mapping(mapping(peer).get("podSelector"))
            spaces = _spaces(index, resource, mapping(peer))
            if wanted and spaces and not of_others(wanted) and not any(index.matching(name, wanted) for name in spaces):
                yield resource.finding((*path, "podSelector"), "finds no pod", "give it labels that a template has")
    found = index.matching(resource.namespace, selector) if selector else []
    for path, port in select(resource.body, "spec.ingress[].ports[]"):
        yield from _opened(resource, path, mapping(port), found)


def _opened(resource: Resource, path: Path, port: Mapping[str, Any], found: list[Labelled]) -> Iterator[Finding]:
    """A port that is opened and that no container of these pods listens on."""
    listened = [ports(container) for labelled in found if labelled.pod for container in labelled.pod.containers()]
    known = {one for names, numbers in listened for one in (*names, *numbers)}
    wanted, all_known = port.get("port"), all(labelled.pod for labelled in found)
    if known and all_known and wanted is not None and port.get("endPort") is None and wanted not in known:
        mend = f"one of {', '.join(sorted(map(str, known)))}"
        yield resource.finding((*path, "port"), f"no container of these pods listens on {wanted}", mend)


def _spaces(index: Index, resource: Resource, peer: Mapping[str, Any]) -> list[str]:
    """Our namespaces that a peer may be in; none where it is in somebody else's."""
    selector = peer.get("namespaceSelector")
    if selector is None:
        return [resource.namespace]
    names = index.namespaces.items()
    return [n for n, labels in names if matches(mapping(selector), {**labels, "kubernetes.io/metadata.name": n})]


def _autoscaler(index: Index, resource: Resource) -> Iterator[Finding]:
    target = mapping(at(resource.body, "spec", "scaleTargetRef"))
    for other in index.resources:
        same = (other.kind, other.namespace) == (resource.kind, resource.namespace) and other is not resource
        if same and mapping(at(other.body, "spec", "scaleTargetRef")) == target and other.name < resource.name:
            what = f"{target.get('name')} is scaled by {other.name} too: neither would be heard"
            yield resource.finding(("spec", "scaleTargetRef"), what, "one autoscaler for each")
    found = index.get(str(target.get("kind")), resource.namespace, target.get("name"))
    if found is None and at(resource.body, "metadata", "annotations", TARGET_MADE_BY):
        return
    if found is None:
        what = f"no {target.get('kind')} {target.get('name')} in {resource.namespace}"
        yield resource.finding(("spec", "scaleTargetRef", "name"), what, _MEND)
    elif found.api_version != target.get("apiVersion"):
        what = f"{found.kind} {found.name} is of {found.api_version}"
        yield resource.finding(("spec", "scaleTargetRef", "apiVersion"), what, f"set {found.api_version}")
    elif at(found.body, "spec", "replicas") is not None:
        what = f"HorizontalPodAutoscaler {resource.name} sets it too: every apply would undo its work"
        yield found.finding(("spec", "replicas"), what, "remove it")


def _binding(index: Index, resource: Resource) -> Iterator[Finding]:
    role = mapping(resource.body.get("roleRef"))
    kind, name = str(role.get("kind")), str(role.get("name"))
    built_in = kind == "ClusterRole" and (name in _BUILT_IN_ROLES or name.startswith("system:"))
    if not built_in and not index.get(kind, "" if kind == "ClusterRole" else resource.namespace, name):
        yield resource.finding(("roleRef", "name"), f"no {kind} {name}", _MEND)
    for number, subject in enumerate(listing(resource.body.get("subjects"))):
        row = mapping(subject)
        space = str(row.get("namespace") or "")
        if row.get("kind") == "ServiceAccount" and not space:
            yield resource.finding(("subjects", number, "namespace"), "missing", "say where the account is")
        elif row.get("kind") == "ServiceAccount" and not index.get("ServiceAccount", space, row.get("name")):
            yield resource.finding(
                ("subjects", number, "name"), f"no ServiceAccount {row.get('name')} in {space}", _MEND
            )


def _stateful(index: Index, resource: Resource) -> Iterator[Finding]:
    name = at(resource.body, "spec", "serviceName")
    if name and not index.get("Service", resource.namespace, name):
        yield resource.finding(("spec", "serviceName"), f"no Service {name} in {resource.namespace}", _MEND)


def _monitor(index: Index, resource: Resource) -> Iterator[Finding]:
    spaces = [str(n) for n in listing(at(resource.body, "spec", "namespaceSelector", "matchNames"))] or [
        resource.namespace
    ]
    selector = mapping(at(resource.body, "spec", "selector"))
    services = [
        service
        for service in index.resources
        if service.kind == "Service" and service.namespace in spaces
        if matches(selector, mapping(at(service.body, "metadata", "labels")))
    ]
    if not services:
        yield resource.finding(("spec", "selector"), "finds no Service", "give it labels that a Service has")
    names = {str(name) for service in services for _, name in select(service.body, "spec.ports[].name")}
    for path, name in select(resource.body, "spec.endpoints[].port"):
        if services and str(name) not in names:
            yield resource.finding(path, f"no Service has a port named {name}", f"one of {', '.join(sorted(names))}")


def _ingress(index: Index, resource: Resource) -> Iterator[Finding]:
    for path, backend in select(resource.body, "spec.rules[].http.paths[].backend.service"):
        service = index.get("Service", resource.namespace, at(backend, "name"))
        if service is None:
            yield resource.finding((*path, "name"), f"no Service {at(backend, 'name')} in {resource.namespace}", _MEND)
            continue
        for field in ("name", "number"):
            known = [v for _, v in select(service.body, f"spec.ports[].{'port' if field == 'number' else 'name'}")]
            wanted = at(backend, "port", field)
            if wanted is not None and wanted not in known:
                yield resource.finding((*path, "port", field), f"Service {service.name} has no port {wanted}", _MEND)


def _milvus(index: Index, resource: Resource) -> Iterator[Finding]:
    name = at(resource.body, "spec", "dependencies", "storage", "secretRef")
    path = ("spec", "dependencies", "storage", "secretRef")
    keys = index.keys("Secret", resource.namespace, name)
    if name and keys is None:
        yield resource.finding(path, f"no Secret {name} in {resource.namespace}", _MEND)
    for key in ("accesskey", "secretkey"):
        if name and keys is not None and key not in keys:
            yield resource.finding(path, f"Secret {name} has no key {key}", "add the key")
    external = at(resource.body, "spec", "dependencies", "storage", "external")
    if external and not at(resource.body, "spec", "dependencies", "storage", "endpoint"):
        yield resource.finding(("spec", "dependencies", "storage", "endpoint"), "missing", "host:port of the storage")


def _local_queue(index: Index, resource: Resource) -> Iterator[Finding]:
    name = at(resource.body, "spec", "clusterQueue")
    if not index.get("ClusterQueue", "", name):
        yield resource.finding(("spec", "clusterQueue"), f"no ClusterQueue {name}", _MEND)


def _cluster_queue(index: Index, resource: Resource) -> Iterator[Finding]:
    for number, group in enumerate(listing(at(resource.body, "spec", "resourceGroups"))):
        path: Path = ("spec", "resourceGroups", number)
        covered = listing(mapping(group).get("coveredResources"))
        for place, flavor in select(group, "flavors[]", path):
            if not index.get("ResourceFlavor", "", at(flavor, "name")):
                yield resource.finding((*place, "name"), f"no ResourceFlavor {at(flavor, 'name')}", _MEND)
            given = [mapping(row).get("name") for row in listing(mapping(flavor).get("resources"))]
            if given != covered:
                what = f"{', '.join(map(str, given))} are not the covered {', '.join(map(str, covered))}"
                yield resource.finding((*place, "resources"), what, "the same resources in the same order")


def _external_secret(index: Index, resource: Resource) -> Iterator[Finding]:
    name = at(resource.body, "spec", "target", "name") or resource.name
    owner = at(resource.body, "spec", "target", "creationPolicy") in (None, "Owner")
    if owner and index.get("Secret", resource.namespace, name):
        what = f"Secret {name} is among the files too: two makers of one secret"
        yield resource.finding(("spec", "target", "name"), what, "remove one of them")
    store = mapping(at(resource.body, "spec", "secretStoreRef"))
    if store.get("kind", "SecretStore") == "SecretStore" and not index.get(
        "SecretStore", resource.namespace, store.get("name")
    ):
        yield resource.finding(("spec", "secretStoreRef", "name"), f"no SecretStore {store.get('name')}", _MEND)


_RULES: dict[str, Callable[[Index, Resource], Iterator[Finding]]] = {
    "Service": _service, "PodDisruptionBudget": _budget, "NetworkPolicy": _policy, "RoleBinding": _binding,
    "HorizontalPodAutoscaler": _autoscaler, "ClusterRoleBinding": _binding, "StatefulSet": _stateful,
    "ServiceMonitor": _monitor, "Ingress": _ingress, "Milvus": _milvus, "LocalQueue": _local_queue,
    "ClusterQueue": _cluster_queue, "ExternalSecret": _external_secret,
}  # fmt: skip
