"""Checks on what the pods of a cluster are made of: requests, nodes, variables, mounts.

Kubernetes would refuse what is found here when the step's pod is made: minutes or hours into a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from raftops.spec.model.base import SecretRef, Toleration
from raftops.spec.model.platform import NodeMatch, Platform, Resources
from raftops.spec.model.serving import Kubernetes
from raftops.spec.position import quoted
from raftops.spec.project import Check, Problem, Project

PROJECT = PurePosixPath("/app")
"""The project's folder in our images."""
KUBEFLOWS = {
    "kfp-launcher": "/kfp-launcher", "gcs-scratch": "/gcs", "s3-scratch": "/s3", "minio-scratch": "/minio",
    "dot-local-scratch": "/.local", "dot-cache-scratch": "/.cache", "dot-config-scratch": "/.config",
    "var-run-argo": "/var/run/argo", "tmp-dir-argo": "",
}  # fmt: skip
"""Volumes that Kubeflow and Argo give every pod, and where they mount them in ours."""
_OURS = re.compile(r"shared-memory|raftops-data-\d+")
"""Volumes that we give a pod: /dev/shm, and folders that data is brought to."""
_RESOURCES, _SERVICE = "spec.platform.resources", "spec.deploy.kubernetes"
_DOMAIN = r"(?=.{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/"
_NAME = r"[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"({_DOMAIN})?{_NAME}", re.ASCII)
_RESOURCE = re.compile(rf"{_DOMAIN}{_NAME}", re.ASCII)
_VALUE = re.compile(rf"({_NAME})?", re.ASCII)


def requests_are_real(project: Project) -> Iterator[Problem]:
    """Requests are more than nothing, accelerators have names that Kubernetes takes."""
    for path, wanted in _pods(project):
        if float(wanted.cpu.rstrip("m")) <= 0:
            yield Problem(f"{path}.cpu", f"must be more than 0, found {quoted(wanted.cpu)}")
        shared = wanted.shared_memory if isinstance(wanted, Resources) else None
        for name, size in (("memory", wanted.memory), ("shared_memory", shared)):
            if size and float(re.sub(r"[A-Za-z]+$", "", size)) <= 0:
                yield Problem(f"{path}.{name}", f"must be more than 0, found {quoted(size)}")
        kind = wanted.accelerator.type if wanted.accelerator else None
        if kind is not None and not _RESOURCE.fullmatch(kind):
            message = f"must be a resource name with its domain, such as nvidia.com/gpu; found {quoted(kind)}"
            yield Problem(f"{path}.accelerator.type", message)
        elif kind is not None and ("kubernetes.io/" in kind or kind.startswith("requests.")):
            message = f"{quoted(kind)} is no device: kubernetes.io/ and requests. are Kubernetes' own"
            yield Problem(f"{path}.accelerator.type", message)


def _pods(project: Project) -> Iterator[tuple[str, Resources | Kubernetes]]:
    """What the pods of each step get, and those of the service."""
    for step, resources in project.spec.platform.resources.items():
        yield f"{_RESOURCES}.{step}", resources
    yield _SERVICE, project.spec.deploy.kubernetes


def nodes_can_be_named(project: Project) -> Iterator[Problem]:
    """Labels and taints of nodes are written as Kubernetes writes them."""
    for path, wanted in _pods(project):
        for key, value in wanted.node_selector.items():
            if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
                yield Problem(f"{path}.node_selector", f"{quoted(f'{key}: {value}')} is not a Kubernetes label")
        for index, toleration in enumerate(wanted.tolerations):
            yield from _toleration(f"{path}.tolerations[{index}]", toleration)
    for step, resources in project.spec.platform.resources.items():
        for index, affinity in enumerate(resources.affinity):
            for number, match in enumerate(affinity.match):
                yield from _match(f"{_RESOURCES}.{step}.affinity[{index}].match[{number}]", match)


def _toleration(path: str, toleration: Toleration) -> Iterator[Problem]:
    if toleration.operator == "Exists" and toleration.value:
        yield Problem(path, "has a value, which operator Exists does not take; set operator: Equal or remove the value")
    if toleration.operator == "Equal" and not toleration.key:
        yield Problem(f"{path}.key", "is empty; operator Equal needs a key")
    if toleration.key and not _KEY.fullmatch(toleration.key):
        yield Problem(f"{path}.key", f"{quoted(toleration.key)} is no key of a taint")
    if not _VALUE.fullmatch(toleration.value):
        yield Problem(f"{path}.value", f"{quoted(toleration.value)} is no value of a taint")


def _match(path: str, match: NodeMatch) -> Iterator[Problem]:
    if not _KEY.fullmatch(match.key):
        yield Problem(f"{path}.key", f"{quoted(match.key)} is no key of a Kubernetes label")
    for index, value in enumerate(match.values):
        if match.operator in ("Gt", "Lt") and not re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
            yield Problem(
                f"{path}.values[{index}]", f"{quoted(value)} is no whole number, which {match.operator} takes"
            )
        elif not _VALUE.fullmatch(value):
            yield Problem(f"{path}.values[{index}]", f"{quoted(value)} is no value of a Kubernetes label")


def variables_are_given_once(project: Project) -> Iterator[Problem]:
    """No two secrets or config maps of a step set the same environment variable."""
    shared = list(_shared(project))
    for index, (path, ref) in enumerate(shared):
        others = [where for where, other in shared[:index] if other.env == ref.env and other != ref]
        if others:
            yield Problem(f"{path}.env", f"{others[0]} sets the same variable, by another secret")
    for step, resources in project.spec.platform.resources.items():
        yield from _variables(f"{_RESOURCES}.{step}", resources, shared)


