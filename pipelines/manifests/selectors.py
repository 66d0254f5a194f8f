"""Expressions of label selectors, and of what selects nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import LABEL_VALUE, SUBDOMAIN
from pipelines.manifests.resource import Resource, listing, mapping, select

_SELECTS = ("In", "NotIn", "Exists", "DoesNotExist")
_COMPARES = ("Gt", "Lt")
_OF_NODES = ("nodeSelectorTerms", "preference", "required")
_NOT_READ = ("metric", "scopeSelector")
"""A server does not look into the selector of a metric; a scope's are no labels."""


def selectors(resource: Resource) -> Iterator[Finding]:
    """Expressions with an operator that there is not, or with values that the operator does not go with."""
    yield from _walk(resource, resource.body, ())
    for pod in resource.pods:
        affinity = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
        for path, terms in select(pod.spec, affinity, pod.spec_path):
            if not listing(mapping(terms).get("nodeSelectorTerms")):
                yield resource.finding((*path, "nodeSelectorTerms"), "no term", "add one, or remove the affinity")
            for place, rule in select(terms, "nodeSelectorTerms[].matchFields[]", path):
                yield from _field(resource, place, mapping(rule))


def _walk(resource: Resource, value: Any, path: Path) -> Iterator[Finding]:
    for key, inner in mapping(value).items():
        if key in _NOT_READ:
            continue
        if key == "matchExpressions":
            nodes = any(part in _OF_NODES for part in path)
            for index, rule in enumerate(listing(inner)):
                yield from _expression(resource, (*path, key, index), mapping(rule), nodes)
        else:
            yield from _walk(resource, inner, (*path, key))
            for index, one in enumerate(listing(inner)):
                yield from _walk(resource, one, (*path, key, index))


def _expression(resource: Resource, path: Path, rule: Mapping[str, Any], nodes: bool) -> Iterator[Finding]:
    operator, values = rule.get("operator"), listing(rule.get("values"))
    allowed = (*_SELECTS, *_COMPARES) if nodes else _SELECTS
    if operator not in allowed:
        yield resource.finding((*path, "operator"), f"{operator!r:.40} is not allowed", f"one of {', '.join(allowed)}")
    elif operator in ("In", "NotIn") and not values:
        yield resource.finding((*path, "values"), f"none beside {operator}", "name at least one")
    elif operator in ("Exists", "DoesNotExist") and values:
        yield resource.finding((*path, "values"), f"not beside {operator}", "remove them, or choose In")
    elif operator in _COMPARES and len(values) != 1:
        yield resource.finding((*path, "values"), f"exactly one beside {operator}", "one number")
    preferred = "preference" in path
    for index, value in enumerate(values):
        if isinstance(value, str) and not preferred and not LABEL_VALUE.fullmatch(value):
            mend = "letters, digits, -, _ and . inside, at most 63"
            yield resource.finding((*path, "values", index), f"{value!r:.80} is no value of a label", mend)


def _field(resource: Resource, path: Path, rule: Mapping[str, Any]) -> Iterator[Finding]:
    values = listing(rule.get("values"))
    if rule.get("key") != "metadata.name":
        yield resource.finding((*path, "key"), f"{rule.get('key')!r:.60} is not allowed", "metadata.name")
    if rule.get("operator") not in ("In", "NotIn") or len(values) != 1:
        yield resource.finding((*path, "operator"), "not In or NotIn with one value", "In, with the node's name")
    for index, value in enumerate(values):
        if not SUBDOMAIN.fullmatch(str(value)):
            yield resource.finding((*path, "values", index), f"{value!r:.80} is no name of a node", "correct it")
