"""What only Kubernetes understands: nodes, mounts, secrets, time, user. Written as kfp.kubernetes' setters write it.

Those setters load the client of Kubernetes' API, which takes a second; what they leave behind is a plain mapping (the
message KubernetesExecutorConfig), so it is written here, and a test compares the two.

Of the profile "restricted" a task can say user, group and that it is not root. KFP's server adds the rest to every
container (no privilege escalation, no capabilities, seccomp RuntimeDefault), and the namespace's label refuses pods
without them. KFP has no setter for a priority class, a service account or `fsGroup`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from raftops.spec.check_pods import PROJECT
from raftops.spec.model.base import SecretRef
from raftops.spec.model.platform import NodeAffinity, Platform, Resources, Volume

KUEUE = {"priority": "kueue.x-k8s.io/priority-class", "queue": "kueue.x-k8s.io/queue-name"}
Message = dict[str, Any]


@dataclass(frozen=True)
class Pod:
    """What one task's pod gets."""

    platform: Platform
    wanted: Resources
    secrets: Sequence[SecretRef] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[str] = ()
    """Empty folders that the step fills."""
    optional: bool = False
    """Whether the pod starts without a missing secret and its variable."""

    def message(self) -> Message:
        """The pod as KubernetesExecutorConfig, without what is not set."""
        platform, wanted, user = self.platform, self.wanted, str(self.platform.run_as_user)
        volumes = list(platform.volumes)
        if platform.workspace is not None:  # the store's claim comes first
            volumes.insert(0, Volume(claim=platform.workspace, path=str(PROJECT / platform.store)))
        claimed = {str(PurePosixPath(volume.path)) for volume in volumes}
        # Files that the step fetches need an empty volume, except where a claim is mounted.
        fetched = [folder for folder in self.folders if folder not in claimed]
        empty = [{"volumeName": f"raftops-data-{n}", "mountPath": folder} for n, folder in enumerate(fetched, 1)]
        if wanted.shared_memory:
            memory = {"volumeName": "shared-memory", "mountPath": "/dev/shm", "medium": "Memory"}
            empty.append(memory | {"sizeLimit": wanted.shared_memory})
        queued = {label: value for name, label in KUEUE.items() if (value := getattr(wanted, name))}
        message = _resources(wanted) | {
            "emptyDirMounts": empty,
            "secretAsEnv": [
                _named("secretName", secret.secret)
                | {"keyToEnv": [{"secretKey": secret.key, "envVar": secret.env}], "optional": self.optional}
                for secret in self.secrets
            ],
            "pvcMount": [
                {"constant": v.claim, "pvcNameParameter": _constant(v.claim), "mountPath": v.path}
                | ({"subPath": v.sub_path} if v.sub_path else {})
                for v in volumes
            ],
            "imagePullPolicy": platform.image_pull_policy,
            "imagePullSecret": [_named("secretName", name) for name in platform.image_pull_secrets],
            "podMetadata": {
                "labels": dict(sorted({**self.labels, **queued}.items())),
                "annotations": dict(sorted(self.annotations.items())),
            },
            "securityContext": {"runAsUser": user, "runAsGroup": user, "runAsNonRoot": True},
        }
        return {name: value for name, value in message.items() if value}


def _resources(wanted: Resources) -> Message:
    """What a step asks for beside cpu, memory and accelerators, which KFP itself sets."""
    message: Message = {
        "activeDeadlineSeconds": str(wanted.timeout_minutes * 60),
        "tolerations": [
            {name: value for name in ("key", "operator", "value", "effect") if (value := getattr(toleration, name))}
            for toleration in wanted.tolerations
        ],
        "nodeAffinity": [_affinity(affinity) for affinity in wanted.affinity],
        "configMapAsEnv": [
            _named("configMapName", ref.config_map)
            | {"keyToEnv": [{"configMapKey": ref.key, "envVar": ref.env}], "optional": False}
            for ref in wanted.config_maps
            if ref.env
        ],
        "configMapAsVolume": [
            _named("configMapName", ref.config_map) | {"mountPath": ref.path, "optional": False}
            for ref in wanted.config_maps
            if ref.path
        ],
    }
    if wanted.node_selector:
        message["nodeSelector"] = {"nodeSelectorJson": _constant(dict(sorted(wanted.node_selector.items())))}
    return message


def _constant(value: Any) -> Message:
    return {"runtimeValue": {"constant": value}}


def _named(key: str, name: str) -> Message:
    """A resource by name, as older and as newer servers read it."""
    return {key: name, f"{key}Parameter": _constant(name)}


def _affinity(affinity: NodeAffinity) -> Message:
    conditions = [
        {"key": m.key, "operator": m.operator} | ({"values": list(m.values)} if m.values else {})
        for m in affinity.match
    ]  # fmt: skip
    return {"matchExpressions": conditions} | ({"weight": affinity.weight} if affinity.weight else {})
