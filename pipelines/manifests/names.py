"""Names of resources, labels, containers, ports, variables and keys, as a server accepts them, and each once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.resource import Container, Pod, Resource, listing, mapping, select

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(rf"(?=.{{1,253}}$){LABEL.pattern}(\.{LABEL.pattern})*")
OLD_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
SEGMENT = re.compile(r"(?!\.\.?$)[^/%]+")
PORT = re.compile(r"(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
KEY_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
DATA_KEY = re.compile(r"(?!\.$|\.\.)[-._a-zA-Z0-9]{1,253}")

_RESOURCE_NAME = {
    "Namespace": LABEL, "Service": OLD_LABEL, "StatefulSet": LABEL, "Role": SEGMENT, "RoleBinding": SEGMENT,
    "ClusterRole": SEGMENT, "ClusterRoleBinding": SEGMENT, "TrainJob": OLD_LABEL,
}  # fmt: skip
"""Rules other than SUBDOMAIN, by kind."""
_DIGIT_FIRST_SINCE = 36
"""The minor version from which the name of a service may begin with a digit."""
_LABELS = ("metadata.labels", "spec.nodeSelector")
_PORTS_OF_POLICIES = ("spec.ingress[].ports[].port", "spec.egress[].ports[].port")
_KEYS_OF_DATA = ("env[].valueFrom.secretKeyRef.key", "env[].valueFrom.configMapKeyRef.key")
_OLD_SELECTORS = ("Service", "ReplicationController")


def names(resource: Resource, minor: int) -> Iterator[Finding]:
    """Every name in a resource that a server of this minor version refuses."""
    yield from _own_name(resource, minor)
    yield from _label_maps(resource)
    yield from _selectors(resource, resource.body, ())
    yield from _data_keys(resource)
    for pattern in _PORTS_OF_POLICIES if resource.kind == "NetworkPolicy" else ():
        for path, port in select(resource.body, pattern):
            yield from _fits(resource, path, port, PORT)
    if resource.kind == "Service":
        yield from _service_ports(resource)
    for pod in resource.pods:
        yield from _labels_of_pod(pod)
        yield from _of_pod(pod)


def _own_name(resource: Resource, minor: int) -> Iterator[Finding]:
    metadata = mapping(resource.body.get("metadata"))
    name, made = metadata.get("name"), metadata.get("generateName")
    if not name and not made:
        yield resource.finding(("metadata", "name"), "missing", "name the resource")
    elif name:
        yield from _fits(resource, ("metadata", "name"), name, own_rule(resource, minor))
    if metadata.get("namespace") is not None:
        yield from _fits(resource, ("metadata", "namespace"), metadata["namespace"], LABEL)


def own_rule(resource: Resource, minor: int = 0) -> re.Pattern[str]:
    """How a resource of this kind may be called."""
    relaxed = resource.kind == "Service" and minor >= _DIGIT_FIRST_SINCE
    return LABEL if relaxed else _RESOURCE_NAME.get(resource.kind, SUBDOMAIN)


def _fits(resource: Resource, path: Path, value: Any, rule: re.Pattern[str]) -> Iterator[Finding]:
    if isinstance(value, str) and not rule.fullmatch(value):
        yield resource.finding(path, f"{value!r:.80} is not a name that Kubernetes accepts", RULES[rule])


RULES = {
    LABEL: "lower-case letters, digits and - inside, at most 63 (RFC 1123 label)",
    SUBDOMAIN: "lower-case letters, digits, - and . inside, at most 253 (RFC 1123 subdomain)",
    OLD_LABEL: "begins with a letter; lower-case letters, digits and - inside, at most 63 (RFC 1035 label)",
    SEGMENT: "no / and no %",
    PORT: "lower-case letters, digits and single - inside, at least one letter, at most 15",
    LABEL_VALUE: "letters, digits, -, _ and . inside, at most 63",
    KEY_NAME: "letters, digits, -, _ and . inside, at most 63, after an optional domain and /",
    DATA_KEY: "letters, digits, -, _ and .",
}


def _label_maps(resource: Resource) -> Iterator[Finding]:
    for pattern in _LABELS:
        for path, labels in select(resource.body, pattern):
            yield from _labels(resource, path, labels)
    if resource.kind in _OLD_SELECTORS:
        for path, labels in select(resource.body, "spec.selector"):
            yield from _labels(resource, path, labels)
    for path, notes in select(resource.body, "metadata.annotations"):
        for key in mapping(notes):
            yield from label_key(resource, (*path, str(key)), str(key).lower())


def _selectors(resource: Resource, value: Any, path: Path) -> Iterator[Finding]:
    """Keys and values of every selector, wherever it stands."""
    for key, inner in mapping(value).items():
        if key == "matchLabels":
            yield from _labels(resource, (*path, key), inner)
        for index, one in enumerate(listing(inner)):
            place: Path = (*path, key, index)
            if key == "matchExpressions" and isinstance(name := mapping(one).get("key"), str):
                yield from label_key(resource, (*place, "key"), name)
            yield from _selectors(resource, one, place)
        yield from _selectors(resource, inner, (*path, key))


def _labels_of_pod(pod: Pod) -> Iterator[Finding]:
    for pattern in _LABELS:
        for path, labels in select(pod.template, pattern, pod.path):
            yield from _labels(pod.owner, path, labels)


def _labels(resource: Resource, path: Path, labels: Any) -> Iterator[Finding]:
    for key, value in mapping(labels).items():
        yield from label_key(resource, (*path, str(key)), key)
        if isinstance(value, str):
            yield from _fits(resource, (*path, key), value, LABEL_VALUE)


def label_key(resource: Resource, path: Path, key: Any) -> Iterator[Finding]:
    """A finding where a name is not qualified as the keys of labels are: letters after an optional domain and /."""
    domain, slash, name = str(key).rpartition("/")
    if not KEY_NAME.fullmatch(name) or (slash and not SUBDOMAIN.fullmatch(domain)):
        yield resource.finding(path, f"{key!r:.80} is not a key that Kubernetes accepts", RULES[KEY_NAME])


def _data_keys(resource: Resource) -> Iterator[Finding]:
    if resource.kind in ("ConfigMap", "Secret"):
        for field in ("data", "binaryData", "stringData"):
            for key in mapping(resource.body.get(field)):
                yield from _fits(resource, (field, str(key)), str(key), DATA_KEY)


def _service_ports(resource: Resource) -> Iterator[Finding]:
    ports = [mapping(port) for port in listing(mapping(resource.body.get("spec")).get("ports"))]
    for index, port in enumerate(ports):
        path: Path = ("spec", "ports", index, "name")
        if len(ports) > 1 and not port.get("name"):
            yield resource.finding(path, "missing beside another port", "name every port")
        yield from _fits(resource, path, port.get("name"), LABEL)
    yield from once(resource, ("spec", "ports"), [port.get("name") for port in ports], "name")
    numbers = [(port.get("port"), port.get("protocol", "TCP")) for port in ports]
    yield from once(resource, ("spec", "ports"), numbers, "port")


def once(resource: Resource, path: Path, values: Sequence[Any], field: str) -> Iterator[Finding]:
    """A finding for each value of a list's field that stood before; nothing is not a value."""
    seen: list[Any] = []
    for index, value in enumerate(values):
        if value is not None and value in seen:
            yield resource.finding((*path, index, field), f"{value!r:.80} stands twice", "name each of them once")
        seen.append(value)


