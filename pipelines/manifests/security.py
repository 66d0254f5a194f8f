"""The Pod Security profile "restricted", namespaces without one, rights to secrets and values of secrets in files."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.manifests.forms import misfits
from pipelines.manifests.references import Index
from pipelines.manifests.resource import Finding, Resource, at, listing, mapping, select

_ENFORCE = "pod-security.kubernetes.io/enforce"
_VOLUMES = ("name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim",
            "projected", "secret")  # fmt: skip


def security(index: Index) -> Iterator[Finding]:
    """What breaks the profile, and what gives away too much."""
    profiles = {r.name: at(r.body, "metadata", "labels", _ENFORCE) for r in index.of("Namespace")}
    policies = [(r.namespace, mapping(r.body.get("spec"))) for r in index.of("NetworkPolicy")]
    # A policy of every pod without a rule closes its directions.
    bare = [(n, s) for n, s in policies if not (s.get("podSelector") or s.get("ingress") or s.get("egress"))]
    closed = {n for n, s in bare if {"Ingress", "Egress"} <= set(map(str, listing(s.get("policyTypes"))))}
    for resource in index.resources:
        if resource.kind == "Namespace" and profiles[resource.name] not in ("baseline", "restricted"):
            what = f"{profiles[resource.name] or 'no profile'}: its pods may be root"
            yield resource.finding(("metadata", "labels", _ENFORCE), what, "set restricted")
        if resource.kind == "Namespace" and resource.name not in closed:
            mend = "add a NetworkPolicy with podSelector: {}, both policyTypes and no rule"
            yield resource.finding(("metadata", "name"), "traffic is not denied by default", mend)
        yield from _secrets_by_name(resource)
        for path, value in [*select(resource.body, "data.*"), *select(resource.body, "stringData.*")]:
            if resource.kind == "Secret" and value:
                mend = "remove it: values come from kubectl patch or External Secrets"
                yield resource.finding(path, "the value of a secret in a file", mend)
        if profiles.get(resource.namespace) not in ("baseline", "privileged"):
            yield from _restricted(resource)


def _secrets_by_name(role: Resource) -> Iterator[Finding]:
    for path, rule in select(role.body, "rules[]"):
        if "secrets" in listing(at(rule, "resources")):
            if not at(rule, "resourceNames"):
                yield role.finding((*path, "resourceNames"), "every secret of the namespace", "name the secrets")
            for place, verb in select(rule, "verbs[]", path):
                if verb in ("list", "watch", "deletecollection"):
                    yield role.finding(place, f"{verb} shows every secret", "get, by name")


def _restricted(resource: Resource) -> Iterator[Finding]:
    for place, spec in resource.pod(""):
        for path, *problem in misfits(spec, "restricted"):
            yield resource.finding((*place, *path), *problem)
    around = mapping(next((context for _, context in resource.pod("securityContext")), None))
    for path, _ in resource.pod("volumes[].*"):
        if path[-1] not in _VOLUMES:
            yield resource.finding(path, "no volume of the restricted profile", "a claim, a config map, an emptyDir")
    for path, container in resource.pod("@"):
        own, place = mapping(at(container, "securityContext")), (*path, "securityContext")
        if own.get("allowPrivilegeEscalation") is not False:
            yield resource.finding((*place, "allowPrivilegeEscalation"), "may gain rights", "set false")
        if "ALL" not in listing(at(own, "capabilities", "drop")):
            yield resource.finding((*place, "capabilities", "drop"), "keeps capabilities", "drop: [ALL]")
        if own.get("runAsNonRoot", at(around, "runAsNonRoot")) is None:
            yield resource.finding((*place, "runAsNonRoot"), "root is not ruled out", "set true, here or for the pod")
        if at(own, "seccompProfile", "type") is None and at(around, "seccompProfile", "type") is None:
            yield resource.finding((*place, "seccompProfile"), "no filter of system calls", "type: RuntimeDefault")
