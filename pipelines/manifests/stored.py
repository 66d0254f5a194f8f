"""What a server refuses about config maps, secrets and priorities: too much, keys twice, types without their keys."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding
from pipelines.manifests.resource import Resource, at, mapping

MOST_BYTES = 1024 * 1024
_NEEDED = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"), "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",), "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}  # fmt: skip
_JSON = (".dockerconfigjson", ".dockercfg")
_ACCOUNT = "kubernetes.io/service-account.name"
_HIGHEST = 1_000_000_000
_SYSTEM = ("system-cluster-critical", "system-node-critical")


def stored(resource: Resource) -> Iterator[Finding]:
    """Mistakes in a ConfigMap, a Secret or a PriorityClass."""
    if resource.kind in _RULES:
        yield from _RULES[resource.kind](resource)


def _config_map(resource: Resource) -> Iterator[Finding]:
    plain, coded = mapping(resource.body.get("data")), mapping(resource.body.get("binaryData"))
    for key in coded:
        if key in plain:
            yield resource.finding(("binaryData", str(key)), "stands in data too", "keep one of them")
    size = sum(len(str(value).encode()) for value in plain.values()) + sum(len(_bytes(v)) for v in coded.values())
    if size > MOST_BYTES:
        yield resource.finding(("data",), f"{size} bytes", f"at most {MOST_BYTES} in all")


def _secret(resource: Resource) -> Iterator[Finding]:
    data = {str(key): _bytes(value) for key, value in mapping(resource.body.get("data")).items()}
    data |= {str(k): str(v).encode() for k, v in mapping(resource.body.get("stringData")).items() if v is not None}
    if (size := sum(len(value) for value in data.values())) > MOST_BYTES:
        yield resource.finding(("data",), f"{size} bytes", f"at most {MOST_BYTES} in all")
    kind = str(resource.body.get("type") or "Opaque")
    for key in _NEEDED.get(kind, ()):
        if key not in data or (kind == "kubernetes.io/ssh-auth" and not data[key]):
            yield resource.finding(("data", key), f"missing in a secret of type {kind}", f"add {key}, or use Opaque")
        elif key in _JSON and not _is_mapping(data[key]):
            yield resource.finding(("data", key), "no JSON", 'the file as docker writes it: {"auths": …}')
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        yield resource.finding(("data", "username"), "neither username nor password", "add one, or use Opaque")
    if kind == "kubernetes.io/service-account-token" and not at(resource.body, "metadata", "annotations", _ACCOUNT):
        yield resource.finding(("metadata", "annotations", _ACCOUNT), "missing", "name the account")


def _bytes(value: Any) -> bytes:
    try:
        return b64decode(str(value), validate=False)
    except (Error, ValueError):
        return str(value).encode()


def _is_mapping(value: bytes) -> bool:
    try:
        return isinstance(json.loads(value), Mapping)
    except ValueError:
        return False


def _priority(resource: Resource) -> Iterator[Finding]:
    value = resource.body.get("value")
    if resource.name in _SYSTEM:
        return
    if resource.name.startswith("system-"):
        yield resource.finding(("metadata", "name"), "system- is the system's own", "another name")
    if isinstance(value, int) and value > _HIGHEST:
        yield resource.finding(("value",), f"{value} is for the system's own", f"at most {_HIGHEST}")


_RULES: dict[str, Callable[[Resource], Iterator[Finding]]] = {
    "ConfigMap": _config_map, "Secret": _secret, "PriorityClass": _priority,
}  # fmt: skip
