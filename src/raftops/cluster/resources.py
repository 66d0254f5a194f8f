"""What a release is on a cluster: a ConfigMap, a Deployment in one of two slots, and a Service that selects a slot.

Written as server-side apply takes it: every field here is ours. `replicas` is left out, so that an autoscaler may own
it. The pods fit the profile "restricted".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from raftops.cluster.train_nodes import resources_of
from raftops.files import sha256_json
from raftops.spec.model.base import SecretRef
from raftops.spec.model.serving import Kubernetes

Body = dict[str, Any]
Slot = Literal["blue", "green"]
SLOTS: tuple[Slot, Slot] = ("blue", "green")
APP = "raftops-assistant"
SLOT = "raftops.io/slot"
RELEASE = "raftops.io/release"
REVISION = "raftops.io/revision"
REPLICAS = "raftops.io/replicas"
"""What the spec asked for when the pods were started; an autoscaler may have gone on from there."""
USER = 10001
PORT = 3000
METRICS_PORT = 9464
LEAVE_SECONDS = 10
"""Between the order to end and the end: until no proxy sends new questions."""
COMMAND = ["python", "-m", "bentoml", "serve", "raftops.service.service:RaftopsService"]


@dataclass(frozen=True)
class Serving:
    """One release of one assistant, as a cluster serves it."""

    name: str
    """The assistant's."""
    release: str
    """First digits of the hash."""
    image: str
    claim: str
    """Volume claim with the releases."""
    store: str
    """Absolute path of the folder that the claim holds; the release lies below it."""
    environment: Mapping[str, str]
    """Settings of the service, without secrets."""
    settings: Kubernetes
    secrets: tuple[SecretRef, ...] = ()
    timeout_seconds: float = 60.0
    port: int = PORT
    pull_secrets: tuple[str, ...] = ()
    """Credentials for the registry of the image."""
    metrics_port: int = METRICS_PORT
    """For Prometheus, and for who waits until a pod has nothing to do; a network policy keeps others out."""

    @property
    def revision(self) -> str:
        """Identity of what runs: release, settings and image."""
        return sha256_json([pod_template(self, "blue"), dict(self.environment)])[:16]


def labels(name: str, slot: Slot) -> dict[str, str]:
    """What the pods of a slot have, and what selects them."""
    return {"app.kubernetes.io/name": APP, "app.kubernetes.io/instance": name, SLOT: slot}


def config_map(serving: Serving, slot: Slot) -> Body:
    """The environment of a slot's pods."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{serving.name}-{slot}", "labels": labels(serving.name, slot)},
        "data": dict(sorted(serving.environment.items())),
    }


def deployment(serving: Serving, slot: Slot) -> Body:
    """The pods of a slot."""
    template = pod_template(serving, slot)
    template["metadata"]["annotations"] = {RELEASE: serving.release, REVISION: serving.revision}
    about = {RELEASE: serving.release, REVISION: serving.revision, REPLICAS: str(serving.settings.replicas)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{serving.name}-{slot}", "labels": labels(serving.name, slot), "annotations": about},
        "spec": {
            "selector": {"matchLabels": labels(serving.name, slot)},
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": serving.settings.ready_minutes * 60,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": template,
        },
    }


def replicas(name: str, slot: Slot, count: int) -> Body:
    """How many pods a slot has; applied by a manager of its own, for an autoscaler may take it over."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{name}-{slot}"},
        "spec": {"replicas": count},
    }


def service(name: str, slot: Slot, release: str, port: int = PORT) -> Body:
    """The address of the assistant: all traffic goes to one slot."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/name": APP, "app.kubernetes.io/instance": name},
            "annotations": {RELEASE: release},
        },
        "spec": {
            "selector": labels(name, slot),
            "ports": [
                {"name": "http", "port": 80, "targetPort": port, "protocol": "TCP"},
                {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"},
            ],
        },
    }


def pod_template(serving: Serving, slot: Slot) -> Body:
    """One pod of the service."""
    settings = serving.settings
    restricted = {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER}
    spec: Body = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": LEAVE_SECONDS + round(serving.timeout_seconds) + 15,
        "securityContext": restricted | {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(serving, slot)],
        "volumes": [
            {"name": "store", "persistentVolumeClaim": {"claimName": serving.claim, "readOnly": True}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "8Gi"}},
        ],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels(serving.name, slot)},
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
    }
    if settings.node_selector:
        spec["nodeSelector"] = dict(sorted(settings.node_selector.items()))
    if settings.tolerations:
        tolerations = (toleration.model_dump() for toleration in settings.tolerations)
        spec["tolerations"] = [{key: value for key, value in one.items() if value} for one in tolerations]
    if serving.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in serving.pull_secrets]
    return {"metadata": {"labels": labels(serving.name, slot)}, "spec": spec}


def _container(serving: Serving, slot: Slot) -> Body:
    graceful = str(round(serving.timeout_seconds) + 5)
    return {
        "name": "service",
        "image": serving.image,
        "command": COMMAND,
        "args": ["--host", "0.0.0.0", "--port", str(serving.port), "--timeout-graceful-shutdown", graceful],
        "envFrom": [{"configMapRef": {"name": f"{serving.name}-{slot}"}}],
        "env": [
            {"name": ref.env, "valueFrom": {"secretKeyRef": {"name": ref.secret, "key": ref.key}}}
            for ref in serving.secrets
        ],
        "ports": [
            {"name": "http", "containerPort": serving.port, "protocol": "TCP"},
            {"name": "metrics", "containerPort": serving.metrics_port, "protocol": "TCP"},
        ],
        "startupProbe": _probe("/livez", serving.port, periodSeconds=2, failureThreshold=60),
        "livenessProbe": _probe("/livez", serving.port, periodSeconds=10, timeoutSeconds=5, failureThreshold=6),
        "readinessProbe": _probe("/readyz", serving.port, periodSeconds=5, timeoutSeconds=3, failureThreshold=2),
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_SECONDS}}},
        "resources": resources_of(serving.settings),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "store", "mountPath": serving.store, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _probe(path: str, port: int, **timing: int) -> Body:
    return {"httpGet": {"path": path, "port": port}, **timing}
