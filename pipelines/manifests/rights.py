"""What a server refuses about roles and bindings: rules without verbs, groups or resources, foreign references; and
rights to what no server has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.resource import Resource, at, listing, mapping
from pipelines.manifests.verbs import unknown

GROUP = "rbac.authorization.k8s.io"
_ROLES = ("Role", "ClusterRole")
_BINDINGS = ("RoleBinding", "ClusterRoleBinding")


def rights(resource: Resource) -> Iterator[Finding]:
    """Mistakes in a role or a binding."""
    if resource.kind in _ROLES:
        yield from _reach(resource)
        for index, rule in enumerate(listing(resource.body.get("rules"))):
            yield from _rule(resource, ("rules", index), mapping(rule))
    if resource.kind in _BINDINGS:
        if (group := at(resource.body, "roleRef", "apiGroup")) != GROUP:
            yield resource.finding(("roleRef", "apiGroup"), f"{group!r:.60} is not allowed", GROUP)
        for index, subject in enumerate(listing(resource.body.get("subjects"))):
            kind, group = mapping(subject).get("kind"), mapping(subject).get("apiGroup")
            if mapping(subject).get("name") == "":
                yield resource.finding(("subjects", index, "name"), "empty", "say who")
            allowed = ("",) if kind == "ServiceAccount" else ("", GROUP)
            if group is not None and group not in allowed:
                mend = "remove it" if kind == "ServiceAccount" else GROUP
                yield resource.finding(("subjects", index, "apiGroup"), f"{group!r:.60} is not allowed", mend)


def _rule(resource: Resource, path: Path, rule: Mapping[str, Any]) -> Iterator[Finding]:
    for field in ("verbs",) if listing(rule.get("nonResourceURLs")) else ("verbs", "apiGroups", "resources"):
        if not listing(rule.get(field)):
            yield resource.finding((*path, field), "empty", f"a rule needs {field}")
    for place, what, mend in unknown(rule):
        yield resource.finding((*path, *place), what, mend)


def _reach(resource: Resource) -> Iterator[Finding]:
    """Addresses beside resources, and sums of no roles."""
    for index, rule in enumerate(mapping(one) for one in listing(resource.body.get("rules"))):
        urls, others = listing(rule.get("nonResourceURLs")), listing(rule.get("resources"))
        if urls and resource.kind == "Role":
            yield resource.finding(("rules", index, "nonResourceURLs"), "not in a Role", "a ClusterRole")
        elif urls and (others or listing(rule.get("apiGroups"))):
            yield resource.finding(("rules", index, "nonResourceURLs"), "beside resources", "make two rules of it")
    selectors = at(resource.body, "aggregationRule", "clusterRoleSelectors")
    if resource.body.get("aggregationRule") is not None and not listing(selectors):
        yield resource.finding(("aggregationRule", "clusterRoleSelectors"), "none", "add one, or remove the rule")
