"""What only Kubernetes understands: nodes, mounts, secrets, time, user. Written as kfp.kubernetes' setters write it.

Those setters load the client of Kubernetes' API, which takes a second; what they leave behind is a plain mapping (the
message KubernetesExecutorConfig), so it is written here, and a test holds it against them.

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
from raftops.spec.model.base import SecretRef, Toleration
from raftops.spec.model.platform import ConfigMapRef, NodeAffinity, Platform, Resources, Volume

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
    """Whether the pod starts where a secret is not there, without its variable."""

    def message(self) -> Message:
        """The pod as KubernetesExecutorConfig, without what is not set."""
        told = self._everywhere() | _resources(self.wanted)
        told["emptyDirMounts"] = [*_folders(self.folders, self.platform), *told.get("emptyDirMounts", ())]
        return {name: value for name, value in told.items() if value}

    def _everywhere(self) -> Message:
        platform = self.platform
        user = str(platform.run_as_user)
        return {
            "secretAsEnv": [_secret(secret, self.optional) for secret in self.secrets],
            "pvcMount": [_mount(volume) for volume in _volumes(platform)],
            "imagePullPolicy": platform.image_pull_policy,
            "imagePullSecret": [_named("secretName", name) for name in platform.image_pull_secrets],
            "podMetadata": {"labels": self._labels(), "annotations": dict(sorted(self.annotations.items()))},
            "securityContext": {"runAsUser": user, "runAsGroup": user, "runAsNonRoot": True},
        }

    def _labels(self) -> dict[str, str]:
        asked = {label: getattr(self.wanted, name) for name, label in KUEUE.items()}
        return dict(sorted({**self.labels, **{label: value for label, value in asked.items() if value}}.items()))


def _resources(wanted: Resources) -> Message:
    told: Message = {
        "activeDeadlineSeconds": str(wanted.timeout_minutes * 60),
        "tolerations": [_toleration(toleration) for toleration in wanted.tolerations],
        "nodeAffinity": [_affinity(affinity) for affinity in wanted.affinity],
        "configMapAsEnv": [_config_variable(ref) for ref in wanted.config_maps if ref.env],
        "configMapAsVolume": [_config_files(ref) for ref in wanted.config_maps if ref.path],
    }
    if wanted.node_selector:
        told["nodeSelector"] = {"nodeSelectorJson": _constant(dict(sorted(wanted.node_selector.items())))}
    if wanted.shared_memory:
        memory = {"volumeName": "shared-memory", "mountPath": "/dev/shm", "medium": "Memory"}
        told["emptyDirMounts"] = [memory | {"sizeLimit": wanted.shared_memory}]
    return told


def _folders(folders: Sequence[str], platform: Platform) -> list[Message]:
    """An empty volume for each folder; none where a claim is mounted there."""
    claimed = {str(PurePosixPath(volume.path)) for volume in _volumes(platform)}
    wanted = [folder for folder in folders if folder not in claimed]
    return [{"volumeName": f"raftops-data-{number}", "mountPath": folder} for number, folder in enumerate(wanted, 1)]


def _volumes(platform: Platform) -> list[Volume]:
    """The store's claim where there is one, then the others."""
    if platform.workspace is None:
        return list(platform.volumes)
    return [Volume(claim=platform.workspace, path=str(PROJECT / platform.store)), *platform.volumes]


def _constant(value: Any) -> Message:
    return {"runtimeValue": {"constant": value}}


def _named(key: str, name: str) -> Message:
    """A resource by name, as older and as newer servers read it."""
    return {key: name, f"{key}Parameter": _constant(name)}


def _secret(ref: SecretRef, optional: bool) -> Message:
    keys = [{"secretKey": ref.key, "envVar": ref.env}]
    return _named("secretName", ref.secret) | {"keyToEnv": keys, "optional": optional}


def _config_variable(ref: ConfigMapRef) -> Message:
    keys = [{"configMapKey": ref.key, "envVar": ref.env}]
    return _named("configMapName", ref.config_map) | {"keyToEnv": keys, "optional": False}


def _config_files(ref: ConfigMapRef) -> Message:
    return _named("configMapName", ref.config_map) | {"mountPath": ref.path, "optional": False}


def _mount(volume: Volume) -> Message:
    told = {"constant": volume.claim, "pvcNameParameter": _constant(volume.claim), "mountPath": volume.path}
    return told | ({"subPath": volume.sub_path} if volume.sub_path else {})


def _toleration(toleration: Toleration) -> Message:
    told = {"key": toleration.key, "operator": toleration.operator, "value": toleration.value}
    return {name: value for name, value in (told | {"effect": toleration.effect}).items() if value}


def _affinity(affinity: NodeAffinity) -> Message:
    conditions = [
        {"key": m.key, "operator": m.operator} | ({"values": list(m.values)} if m.values else {})
        for m in affinity.match
    ]  # fmt: skip
    return {"matchExpressions": conditions} | ({"weight": affinity.weight} if affinity.weight else {})