def _variables(path: str, resources: Resources, shared: list[tuple[str, SecretRef]]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, secret in enumerate(resources.secrets):
        if secret.env in seen:
            yield Problem(f"{path}.secrets[{index}].env", "another secret of this step sets the same variable")
        for where, other in shared:
            if other.env == secret.env and other != secret:
                yield Problem(f"{path}.secrets[{index}].env", f"{where} sets the same variable, by another secret")
        seen.add(secret.env)
    seen |= {other.env for _, other in shared}
    for index, given in enumerate(resources.config_maps):
        if given.env and given.env in seen:
            message = "another secret or config map sets the same variable"
            yield Problem(f"{path}.config_maps[{index}].env", message)
        seen.add(given.env)


def _shared(project: Project) -> Iterator[tuple[str, SecretRef]]:
    """Secrets that steps get without naming them."""
    platform, deploy = project.spec.platform, project.spec.deploy
    named = {"spec.platform.milvus.token": platform.milvus.token, "spec.platform.notify": platform.notify}
    for name, storage in (("artifacts", platform.artifacts), ("dvc", platform.dvc)):
        if storage:
            named[f"spec.platform.{name}.access_key"] = storage.access_key
            named[f"spec.platform.{name}.secret_key"] = storage.secret_key
    named[f"{_SERVICE}.smoke_token"] = deploy.kubernetes.smoke_token
    return ((path, ref) for path, ref in named.items() if ref)


def mounts_are_apart(project: Project) -> Iterator[Problem]:
    """Each place in a pod has one volume, each volume one source, and none leaves its place."""
    platform = project.spec.platform
    if platform.workspace and re.search(r"[\s:]", platform.store):
        message = f"{quoted(platform.store)} has a blank or a colon, and spec.platform.workspace is mounted there"
        yield Problem("spec.platform.store", message)
    elif platform.workspace:
        yield from _place("spec.platform.store", str(PROJECT / platform.store))
    if platform.workspace:
        yield from _taken("spec.platform.workspace", platform.workspace)
    for index, volume in enumerate(platform.volumes):
        path = f"spec.platform.volumes[{index}]"
        yield from _place(f"{path}.path", volume.path)
        yield from _taken(f"{path}.claim", volume.claim)
        if volume.sub_path.startswith("/") or ".." in PurePosixPath(volume.sub_path).parts:
            message = f"{quoted(volume.sub_path)} must be a folder inside the volume, without '..' and not absolute"
            yield Problem(f"{path}.sub_path", message)
    yield from _apart(_claims(platform))
    for step, resources in platform.resources.items():
        yield from _mounts_of_step(f"{_RESOURCES}.{step}", resources, _claims(platform))


Mounts = list[tuple[str, str, str]]
"""Where in the spec, what is mounted, and where in the pod."""


def _claims(platform: Platform) -> Mounts:
    store = [("spec.platform.workspace", f"claim {platform.workspace}", str(PROJECT / platform.store))]
    rows = [(f"spec.platform.volumes[{i}]", f"claim {v.claim}", v.path) for i, v in enumerate(platform.volumes)]
    return (store if platform.workspace else []) + rows


def _mounts_of_step(path: str, resources: Resources, claims: Mounts) -> Iterator[Problem]:
    own: Mounts = [(f"{path}.shared_memory", "claim shared-memory", "/dev/shm")] if resources.shared_memory else []
    for index, given in enumerate(resources.config_maps):
        if given.path:
            own.append((f"{path}.config_maps[{index}]", f"config map {given.config_map}", given.path))
            yield from _place(f"{path}.config_maps[{index}].path", given.path)
            yield from _taken(f"{path}.config_maps[{index}].config_map", given.config_map)
    if own:
        yield from _apart([*claims, *own], len(claims))
    names = {name.removeprefix("claim "): where for where, name, _ in [*claims, *own] if name.startswith("claim ")}
    for where, name, _ in own:
        other = names.get(name.removeprefix("config map "))
        if name.startswith("config map ") and other:
            message = f"has the name of the claim of {other}, and a pod knows both by it; rename one of them"
            yield Problem(f"{where}.config_map", message)


def _apart(mounts: Mounts, known: int = 0) -> Iterator[Problem]:
    """No two at one place; the first `known` of them are told of already."""
    for index, (where, _, place) in enumerate(mounts):
        same = [other for other, _, at in mounts[:index] if PurePosixPath(at) == PurePosixPath(place)]
        if same and index >= known:
            yield Problem(where, f"{place} is where {same[0]} is mounted, too")


def _place(path: str, place: str) -> Iterator[Problem]:
    if ":" in place or ".." in PurePosixPath(place).parts or not place.strip("/"):
        yield Problem(path, f"{quoted(place)} is no place to mount at: an absolute folder without ':' and '..'")
    elif str(PurePosixPath(place)) in KUBEFLOWS.values():
        yield Problem(path, f"{place} is where Kubeflow mounts a volume of its own in every pod; choose another folder")


def _taken(path: str, name: str) -> Iterator[Problem]:
    """A pod knows a claim and a config map by their names, and Kubeflow merges volumes of one name into one."""
    if name in KUBEFLOWS or _OURS.fullmatch(name):
        yield Problem(path, f"{quoted(name)} is the name of a volume that every such pod has already; rename it")


POD_CHECKS: dict[Check, tuple[str, ...]] = {
    requests_are_real: (_RESOURCES, _SERVICE),
    nodes_can_be_named: (_RESOURCES, _SERVICE),
    variables_are_given_once: ("spec.platform", _SERVICE),
    mounts_are_apart: ("spec.platform",),
}
"""Each check with the parts of the spec that it reads."""
