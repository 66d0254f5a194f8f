"""What a server refuses about jobs: indices, what a failure means, when enough has succeeded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.index import matches
from pipelines.manifests.names import LABEL, label_key
from pipelines.manifests.resource import Resource, at, listing, mapping

_WHERE: Mapping[str, tuple[str, ...]] = {"Job": ("spec",), "CronJob": ("spec", "jobTemplate", "spec")}
_INDICES = 100_000
_INDICES_OF_MANY = 10_000
_MOST_RULES, _MOST_CODES = 20, 255
_ACTIONS = ("FailJob", "FailIndex", "Ignore", "Count")
_INTERVALS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_MANAGER = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[-A-Za-z0-9/%!$&'()*+,;=:@._~]+"
)
_NAME_LETTERS = 63
_NAMES, _UIDS = (
    tuple(f"{start}{label}" for start in ("", "batch.kubernetes.io/")) for label in ("job-name", "controller-uid")
)


def jobs(resource: Resource) -> Iterator[Finding]:
    """Mistakes in a Job, and in what a CronJob makes."""
    if resource.kind not in _WHERE:
        return
    path: Path = _WHERE[resource.kind]
    spec = mapping(at(resource.body, *_WHERE[resource.kind]))
    yield from (_of_itself if resource.kind == "Job" else _made)(resource, path, spec)
    yield from _generated(resource, path, spec)
    yield from _indexed(resource, path, spec)
    if isinstance(policy := spec.get("podFailurePolicy"), Mapping):
        yield from _failures(resource, path, spec, policy)
    if isinstance(policy := spec.get("successPolicy"), Mapping):
        yield from _success(resource, path, spec, listing(policy.get("rules")))
    manager = spec.get("managedBy")
    if isinstance(manager, str) and (not _MANAGER.fullmatch(manager) or len(manager) > _NAME_LETTERS):
        what = f"{manager!r:.80} is no name of a controller"
        yield resource.finding((*path, "managedBy"), what, f"example.com/name, at most {_NAME_LETTERS}")


def _of_itself(resource: Resource, path: Path, spec: Mapping[str, Any]) -> Iterator[Finding]:
    selector, labels = spec.get("selector"), mapping(at(spec, "template", "metadata", "labels"))
    if selector is None and spec.get("manualSelector") is True:
        yield resource.finding((*path, "selector"), "missing beside manualSelector", "remove manualSelector")
    elif isinstance(selector, Mapping) and not matches(selector, labels):
        yield resource.finding((*path, "selector"), "does not find the pods of its own template", "remove it")
    if len(resource.name) > _NAME_LETTERS:
        what = f"{len(resource.name)} letters: pods carry it as a label"
        yield resource.finding(("metadata", "name"), what, f"at most {_NAME_LETTERS}")
    last = spec.get("completions")
    if (
        spec.get("completionMode") == "Indexed"
        and isinstance(last, int)
        and last > 0
        and at(resource.body, "metadata", "name")
    ):
        yield from _hostname(resource, f"{resource.name}-{last - 1}")


def _generated(resource: Resource, path: Path, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """Labels that the server itself gives the pods, for a job that it finds them by."""
    own = at(resource.body, "metadata", "name") if resource.kind == "Job" else None
    for label, value in mapping(at(spec, "template", "metadata", "labels")).items():
        if spec.get("manualSelector") is not True and (label in _UIDS or (label in _NAMES and value != own)):
            place: Path = (*path, "template", "metadata", "labels", str(label))
            yield resource.finding(place, "the server gives it", "remove it")


def _hostname(resource: Resource, host: str) -> Iterator[Finding]:
    if not LABEL.fullmatch(host):
        what = f"{host!r:.80} would be the host name of a pod"
        yield resource.finding(("metadata", "name"), what, "shorter, without dots")


def _made(resource: Resource, path: Path, spec: Mapping[str, Any]) -> Iterator[Finding]:
    for field in ("selector", "manualSelector"):
        if spec.get(field) not in (None, False):
            yield resource.finding((*path, field), "not in a CronJob", "remove it: the server makes it")


def _indexed(resource: Resource, path: Path, spec: Mapping[str, Any]) -> Iterator[Finding]:
    total, most, each = (spec.get(name) for name in ("completions", "maxFailedIndexes", "backoffLimitPerIndex"))
    if most is not None and each is None:
        yield resource.finding((*path, "backoffLimitPerIndex"), "missing beside maxFailedIndexes", "add it")
    if spec.get("completionMode") != "Indexed":
        for field in ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"):
            if spec.get(field) is not None:
                yield resource.finding((*path, field), "without indices", "set completionMode: Indexed")
        return
    if total is None:
        yield resource.finding((*path, "completions"), "missing beside completionMode Indexed", "say how many indices")
    many = isinstance(total, int) and total > _INDICES and each is not None
    limit = _INDICES_OF_MANY if many else _INDICES
    for field in ("parallelism", "maxFailedIndexes"):
        value = spec.get(field)
        if isinstance(value, int) and value > limit:
            yield resource.finding((*path, field), f"{value} is too many", f"at most {limit}")
    if isinstance(most, int) and isinstance(total, int) and most > total:
        yield resource.finding((*path, "maxFailedIndexes"), f"{most} of {total}", "at most completions")
    if many and most is None:
        yield resource.finding((*path, "maxFailedIndexes"), "missing", f"needed beyond {_INDICES} indices")


def _failures(resource: Resource, path: Path, spec: Mapping[str, Any], policy: Mapping[str, Any]) -> Iterator[Finding]:
    if at(spec, "template", "spec", "restartPolicy") == "OnFailure":
        place: Path = (*path, "template", "spec", "restartPolicy")
        yield resource.finding(place, "OnFailure beside podFailurePolicy", "Never")
    if spec.get("podReplacementPolicy") not in (None, "Failed"):
        yield resource.finding((*path, "podReplacementPolicy"), "not beside podFailurePolicy", "Failed")
    rules = listing(policy.get("rules"))
    if len(rules) > _MOST_RULES:
        yield resource.finding((*path, "podFailurePolicy", "rules"), f"{len(rules)} rules", f"at most {_MOST_RULES}")
    for index, rule in enumerate(mapping(one) for one in rules):
        yield from _failure(resource, (*path, "podFailurePolicy", "rules", index), spec, rule)


def _failure(resource: Resource, path: Path, spec: Mapping[str, Any], rule: Mapping[str, Any]) -> Iterator[Finding]:
    action, codes, conditions = rule.get("action"), rule.get("onExitCodes"), listing(rule.get("onPodConditions"))
    if action not in _ACTIONS:
        yield resource.finding((*path, "action"), f"{action!r:.40} is not allowed", f"one of {', '.join(_ACTIONS)}")
    elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        yield resource.finding((*path, "action"), "FailIndex without backoffLimitPerIndex", "add it, or FailJob")
    if (codes is None) == (not conditions):
        yield resource.finding(path, "not one condition", "exactly one of onExitCodes and onPodConditions")
    if isinstance(codes, Mapping):
        yield from _codes(resource, (*path, "onExitCodes"), spec, codes)
    for index, condition in enumerate(mapping(one) for one in conditions):
        place: Path = (*path, "onPodConditions", index)
        yield from label_key(resource, (*place, "type"), condition.get("type"))
        if (status := condition.get("status", "True")) not in ("True", "False", "Unknown"):
            yield resource.finding((*place, "status"), f"{status!r:.40} is not allowed", "True, False or Unknown")


def _codes(resource: Resource, path: Path, spec: Mapping[str, Any], codes: Mapping[str, Any]) -> Iterator[Finding]:
    values, operator, place = listing(codes.get("values")), codes.get("operator"), (*path, "values")
    if operator not in ("In", "NotIn"):
        yield resource.finding((*path, "operator"), f"{operator!r:.40} is not allowed", "In or NotIn")
    if not values or len(values) > _MOST_CODES:
        yield resource.finding(place, f"{len(values)} values", f"at least one, at most {_MOST_CODES}")
    if operator == "In" and 0 in values:
        yield resource.finding(place, "0 is no failure", "remove it")
    numbers = [value for value in values if isinstance(value, int)]
    if sorted(set(numbers)) != numbers:
        yield resource.finding(place, "not in order, each once", f"{sorted(set(numbers))}")
    pod = mapping(at(spec, "template", "spec"))
    names = [mapping(c).get("name") for group in ("containers", "initContainers") for c in listing(pod.get(group))]
    if (name := codes.get("containerName")) is not None and name not in names:
        yield resource.finding((*path, "containerName"), f"no container {name}", f"one of {', '.join(map(str, names))}")


def _success(resource: Resource, path: Path, spec: Mapping[str, Any], rules: Any) -> Iterator[Finding]:
    total = spec.get("completions")
    if not 1 <= len(rules) <= _MOST_RULES:
        yield resource.finding((*path, "successPolicy", "rules"), f"{len(rules)} rules", f"from 1 to {_MOST_RULES}")
    for index, rule in enumerate(mapping(one) for one in rules):
        place: Path = (*path, "successPolicy", "rules", index)
        count, chosen = rule.get("succeededCount"), rule.get("succeededIndexes")
        if count is None and chosen is None:
            yield resource.finding(place, "no condition", "succeededCount, succeededIndexes or both")
        size = _size(str(chosen), total) if chosen is not None else total
        if size is None and chosen is not None:
            mend = "in order, below completions: 0-3,7"
            yield resource.finding((*place, "succeededIndexes"), f"{chosen!r:.60} are no indices of this job", mend)
        elif isinstance(count, int) and not 1 <= count <= (size if isinstance(size, int) else count):
            yield resource.finding((*place, "succeededCount"), f"{count} of {size}", f"from 1 to {size}")


def _size(text: str, total: Any) -> int | None:
    """How many indices a text like `0-3,7` names, or None where it is not in order or reaches beyond the last one."""
    if not _INTERVALS.fullmatch(text):
        return None
    previous, size = -1, 0
    for interval in text.split(","):
        first, _, last = interval.partition("-")
        low, high = int(first), int(last or first)
        if not previous < low <= high or (isinstance(total, int) and high >= total):
            return None
        previous, size = high, size + high - low + 1
    return size
