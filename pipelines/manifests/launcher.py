"""The config map of Kubeflow's launcher: where artifacts go and with whose keys.

Kubeflow reads it when a run starts, not before, and stops at what is missing, so it is checked here. Does not ask
whether the bucket is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.index import Index
from pipelines.manifests.resource import Resource, at, listing, mapping, select

NAME = "kfp-launcher"
_ROOT = re.compile(r"(s3|minio|gs)://[^/?\s]+(/[^?\s]*)?")
_PLACE = frozenset(("endpoint", "region", "disableSSL", "forcePathStyle", "maxRetries", "credentials"))
_SECRET = {"s3": ("accessKeyKey", "secretKeyKey"), "minio": ("accessKeyKey", "secretKeyKey"), "gs": ("tokenKey",)}
"""Providers, and the fields that name the keys inside their secret."""


def launcher(index: Index) -> Iterator[Finding]:
    """What would stop a run before its first step, or put its artifacts elsewhere."""
    for resource in index.resources:
        if resource.kind == "ConfigMap" and resource.name == NAME:
            data = mapping(resource.body.get("data"))
            yield from _root(resource, data)
            yield from _providers(index, resource, data)


def _root(resource: Resource, data: Mapping[str, Any]) -> Iterator[Finding]:
    root = data.get("defaultPipelineRoot")
    if root is not None and not _ROOT.fullmatch(str(root)):
        path = ("data", "defaultPipelineRoot")
        yield resource.finding(path, f"{root!r:.60} is no address of a bucket", "s3://bucket/prefix")


def _providers(index: Index, resource: Resource, data: Mapping[str, Any]) -> Iterator[Finding]:
    path: Path = ("data", "providers")
    try:
        providers = yaml.safe_load(str(data.get("providers") or ""))
    except yaml.YAMLError as error:
        yield resource.finding(path, f"not valid YAML: {' '.join(str(error).split())[:120]}", "mend it")
        return
    scheme = str(data.get("defaultPipelineRoot") or "").partition("://")[0]
    if scheme in ("s3", "gs") and scheme not in mapping(providers):
        mend = f"add {scheme} with its credentials"
        yield resource.finding(path, f"nothing about {scheme}, where defaultPipelineRoot is", mend)
    for name, provider in mapping(providers).items():
        if name not in _SECRET:
            yield resource.finding((*path, name), "a provider that Kubeflow has not", f"one of {', '.join(_SECRET)}")
            continue
        yield from _closed(resource, (*path, name), provider, frozenset(("default", "overrides")))
        yield from _place(index, resource, (*path, name, "default"), at(provider, "default"))
        for number, override in enumerate(listing(at(provider, "overrides"))):
            place: Path = (*path, name, "overrides", number)
            if not at(override, "bucketName"):
                yield resource.finding((*place, "bucketName"), "missing", "say for which bucket")
            yield from _place(index, resource, place, override, frozenset(("bucketName", "keyPrefix")))


def _place(
    index: Index, resource: Resource, path: Path, place: Any, more: frozenset[str] = frozenset()
) -> Iterator[Finding]:
    """An address with its credentials; Kubeflow asks every one for them."""
    yield from _closed(resource, path, place, _PLACE | more)
    credentials, where = mapping(at(place, "credentials")), (*path, "credentials")
    if not credentials:
        yield resource.finding(where, "missing", "fromEnv: false with a secretRef, or fromEnv: true for a role's")
        return
    yield from _closed(resource, where, credentials, frozenset(("fromEnv", "secretRef")))
    if credentials.get("fromEnv") is not True:
        yield from _secret(index, resource, (*where, "secretRef"), credentials.get("secretRef"))
    secure = str(at(place, "endpoint") or "").startswith("https://")
    if secure and at(place, "disableSSL") is True:
        yield resource.finding((*path, "disableSSL"), "true beside an https address", "set false")


def _secret(index: Index, resource: Resource, path: Path, ref: Any) -> Iterator[Finding]:
    fields = _SECRET[str(path[2])]
    yield from _closed(resource, path, ref, frozenset(("secretName", *fields)))
    name = at(ref, "secretName")
    if not name:
        yield resource.finding((*path, "secretName"), "missing", "name the secret: without it the launcher stops")
        return
    keys = index.keys("Secret", resource.namespace, name)
    if keys is None:
        mend = "add it to the files that are checked, or correct the name"
        yield resource.finding((*path, "secretName"), f"no Secret {name} in {resource.namespace}", mend)
    elif not _readable(index, resource.namespace, str(name)):
        mend = f"a Role with get on the secret {name}, bound to the accounts of runs"
        yield resource.finding((*path, "secretName"), f"no account may read {name}", mend)
    for field in fields:
        key = at(ref, field)
        if not key or keys is not None and str(key) not in keys:
            what = f"Secret {name} has no key {key}" if key else "missing"
            yield resource.finding((*path, field), what, "a key of the secret")


def _readable(index: Index, namespace: str, secret: str) -> bool:
    """Whether a role of the namespace may get this secret by name. Where the files have no role, nobody can tell."""
    roles = [resource for resource in index.resources if resource.kind == "Role" and resource.namespace == namespace]
    rules = [mapping(rule) for role in roles for _, rule in select(role.body, "rules[]")]
    return not roles or any(
        "secrets" in listing(rule.get("resources"))
        and "get" in listing(rule.get("verbs"))
        and secret in listing(rule.get("resourceNames"))
        for rule in rules
    )


def _closed(resource: Resource, path: Path, value: Any, known: frozenset[str]) -> Iterator[Finding]:
    """Kubeflow passes over a field that it does not know, and what was meant does not happen."""
    for field in mapping(value):
        if field not in known:
            yield resource.finding((*path, str(field)), "no such field", f"one of {', '.join(sorted(known))}")
