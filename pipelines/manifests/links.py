"""Whether selectors find pods and ports are listened on: no server asks, and a service without pods answers nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.references import Index
from pipelines.manifests.resource import Finding, Path, Resource, at, listing, mapping, select

_OTHERS_PODS = ("pipelines.kubeflow.org/", "jobset.sigs.k8s.io/", "batch.kubernetes.io/", "trainer.kubeflow.org/",
                "raftops.io/slot")  # fmt: skip
_VIEWER = ("app", "ml-pipeline-ui-artifact")
"""Labels of pods that Kubeflow and our deploy step make: no file has their templates."""
_HANDLERS = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.preStop", "lifecycle.postStart")
_SELECTORS = {"Service": "selector", "PodDisruptionBudget": "selector", "ServiceMonitor": "selector",
              "NetworkPolicy": "podSelector"}  # fmt: skip
_PORTS = {"Service": "spec.ports[]", "NetworkPolicy": "spec.ingress[].ports[]", "ServiceMonitor": "spec.endpoints[]"}
_OWN = ("spec.selector", "spec.template.spec.topologySpreadConstraints[].labelSelector")
"""Selectors of a workload that are to find the pods of its own template."""


def links(index: Index) -> Iterator[Finding]:
    """Selectors that find nothing, and ports that nobody listens on."""
    for resource in index.resources:
        for path, selector, spaces in _selections(index, resource):
            there = [one for one in index.resources if one.namespace in spaces]
            found = [one for one in there if (labels := _labels(one, resource)) and matches(selector, labels)]
            if spaces and not found:
                what = "Service" if resource.kind == "ServiceMonitor" else "pod"
                known = ", ".join(sorted({f"{k}={v}" for one in there for k, v in _labels(one, resource).items()})[:6])
                yield resource.finding(
                    path, f"finds no {what} in {', '.join(spaces)}", f"labels there: {known or 'none'}"
                )
            if path[1:] == (_SELECTORS.get(resource.kind),):
                yield from _listened_on(resource, found)
        for pattern in _OWN if resource.kind in ("Deployment", "StatefulSet", "DaemonSet") else ():
            for path, selector in select(resource.body, pattern):
                if not matches(selector, resource.pod_labels):
                    mend = ", ".join(f"{key}: {value}" for key, value in resource.pod_labels.items())
                    yield resource.finding(path, "does not find the pods of its own template", f"they have {mend}")
        named = [name for _, name in resource.pod("@.ports[].name")]
        for path, port in [row for name in _HANDLERS for row in resource.pod(f"@.{name}.*.port")]:
            if isinstance(port, str) and port not in named:
                yield resource.finding(path, f"no port named {port}", f"one of {', '.join(named)}, or name it in ports")


def matches(selector: Any, labels: Mapping[str, Any]) -> bool:
    """Whether a label selector (matchLabels, matchExpressions) finds these labels."""
    for rule in map(mapping, listing(at(selector, "matchExpressions"))):
        value, operator = labels.get(str(rule.get("key"))), rule.get("operator")
        one_of = value in listing(rule.get("values")) if operator in ("In", "NotIn") else value is not None
        if one_of == (operator in ("NotIn", "DoesNotExist")):
            return False
    return all(labels.get(key) == value for key, value in mapping(at(selector, "matchLabels")).items())


def _selections(index: Index, resource: Resource) -> Iterator[tuple[Path, Any, list[str]]]:
    """Selectors of a resource that select among the files, and our namespaces that they look in."""
    path: Path = ("spec", _SELECTORS.get(resource.kind, "-"))
    selector = at(resource.body, *path)
    spaces = [name for _, name in select(resource.body, "spec.namespaceSelector.matchNames[]")] or [resource.namespace]
    rows = [(path, {"matchLabels": selector} if resource.kind == "Service" and selector else selector, spaces)]
    for place, peer in [*select(resource.body, "spec.ingress[].from[]"), *select(resource.body, "spec.egress[].to[]")]:
        labels = {r.name: mapping(at(r.body, "metadata", "labels")) for r in index.of("Namespace")}
        of_peer, wanted = [resource.namespace], at(peer, "namespaceSelector")
        if wanted is not None:
            of_peer = [n for n, own in labels.items() if matches(wanted, {**own, "kubernetes.io/metadata.name": n})]
        rows.append(((*place, "podSelector"), at(peer, "podSelector"), of_peer))
    for place, wanted, names in rows:
        exact = mapping(at(wanted, "matchLabels"))
        keys = [*exact, *(key for _, key in select(wanted, "matchExpressions[].key"))]
        if wanted and _VIEWER not in exact.items() and not any(str(key).startswith(_OTHERS_PODS) for key in keys):
            yield place, wanted, names


def _labels(one: Resource, by: Resource) -> Mapping[str, Any]:
    """What a selector of a resource sees of another: labels of pods, also of those that an operator makes."""
    if by.kind == "ServiceMonitor":
        return mapping(at(one.body, "metadata", "labels")) if one.kind == "Service" else {}
    return {"app.kubernetes.io/name": "milvus"} if one.kind == "Milvus" else one.pod_labels


def _listened_on(resource: Resource, found: list[Resource]) -> Iterator[Finding]:
    rows = [row for one in found for _, row in [*one.pod("@.ports[]"), *select(one.body, "spec.ports[]")]]
    known = [value for row in rows for value in (at(row, "name"), at(row, "containerPort")) if value is not None]
    for path, row in select(resource.body, _PORTS.get(resource.kind, "-")) if known else ():
        field = "targetPort" if at(row, "targetPort") is not None else "port"
        port = at(row, field)
        if port not in (None, *known) and at(row, "endPort") is None:
            mend = f"one of {', '.join(map(str, dict.fromkeys(known)))}"
            yield resource.finding((*path, field), f"{found[0].label} has no port {port}", mend)