def _of_pod(pod: Pod) -> Iterator[Finding]:
    resource, containers = pod.owner, list(pod.containers())
    for container in containers:
        yield from _of_container(container)
    taken: list[Any] = []
    for container in containers:
        name = container.body.get("name")
        if name is not None and name in taken:
            yield resource.finding((*container.path, "name"), f"{name!r:.80} stands twice", "name each of them once")
        taken.append(name)
    volumes = [mapping(volume).get("name") for volume in listing(pod.spec.get("volumes"))]
    for index, name in enumerate(volumes):
        yield from _fits(resource, (*pod.spec_path, "volumes", index, "name"), name, LABEL)
    yield from once(resource, (*pod.spec_path, "volumes"), volumes, "name")
    for path, key in select(pod.spec, "tolerations[].key", pod.spec_path):
        if key:
            yield from label_key(resource, path, key)


def _of_container(container: Container) -> Iterator[Finding]:
    resource, path, body = container.pod.owner, container.path, container.body
    yield from _fits(resource, (*path, "name"), body.get("name"), LABEL)
    ports = [mapping(port) for port in listing(body.get("ports"))]
    for index, port in enumerate(ports):
        yield from _fits(resource, (*path, "ports", index, "name"), port.get("name"), PORT)
    yield from once(resource, (*path, "ports"), [port.get("name") for port in ports], "name")
    for pattern in _KEYS_OF_DATA:
        for place, key in select(body, pattern, path):
            yield from _fits(resource, place, key, DATA_KEY)
    variables = [mapping(item).get("name") for item in listing(body.get("env"))]
    yield from once(resource, (*path, "env"), variables, "name")
    mounts = [mapping(item).get("mountPath") for item in listing(body.get("volumeMounts"))]
    yield from once(resource, (*path, "volumeMounts"), mounts, "mountPath")
