"""A node by hand, for a real control plane without a kubelet: what is scheduled on it is said to run.

Scheduler, deployments, replica sets, quotas and volumes are the server's own. A pod here is an HTTP server on loopback
(`kubelet.Pod`); an image with the tag `missing` is never pulled.
"""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime
from typing import Any

import kubernetes.client
from kubernetes.client.exceptions import ApiException

from raftops.cluster.resources import SLOT
from tests.cluster.kubelet import Pod
from tests.cluster.real import Server

NAME = "raftops-test-node"
LOOK_SECONDS = 0.3


class Node:
    """Use it in a `with` block."""

    def __init__(self, server: Server) -> None:
        self.namespace, self.core = server.namespace, kubernetes.client.CoreV1Api(server.client)
        self.pods = dict[str, Pod]()
        self.made = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Node:
        self.core.create_node({"metadata": {"name": NAME, "labels": {"kubernetes.io/hostname": NAME}}})
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(20)
        for pod in self.pods.values():
            pod.end()

    def serving(self) -> list[Pod]:
        """The pods that the Service selects now."""
        selector = self.core.read_namespaced_service("handbook", self.namespace).spec.selector
        return [pod for name, pod in self.pods.items() if f"-{selector[SLOT]}-" in name]

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.core.patch_node_status(NAME, {"status": _alive()})
            mine = self.core.list_namespaced_pod(self.namespace, field_selector=f"spec.nodeName={NAME}").items
            for pod in mine:
                try:
                    self._look(pod)
                except ApiException as error:  # it changed meanwhile: looked at again
                    assert error.status in (404, 409), error

    def _look(self, pod: Any) -> None:
        name = pod.metadata.name
        if pod.metadata.deletion_timestamp:
            if name in self.pods:
                self.pods.pop(name).end()
            self.core.delete_namespaced_pod(name, self.namespace, grace_period_seconds=0)
        elif name not in self.pods and not pod.status.container_statuses:
            self.core.patch_namespaced_pod_status(name, self.namespace, {"status": self._started(name, pod)})

    def _started(self, name: str, pod: Any) -> dict[str, Any]:
        container = pod.spec.containers[0]
        status = {"name": container.name, "image": container.image, "imageID": "", "restartCount": 0}
        if container.image.endswith(":missing"):
            waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{container.image}"'}
            stuck = status | {"ready": False, "state": {"waiting": waiting}}
            return {"phase": "Pending", "conditions": _conditions("False"), "containerStatuses": [stuck]}
        self.made += 1
        address = f"127.1.{self.made // 200 + 1}.{self.made % 200 + 1}"
        told = self.core.read_namespaced_config_map(container.env_from[0].config_map_ref.name, self.namespace).data
        self.pods[name] = Pod(name, address, container.ports[0].container_port, told, container.image)
        runs = status | {"ready": True, "state": {"running": {"startedAt": _now()}}}
        return {
            "phase": "Running", "conditions": _conditions("True"), "containerStatuses": [runs], "podIP": address,
            "podIPs": [{"ip": address}],
        }  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _alive() -> dict[str, Any]:
    size = {"cpu": "64", "memory": "256Gi", "pods": "200"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": _now()}
    return {"capacity": size, "allocatable": size, "conditions": [ready]}


def _conditions(ready: str) -> list[dict[str, str]]:
    return [{"type": name, "status": ready, "lastTransitionTime": _now()} for name in ("Ready", "ContainersReady")]
