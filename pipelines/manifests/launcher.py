"""Kubeflow's config map, which it reads when a run starts, and what a spec names of manifests. Asks no bucket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml
from jsonschema import Draft202012Validator

from pipelines.manifests.forms import RULES
from pipelines.manifests.references import Index
from pipelines.manifests.resource import Finding, Path, Resource, at, below, listing, mapping, select, show
from pipelines.manifests.schema import explained

NAME = "kfp-launcher"
_ROOTS = {"s3": True, "gs": True, "minio": False}
"""Providers of a root for artifacts, and whether Kubeflow has no default for them."""
_KINDS = {"workspace": "PersistentVolumeClaim", "claim": "PersistentVolumeClaim", "secret": "Secret",
          "config_map": "ConfigMap", "service_account": "ServiceAccount"}  # fmt: skip
"""Fields of a spec that name a resource."""


def launcher(index: Index) -> Iterator[Finding]:
    """What would stop a run before its first step, or put its artifacts elsewhere."""
    for resource in (r for r in index.of("ConfigMap") if r.name == NAME):
        root, path = str(at(resource.body, "data", "defaultPipelineRoot") or "minio://"), ("data", "providers")
        scheme = root.partition("://")[0]
        if scheme not in _ROOTS:
            where = ("data", "defaultPipelineRoot")
            yield resource.finding(where, f"{root!r:.60} is no address of a bucket", "s3://bucket/prefix")
        try:
            providers = mapping(yaml.safe_load(str(at(resource.body, *path) or "")))
        except yaml.YAMLError as broken:
            yield resource.finding(path, f"not valid YAML: {' '.join(str(broken).split())[:120]}", "mend it")
            continue
        if _ROOTS.get(scheme) and scheme not in providers:
            mend = f"add {scheme} with its credentials"
            yield resource.finding(path, f"nothing about {scheme}, where defaultPipelineRoot is", mend)
        for error in Draft202012Validator(RULES["launcher"]).iter_errors(providers):
            for place, what, mend in explained(error):
                yield resource.finding((*path, *place), what, mend)
        for pattern in ("*.default.credentials.secretRef", "*.overrides[].credentials.secretRef"):
            for place, ref in select(providers, pattern, path):
                yield from _secret(index, resource, place, mapping(ref))


def _secret(index: Index, resource: Resource, path: Path, ref: Mapping[str, Any]) -> Iterator[Finding]:
    name, space = ref.get("secretName"), resource.namespace
    fields = {"secretName": None, **{field: key for field, key in ref.items() if field != "secretName"}}
    problems = {field: index.missing("Secret", space, name, key) for field, key in fields.items()} if name else {}
    rules = [rule for role in index.of("Role") if role.namespace == space for _, rule in select(role.body, "rules[]")]
    wanted = {"resources": "secrets", "verbs": "get", "resourceNames": str(name)}
    # Where the files have no role, nobody can tell who may read.
    if rules and not any(all(word in listing(at(rule, key)) for key, word in wanted.items()) for rule in rules):
        mend = f"a Role with get on the secret {name}, bound to the accounts of runs"
        problems["secretName"] = problems.get("secretName") or (f"no account may read {name}", mend)
    yield from (resource.finding((*path, field), *problem) for field, problem in problems.items() if problem)


def agreement(index: Index, spec: Mapping[str, Any], shown: str) -> Iterator[Finding]:
    """Where a spec names a claim, secret, config map, account or bucket that the namespace of runs does not have."""
    launchers = [r for r in index.of("ConfigMap") if r.name == NAME]
    spaces = [r.namespace for r in [*launchers, *index.of("PersistentVolumeClaim", "ServiceAccount")]]
    for path, owner in below(spec, ("spec",)) if spaces else ():
        for field in sorted(_KINDS.keys() & mapping(owner).keys()):
            name, key = owner[field], owner.get("key") or None
            if name and (problem := index.missing(_KINDS[field], spaces[0], name, key)):
                yield Finding(f"spec {shown}", show((*path, field)), *problem)
    wanted = urlsplit(str(at(spec, "platform", "artifacts", "uri") or "")).netloc
    for resource in launchers if wanted else ():
        given = urlsplit(str(at(resource.body, "data", "defaultPipelineRoot") or "")).netloc
        if given != wanted:
            what = f"bucket {wanted}, and that of {resource.label} is {given or 'not named'}"
            mend = "one bucket in both: the keys of a run open that one"
            yield Finding(f"spec {shown}", "spec.platform.artifacts.uri", what, mend)
