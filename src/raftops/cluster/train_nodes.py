"""What the nodes of a TrainJob get: the same that a step's pod gets, as far as Kubeflow Trainer has a place for it.

Not covered: the image pull policy, which is the runtime's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raftops.cluster.api import Body
from raftops.spec.model.platform import NodeAffinity, Resources, Volume
from raftops.spec.model.serving import Kubernetes

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
    """The job's labels: which queue admits it, and with which priority."""
    labels = {QUEUE: nodes.resources.queue, PRIORITY: nodes.resources.priority}
    return {name: value for name, value in labels.items() if value}


def variables_of(nodes: Nodes) -> list[Body]:
    """Environment of the processes."""
    plain = {"HOME": "/tmp", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}  # noqa: S108  the pod's own
    variables: list[Body] = [{"name": name, "value": value} for name, value in plain.items()]
    for secret in nodes.resources.secrets:
        source: Body = {"secretKeyRef": {"name": secret.secret, "key": secret.key}}
        variables.append({"name": secret.env, "valueFrom": source})
    for ref in nodes.resources.config_maps:
        if ref.env:
            source = {"configMapKeyRef": {"name": ref.config_map, "key": ref.key}}
            variables.append({"name": ref.env, "valueFrom": source})
    return variables


def patch_of(nodes: Nodes, store: Path) -> Body:
    """What the runtime does not know: our claims, nodes and taints, and the profile "restricted"."""
    resources = nodes.resources
    memory = {"medium": "Memory"} | ({"sizeLimit": resources.shared_memory} if resources.shared_memory else {})
    volumes: dict[str, Body] = {
        "store": {"persistentVolumeClaim": {"claimName": nodes.claim}},
        "tmp": {"emptyDir": {}},
        "memory": {"emptyDir": memory},  # which the processes of a node share
    }
    mounts = [_mount("store", str(store)), _mount("tmp", "/tmp"), _mount("memory", "/dev/shm")]  # noqa: S108
    for volume in nodes.volumes:
        name = "store" if volume.claim == nodes.claim else f"claim-{volume.claim}"[:63].rstrip("-")
        volumes[name] = {"persistentVolumeClaim": {"claimName": volume.claim}}
        mounts.append(_mount(name, volume.path, volume.sub_path))
    for ref in resources.config_maps:
        if ref.path:
            name = f"files-{ref.config_map}"[:63].rstrip("-")
            volumes[name] = {"configMap": {"name": ref.config_map}}
            mounts.append(_mount(name, ref.path))
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod: Body = {
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": nodes.user, "runAsGroup": nodes.user, "fsGroup": nodes.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [{"name": name, **source} for name, source in volumes.items()],
        "containers": [{"name": NODE, "volumeMounts": mounts, "securityContext": restricted}],
        "nodeSelector": dict(sorted(resources.node_selector.items())),
        "tolerations": [{k: v for k, v in t.model_dump().items() if v} for t in resources.tolerations],
        "affinity": _affinity(resources.affinity),
        "imagePullSecrets": [{"name": name} for name in nodes.pull_secrets],
    }  # fmt: skip
    job = {"name": NODE, "template": {"spec": {"template": {"spec": {k: v for k, v in pod.items() if v}}}}}
    return {"template": {"spec": {"replicatedJobs": [job]}}}


def _mount(name: str, path: str, below: str = "") -> Body:
    return {"name": name, "mountPath": path} | ({"subPath": below} if below else {})


def _affinity(wanted: tuple[NodeAffinity, ...]) -> Body:
    required, preferred = [], []
    for affinity in wanted:
        matches = (match.model_dump() for match in affinity.match)
        # Without what is empty: `Exists` takes no values.
        expressions = [{k: list(v) if k == "values" else v for k, v in match.items() if v} for match in matches]
        term = {"matchExpressions": expressions}
        if affinity.weight is None:
            required.append(term)
        else:
            preferred.append({"weight": affinity.weight, "preference": term})
    node: Body = {}
    if required:
        node["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": required}
    if preferred:
        node["preferredDuringSchedulingIgnoredDuringExecution"] = preferred
    return {"nodeAffinity": node} if node else {}


def resources_of(settings: Kubernetes | Resources) -> Body:
    """Requests and limits of a container, or of a node of a TrainJob: both are the same."""
    amounts = {"cpu": settings.cpu, "memory": settings.memory}
    if settings.accelerator:
        amounts[settings.accelerator.type] = str(settings.accelerator.count)
    return {"requests": dict(amounts), "limits": dict(amounts)}
