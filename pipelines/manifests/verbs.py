"""What a rule of a role may name in Kubernetes' own groups. A server takes any word; one that it does not know gives
no right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pipelines.manifests.finding import Path
from pipelines.manifests.resource import listing

_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
_SPECIAL = ("*", "approve", "attest", "bind", "escalate", "impersonate", "sign", "use")
_RESOURCES = {
    "": "bindings componentstatuses configmaps endpoints events limitranges namespaces nodes persistentvolumeclaims "
        "persistentvolumes pods podtemplates replicationcontrollers resourcequotas secrets serviceaccounts services "
        "users groups uids",
    "apps": "controllerrevisions daemonsets deployments replicasets statefulsets",
    "batch": "cronjobs jobs",
    "autoscaling": "horizontalpodautoscalers",
    "policy": "poddisruptionbudgets",
    "extensions": "",
    "networking.k8s.io": "ingressclasses ingresses ipaddresses networkpolicies servicecidrs",
    "rbac.authorization.k8s.io": "clusterrolebindings clusterroles rolebindings roles",
    "storage.k8s.io": "csidrivers csinodes csistoragecapacities storageclasses volumeattachments "
        "volumeattributesclasses",
    "coordination.k8s.io": "leasecandidates leases",
    "discovery.k8s.io": "endpointslices",
    "events.k8s.io": "events",
    "scheduling.k8s.io": "podgroups priorityclasses workloads",
    "apiextensions.k8s.io": "customresourcedefinitions",
}  # fmt: skip
"""Resources by group, of all minor versions that are checked."""
_KNOWN = {group: frozenset(names.split()) for group, names in _RESOURCES.items()}


def unknown(rule: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """Resources that none of a rule's groups has, and verbs that nobody asks for. Groups of operators may have any."""
    groups = [str(group) for group in listing(rule.get("apiGroups"))]
    if not groups or not all(group in _KNOWN for group in groups):
        return
    known = frozenset().union(*(_KNOWN[group] for group in groups))
    for index, name in enumerate(map(str, listing(rule.get("resources")))):
        plain = name.partition("/")[0]
        if plain not in known and plain != "*":
            where = ", ".join(group or "the core" for group in groups)
            yield ("resources", index), f"no {name!r:.60} in {where}", _near(plain, _all())
    for index, verb in enumerate(map(str, listing(rule.get("verbs")))):
        if verb not in (*_VERBS, *_SPECIAL):
            yield ("verbs", index), f"{verb!r:.40} is nothing that anybody asks for", _near(verb, _VERBS)


def _all() -> dict[str, str]:
    """Every resource, with its group."""
    return {name: group for group, names in _KNOWN.items() for name in names}


def _near(word: str, known: Any) -> str:
    found = get_close_matches(word, known, 1)
    if not found:
        return "kubectl api-resources lists what there is"
    group = known[found[0]] if isinstance(known, dict) else ""
    return f"did you mean {found[0]}?" + (f" It is in {group}." if group else "")
