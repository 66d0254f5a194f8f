"""What the nodes of a TrainJob get: the same that a step's pod gets, as far as Kubeflow Trainer has a place for it.

It has none for when an image is pulled: that is the runtime's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raftops.cluster.api import Body
from raftops.spec.model.platform import ConfigMapRef, NodeAffinity, Resources, Volume

NODE = "node"
"""Name of the trainer's container and replicated job in Kubeflow's own runtimes."""
USER = 10001
QUEUE, PRIORITY = "kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/priority-class"
"""Labels that Kueue reads on the job."""


@dataclass(frozen=True)
class Nodes:
    """Where the nodes are, and what each one gets."""

    namespace: str
    claim: str
    """Volume claim that holds the store, the cache included."""
    image: str
    resources: Resources
    user: int = USER
    """User and group of the processes."""
    volumes: tuple[Volume, ...] = ()
    """Further claims."""
    pull_secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Nodes:
        """From plain values, as a component receives them: their numbers may be floats."""
        return cls(
            config["namespace"], config["claim"], config["image"], Resources(**config["resources"]),
            int(config.get("user", USER)), tuple(Volume(**row) for row in config.get("volumes", ())),
            tuple(config.get("pull_secrets", ())),
        )  # fmt: skip


def labels_of(nodes: Nodes) -> dict[str, str]:
    """The job's labels: which queue admits it, and how soon."""
    asked = {QUEUE: nodes.resources.queue, PRIORITY: nodes.resources.priority}
    return {name: value for name, value in asked.items() if value}


def resources_of(nodes: Nodes) -> Body:
    """Requests and limits of each node."""
    asked = {"cpu": nodes.resources.cpu, "memory": nodes.resources.memory}
    if nodes.resources.accelerator:
        asked[nodes.resources.accelerator.type] = str(nodes.resources.accelerator.count)
    return {"requests": dict(asked), "limits": dict(asked)}


def variables_of(nodes: Nodes) -> list[Body]:
    """Environment of the processes."""
    plain = {"HOME": "/tmp", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}  # noqa: S108  the pod's own
    told: list[Body] = [{"name": name, "value": value} for name, value in plain.items()]
    for secret in nodes.resources.secrets:
        source: Body = {"secretKeyRef": {"name": secret.secret, "key": secret.key}}
        told.append({"name": secret.env, "valueFrom": source})
    for given in nodes.resources.config_maps:
        if given.env:
            told.append(
                {"name": given.env, "valueFrom": {"configMapKeyRef": {"name": given.config_map, "key": given.key}}}
            )
    return told


def patch_of(nodes: Nodes, store: Path) -> Body:
    """What the runtime does not know: our claims, nodes and taints, and the profile "restricted"."""
    asked = nodes.resources
    mounted = [*_mounted(nodes, store)]
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    mounts = [mount for _, mount in mounted]
    pod: Body = {
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": nodes.user, "runAsGroup": nodes.user, "fsGroup": nodes.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": list({volume["name"]: volume for volume, _ in mounted}.values()),
        "containers": [{"name": NODE, "volumeMounts": mounts, "securityContext": restricted}],
        "nodeSelector": dict(sorted(asked.node_selector.items())),
        "tolerations": [{k: v for k, v in t.model_dump().items() if v} for t in asked.tolerations],
        "affinity": _affinity(asked.affinity),
        "imagePullSecrets": [{"name": name} for name in nodes.pull_secrets],
    }  # fmt: skip
    job = {"name": NODE, "template": {"spec": {"template": {"spec": {k: v for k, v in pod.items() if v}}}}}
    return {"template": {"spec": {"replicatedJobs": [job]}}}


def _mounted(nodes: Nodes, store: Path) -> Iterator[tuple[Body, Body]]:
    """Volumes with their mounts."""
    memory = {"medium": "Memory"} | (
        {"sizeLimit": nodes.resources.shared_memory} if nodes.resources.shared_memory else {}
    )
    yield from (
        ({"name": "store", "persistentVolumeClaim": {"claimName": nodes.claim}}, _mount("store", str(store))),
        ({"name": "tmp", "emptyDir": {}}, _mount("tmp", "/tmp")),  # noqa: S108
        ({"name": "memory", "emptyDir": memory}, _mount("memory", "/dev/shm")),  # noqa: S108  what processes of a node share
    )
    for volume in nodes.volumes:
        name = "store" if volume.claim == nodes.claim else f"claim-{volume.claim}"[:63].rstrip("-")
        source = {"persistentVolumeClaim": {"claimName": volume.claim}}
        yield {"name": name, **source}, _mount(name, volume.path, volume.sub_path)
    yield from map(_files, (given for given in nodes.resources.config_maps if given.path))


def _mount(name: str, path: str, below: str = "") -> Body:
    return {"name": name, "mountPath": path} | ({"subPath": below} if below else {})


def _files(given: ConfigMapRef) -> tuple[Body, Body]:
    name = f"files-{given.config_map}"[:63].rstrip("-")
    return {"name": name, "configMap": {"name": given.config_map}}, _mount(name, given.path)


def _affinity(wanted: tuple[NodeAffinity, ...]) -> Body:
    terms = [
        (one.weight, {"matchExpressions": [_condition(match.model_dump()) for match in one.match]}) for one in wanted
    ]
    required = [term for weight, term in terms if weight is None]
    preferred = [{"weight": weight, "preference": term} for weight, term in terms if weight is not None]
    told: Body = {}
    if required:
        told["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": required}
    if preferred:
        told["preferredDuringSchedulingIgnoredDuringExecution"] = preferred
    return {"nodeAffinity": told} if told else {}


def _condition(match: Mapping[str, Any]) -> Body:
    return {name: list(value) if name == "values" else value for name, value in match.items() if value}
