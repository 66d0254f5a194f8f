"""What a server refuses about where pods may run: tolerations, spreading, affinity to pods, gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import LABEL, LABEL_VALUE, SUBDOMAIN, label_key
from pipelines.manifests.resource import Pod, Resource, at, listing, mapping, select

_AFFINITIES = ("affinity.podAffinity", "affinity.podAntiAffinity")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution[]"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm"


def scheduling(pod: Pod) -> Iterator[Finding]:
    """Mistakes in what decides where a pod runs."""
    for index, one in enumerate(listing(pod.spec.get("tolerations"))):
        yield from _toleration(pod.owner, (*pod.spec_path, "tolerations", index), mapping(one))
    yield from _spreading(pod)
    for affinity in _AFFINITIES:
        for terms in (_REQUIRED, _PREFERRED):
            for path, term in select(pod.spec, f"{affinity}.{terms}", pod.spec_path):
                yield from _term(pod, path, mapping(term))
    yield from _gates(pod)
    if mapping(pod.spec.get("overhead")) and not pod.spec.get("runtimeClassName"):
        path = (*pod.spec_path, "overhead")
        yield pod.owner.finding(path, "without a runtimeClassName", "remove it: the class says how much")
    for field in ("nodeName", "runtimeClassName"):
        name = pod.spec.get(field)
        if name and not SUBDOMAIN.fullmatch(str(name)):
            path = (*pod.spec_path, field)
            yield pod.owner.finding(path, f"{name!r:.80} is not a name that Kubernetes accepts", "a-z, 0-9, - and .")


def _toleration(resource: Resource, path: Path, one: Mapping[str, Any]) -> Iterator[Finding]:
    operator = one.get("operator") or "Equal"
    if not one.get("key") and operator != "Exists":
        yield resource.finding((*path, "operator"), "must be Exists without a key", "name key")
    if one.get("tolerationSeconds") is not None and one.get("effect") != "NoExecute":
        yield resource.finding((*path, "tolerationSeconds"), "without effect NoExecute", "remove it, or NoExecute")
    value = one.get("value")
    if operator == "Exists" and value:
        yield resource.finding((*path, "value"), "beside operator Exists", "remove it, or choose Equal")
    elif isinstance(value, str) and not LABEL_VALUE.fullmatch(value):
        yield resource.finding((*path, "value"), f"{value!r:.80} is no value of a taint", "letters, digits, -, _ and .")


def _spreading(pod: Pod) -> Iterator[Finding]:
    seen: list[Any] = []
    for index, one in enumerate(mapping(item) for item in listing(pod.spec.get("topologySpreadConstraints"))):
        path: Path = (*pod.spec_path, "topologySpreadConstraints", index)
        if (pair := (one.get("topologyKey"), one.get("whenUnsatisfiable"))) in seen:
            what = f"{pair[0]!r:.60} stands twice"
            yield pod.owner.finding((*path, "topologyKey"), what, "one constraint for each key")
        if pair[0] == "":
            mend = "kubernetes.io/hostname or topology.kubernetes.io/zone"
            yield pod.owner.finding((*path, "topologyKey"), "empty", mend)
        seen.append(pair)
        if one.get("minDomains") is not None and pair[1] != "DoNotSchedule":
            yield pod.owner.finding((*path, "minDomains"), f"beside {pair[1]}", "remove it, or DoNotSchedule")
        selector = one.get("labelSelector")
        yield from _label_keys(pod, path, "matchLabelKeys", listing(one.get("matchLabelKeys")), selector)


def _label_keys(pod: Pod, path: Path, field: str, keys: Any, selector: Any) -> Iterator[Finding]:
    if keys and selector is None:
        yield pod.owner.finding((*path, field), "without a labelSelector", "add one")
    known = [
        *mapping(at(selector, "matchLabels")),
        *(at(rule, "key") for rule in listing(at(selector, "matchExpressions"))),
    ]
    for index, key in enumerate(keys):
        yield from label_key(pod.owner, (*path, field, index), key)
        if field == "matchLabelKeys" and key in known and ("topologySpreadConstraints" in path or key in pod.labels):
            yield pod.owner.finding((*path, field, index), f"{key} is in labelSelector too", "one of them")


def _term(pod: Pod, path: Path, term: Mapping[str, Any]) -> Iterator[Finding]:
    yield from label_key(pod.owner, (*path, "topologyKey"), term.get("topologyKey") or "")
    for index, name in enumerate(listing(term.get("namespaces"))):
        if not LABEL.fullmatch(str(name)):
            yield pod.owner.finding((*path, "namespaces", index), f"{name!r:.80} is no namespace", "a-z, 0-9 and -")
    same, other = listing(term.get("matchLabelKeys")), listing(term.get("mismatchLabelKeys"))
    for field, keys in (("matchLabelKeys", same), ("mismatchLabelKeys", other)):
        yield from _label_keys(pod, path, field, keys, term.get("labelSelector"))
    for index, key in enumerate(same):
        if key in other:
            yield pod.owner.finding((*path, "matchLabelKeys", index), f"{key} is in both lists", "one of them")


def _gates(pod: Pod) -> Iterator[Finding]:
    names = [mapping(gate).get("name") for gate in listing(pod.spec.get("schedulingGates"))]
    for index, name in enumerate(names):
        path: Path = (*pod.spec_path, "schedulingGates", index, "name")
        yield from label_key(pod.owner, path, name)
        if name in names[:index]:
            yield pod.owner.finding(path, f"{name} stands twice", "each once")
    if names and pod.spec.get("nodeName"):
        yield pod.owner.finding((*pod.spec_path, "nodeName"), "beside schedulingGates", "remove one of them")
    for index, gate in enumerate(listing(pod.spec.get("readinessGates"))):
        path = (*pod.spec_path, "readinessGates", index, "conditionType")
        yield from label_key(pod.owner, path, mapping(gate).get("conditionType"))
