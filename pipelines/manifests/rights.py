"""What a server refuses about roles and bindings: rules without verbs, groups or resources, foreign references."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.manifests.finding import Finding
from pipelines.manifests.resource import Resource, at, listing, mapping

GROUP = "rbac.authorization.k8s.io"
_ROLES = ("Role", "ClusterRole")
_BINDINGS = ("RoleBinding", "ClusterRoleBinding")


def rights(resource: Resource) -> Iterator[Finding]:
    """Mistakes in a role or a binding."""
    if resource.kind in _ROLES:
        for index, rule in enumerate(listing(resource.body.get("rules"))):
            urls = listing(mapping(rule).get("nonResourceURLs"))
            for field in ("verbs",) if urls else ("verbs", "apiGroups", "resources"):
                if not listing(mapping(rule).get(field)):
                    yield resource.finding(("rules", index, field), "empty", f"a rule needs {field}")
    if resource.kind in _BINDINGS:
        if (group := at(resource.body, "roleRef", "apiGroup")) != GROUP:
            yield resource.finding(("roleRef", "apiGroup"), f"{group!r:.60} is not allowed", GROUP)
        for index, subject in enumerate(listing(resource.body.get("subjects"))):
            kind, group = mapping(subject).get("kind"), mapping(subject).get("apiGroup")
            allowed = ("",) if kind == "ServiceAccount" else ("", GROUP)
            if group is not None and group not in allowed:
                mend = "remove it" if kind == "ServiceAccount" else GROUP
                yield resource.finding(("subjects", index, "apiGroup"), f"{group!r:.60} is not allowed", mend)
