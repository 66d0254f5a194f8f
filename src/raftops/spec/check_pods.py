"""What Kubernetes would refuse only when a step's pod is made, minutes or hours into a run: requests, names, mounts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from raftops.spec.model.platform import Resources
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
Named = list[tuple[str, str, str]]
"""Where in the spec, what it names, and the value: a variable, or a place in the pod."""


def requests_are_real(project: Project) -> Iterator[Problem]:
    """Requests are more than nothing, accelerators have names that Kubernetes takes."""
    for path, wanted in _pods(project):
        amounts = {"cpu": wanted.cpu, "memory": wanted.memory}
        if isinstance(wanted, Resources) and wanted.shared_memory:
            amounts["shared_memory"] = wanted.shared_memory
        for name, amount in amounts.items():
            if float(re.sub(r"[A-Za-z]+$", "", amount)) <= 0:
                yield Problem(f"{path}.{name}", f"must be more than 0, found {quoted(amount)}")
        kind = wanted.accelerator.type if wanted.accelerator else "nvidia.com/gpu"
        if not re.fullmatch(_DOMAIN + _NAME, kind, re.ASCII) or re.match(r"(.*\.)?kubernetes\.io/|requests\.", kind):
            message = f"must be a resource name with its domain, such as nvidia.com/gpu; found {quoted(kind)}"
            yield Problem(f"{path}.accelerator.type", message)


def _pods(project: Project) -> Iterator[tuple[str, Resources | Kubernetes]]:
    """What the pods of each step get, and those of the service."""
    for step, resources in project.spec.platform.resources.items():
        yield f"{_RESOURCES}.{step}", resources
    yield _SERVICE, project.spec.deploy.kubernetes


def nodes_can_be_named(project: Project) -> Iterator[Problem]:  # noqa: C901  one pass over what names nodes
    """Labels and taints of nodes are written as Kubernetes writes them."""
    keys, values = [], []
    for path, wanted in _pods(project):
        keys += [(f"{path}.node_selector", key) for key in wanted.node_selector]
        values += [(f"{path}.node_selector", value) for value in wanted.node_selector.values()]
        for index, toleration in enumerate(wanted.tolerations):
            place = f"{path}.tolerations[{index}]"
            keys += [(f"{place}.key", toleration.key)] if toleration.key else []
            values.append((f"{place}.value", toleration.value))
            if toleration.operator == "Exists" and toleration.value:
                yield Problem(
                    place, "has a value, which operator Exists does not take; set operator: Equal or remove it"
                )
            elif toleration.operator == "Equal" and not toleration.key:
                yield Problem(f"{place}.key", "is empty; operator Equal needs a key")
        for index, affinity in enumerate(wanted.affinity if isinstance(wanted, Resources) else ()):
            for number, match in enumerate(affinity.match):
                place, compares = f"{path}.affinity[{index}].match[{number}]", match.operator in ("Gt", "Lt")
                keys.append((f"{place}.key", match.key))
                rows = [(f"{place}.values[{at}]", value) for at, value in enumerate(match.values)]
                values += [] if compares else rows
                for where, value in rows if compares else ():
                    if not re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
                        yield Problem(where, f"{quoted(value)} is no whole number, which {match.operator} takes")
    for form, what, named in ((f"({_DOMAIN})?{_NAME}", "key", keys), (f"({_NAME})?", "value", values)):
        for path, text in named:
            if not re.fullmatch(form, text, re.ASCII):
                yield Problem(path, f"{quoted(text)} is not the {what} of a Kubernetes label or taint")


def variables_are_given_once(project: Project) -> Iterator[Problem]:
    """No two secrets or config maps of a step set the same environment variable."""
    platform, shared = project.spec.platform, {f"{_SERVICE}.smoke_token": project.spec.deploy.kubernetes.smoke_token}
    directory = project.spec.deploy.identity.directory
    if directory and directory.ldap:
        shared["spec.deploy.identity.directory.ldap.bind_password"] = directory.ldap.bind_password
    shared |= {"spec.platform.milvus.token": platform.milvus.token, "spec.platform.notify": platform.notify}
    for name, storage in (("artifacts", platform.artifacts), ("dvc", platform.dvc)):
        if storage:
            shared[f"spec.platform.{name}.access_key"] = storage.access_key
            shared[f"spec.platform.{name}.secret_key"] = storage.secret_key
    of_all: Named = [(f"{path}.env", str(ref), ref.env) for path, ref in shared.items() if ref]
    yield from _clashes(of_all)
    for step, resources in platform.resources.items():
        path = f"{_RESOURCES}.{step}"
        own: Named = [(f"{path}.secrets[{i}].env", str(ref), ref.env) for i, ref in enumerate(resources.secrets)]
        maps = [(f"{path}.config_maps[{i}].env", str(ref), ref.env) for i, ref in enumerate(resources.config_maps)]
        yield from _clashes([*of_all, *own, *(row for row in maps if row[2])], len(of_all))


def _clashes(rows: Named, known: int | None = None) -> Iterator[Problem]:
    """Variables that are set from two sources, or twice by a step whose own rows begin behind the known ones."""
    for index, (path, ref, name) in enumerate(rows):
        before = [(at, row) for at, row in enumerate(rows[:index]) if row[2] == name]
        others = [row[0] for at, row in before if row[1] != ref or (known is not None and at >= known)]
        if others and index >= (known or 0):
            yield Problem(path, f"{others[0].removesuffix('.env')} sets the same variable")


def mounts_are_apart(project: Project) -> Iterator[Problem]:
    """Each place in a pod has one volume, each volume one source, and none leaves its place."""
    platform = project.spec.platform
    claims: Named = [(f"spec.platform.volumes[{i}]", v.claim, v.path) for i, v in enumerate(platform.volumes)]
    for index, volume in enumerate(platform.volumes):
        if volume.sub_path.startswith("/") or ".." in PurePosixPath(volume.sub_path).parts:
            message = f"{quoted(volume.sub_path)} must be a folder inside the volume, without '..' and not absolute"
            yield Problem(f"spec.platform.volumes[{index}].sub_path", message)
    for where, name, place in claims:
        yield from _mounted(f"{where}.path", place, f"{where}.claim", name)
    if platform.workspace:
        claims.insert(0, ("spec.platform.workspace", platform.workspace, str(PROJECT / platform.store)))
        yield from _mounted("spec.platform.store", claims[0][2], *claims[0][:2])
    yield from _apart(claims)
    for step, resources in platform.resources.items():
        own: Named = [(f"{_RESOURCES}.{step}.shared_memory", "", "/dev/shm")] if resources.shared_memory else []
        for index, given in enumerate(resources.config_maps):
            where = f"{_RESOURCES}.{step}.config_maps[{index}]"
            if given.path:
                own.append((where, given.config_map, given.path))
                yield from _mounted(f"{where}.path", given.path, f"{where}.config_map", given.config_map)
            for other in [row[0] for row in claims if given.path and row[1] == given.config_map]:
                message = f"has the name of the claim of {other}, and a pod knows both by it; rename one of them"
                yield Problem(f"{where}.config_map", message)
        yield from _apart([*claims, *own], len(claims))


def _apart(mounts: Named, known: int = 0) -> Iterator[Problem]:
    """No two at one place; the first `known` of them are told of already."""
    for index, (where, _, place) in enumerate(mounts):
        same = [other for other, _, at in mounts[:index] if PurePosixPath(at) == PurePosixPath(place)]
        if same and index >= known:
            yield Problem(where, f"{place} is where {same[0]} is mounted, too")


def _mounted(path: str, place: str, of: str, name: str) -> Iterator[Problem]:
    """A volume's place, and its name: Kubeflow merges volumes of one name into one."""
    if re.search(r"[\s:]", place) or ".." in PurePosixPath(place).parts or not place.strip("/"):
        message = "is no place to mount at: an absolute folder without blanks, ':' and '..'"
        yield Problem(path, f"{quoted(place)} {message}")
    elif str(PurePosixPath(place)) in KUBEFLOWS.values():
        yield Problem(path, f"{place} is where Kubeflow mounts a volume of its own in every pod; choose another folder")
    if name in KUBEFLOWS or _OURS.fullmatch(name):
        yield Problem(of, f"{quoted(name)} is the name of a volume that every such pod has already; rename it")


POD_CHECKS: dict[Check, tuple[str, ...]] = {
    requests_are_real: (_RESOURCES, _SERVICE),
    nodes_can_be_named: (_RESOURCES, _SERVICE),
    variables_are_given_once: ("spec.platform", _SERVICE),
    mounts_are_apart: ("spec.platform",),
}
"""Each check with the parts of the spec that it reads."""
