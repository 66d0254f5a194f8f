"""Our own image in pods of a real kubelet: the shipped Deployment, and the step deploy with the deployer's rights.

Beside Docker it needs the programs of `tests/cluster/start.py` and `machine.py`; RAFTOPS_TEST_KUBERNETES names their
folder.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import kubernetes.client
import kubernetes.config
import pytest

from pipelines.kubeflow.client import Server as Kubeflow
from pipelines.kubeflow.pod_events import pod_reason
from pipelines.kubeflow.watch import failure
from pipelines.manifests import read
from raftops.cluster.resources import APP, SLOTS, deployment
from raftops.release.current import read_current
from raftops.release.parts import Parts
from raftops.service.client import ask
from raftops.spec.model.base import SecretRef
from raftops.spec.model.serving import Deploy, Kubernetes, Router
from raftops.steps.deploy import deploy
from tests.cluster import machine, start
from tests.cluster.machine import PAUSE, Machine
from tests.cluster.real import Server
from tests.cluster.start import ControlPlane
from tests.docker.callers import token, who, write_keys
from tests.docker.conftest import BASE
from tests.manifests.samples import FOLDER
from tests.service.release_files import TEXTS, UNTUNED, real_parts

pytestmark = [pytest.mark.docker, pytest.mark.cluster, pytest.mark.timeout(3600)]
QUESTION = "How large is the bonus pool?"
NAMESPACE, CLAIM = "raftops", "raftops-store"
GRACE = 90.0
"""Seconds after which the shipped Deployment's pods are killed."""
MOUNTED = "/app/.raftops"
"""Where the shipped Deployment has the store."""


@dataclass(frozen=True)
class Place:
    """A cluster of this machine, and the folder behind its volume."""

    server: Server
    machine: Machine
    store: Path
    parts: Parts
    image: str

    @property
    def core(self) -> kubernetes.client.CoreV1Api:
        return kubernetes.client.CoreV1Api(self.server.client)

    @property
    def apps(self) -> kubernetes.client.AppsV1Api:
        return kubernetes.client.AppsV1Api(self.server.client)

    @property
    def releases(self) -> Path:
        return self.store / "releases" / "handbook"

    def pods(self, selector: str) -> list[Any]:
        """Those that are not told to end."""
        found = self.core.list_namespaced_pod(NAMESPACE, label_selector=selector).items
        return [pod for pod in found if pod.metadata.deletion_timestamp is None]

    def replicas(self, name: str) -> int:
        return int(self.apps.read_namespaced_deployment(name, NAMESPACE).spec.replicas)

    def deploy(self, tmp_path: Path, max_new_tokens: int) -> dict[str, float]:
        """The step, as its component calls it."""
        settings = Kubernetes(
            replicas=1, cpu="250m", memory="2Gi", drain_seconds=5, ready_minutes=5,
            smoke_token=SecretRef(secret="s", key="k", env="SMOKE_TOKEN"),
        )  # fmt: skip
        config = Deploy(
            target="kubernetes", identity=who(f"{self.store}/keys/jwks.json"), smoke_questions=(QUESTION,),
            kubernetes=settings, max_new_tokens=max_new_tokens,
        )  # fmt: skip
        place = {"namespace": NAMESPACE, "claim": CLAIM, "image": self.image, "secrets": []}
        return deploy(config, UNTUNED, Router(), self.parts, self.releases, tmp_path / "artifact", place)


@pytest.fixture(scope="module")
def place(engine: Any, base: str, service_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if absent := [*start.missing(), *machine.missing()]:
        pytest.skip(f"no {', '.join(absent)}: RAFTOPS_TEST_KUBERNETES names the folder that has them")
    folder, store = tmp_path_factory.mktemp("node"), tmp_path_factory.mktemp("store")
    parts = real_parts(tmp_path_factory.mktemp("parts"), store / "cache")
    write_keys(store / "keys")
    for path in (store.parent, store):
        path.chmod(0o755)
    with ControlPlane(folder / "plane") as plane, Machine(folder / "machine", plane.kubeconfig) as node:
        for archive in _archives(engine, service_image, folder):
            node.load(archive)
            archive.unlink()
        node.join()
        client = kubernetes.config.new_client_from_config(str(plane.kubeconfig))
        kubernetes.client.CoreV1Api(client).create_namespace({"metadata": {"name": NAMESPACE}})
        there = Place(Server(NAMESPACE, client), node, store, parts, service_image)
        _volume(there)
        _wait(lambda: bool(there.core.list_node().items), node.log)
        yield there


def _archives(engine: Any, name: str, folder: Path) -> Iterator[Path]:
    (folder / "pause").mkdir()
    (folder / "pause" / "Dockerfile").write_text(f'FROM {BASE}\nCMD ["sleep", "infinity"]\n', encoding="utf-8")
    engine.images.build(path=str(folder / "pause"), tag=PAUSE)
    for number, image in enumerate((PAUSE, name)):
        archive = folder / f"{number}.tar"
        subprocess.run(["docker", "save", "--output", str(archive), image], check=True, capture_output=True)
        yield archive


def _volume(place: Place) -> None:
    """The store as a volume that every pod of this machine may mount."""
    about = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    claim = about | {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": "store"}
    place.core.create_persistent_volume({"metadata": {"name": "store"}, "spec": about | {
        "capacity": {"storage": "1Gi"}, "hostPath": {"path": str(place.store)}}})  # fmt: skip
    place.core.create_namespaced_persistent_volume_claim(NAMESPACE, {"metadata": {"name": CLAIM}, "spec": claim})


def _apply(place: Place, file: str, **told: str) -> None:
    """A file of the base, with our image and, in its config map, what a company would say."""
    kinds = place.server.dynamic(str(place.machine.place / "kinds.json")).resources
    for resource in read(FOLDER / "base" / file):
        body = place.server.fitting(resource.body)
        if resource.kind == "Deployment":
            body["spec"]["template"]["spec"]["containers"][0]["image"] = place.image
        if resource.kind == "ConfigMap":
            body["data"] |= told
        kind = kinds.get(api_version=resource.api_version, kind=resource.kind)
        kind.server_side_apply(body, namespace=NAMESPACE, field_manager="test", force_conflicts=True)


def _wait(until: Callable[[], bool], why: Callable[[], object], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, why()
        time.sleep(0.5)


@pytest.fixture(scope="module")
def released(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The first release, put on the cluster with the rights of the deployer."""
    _apply(place, "deployer.yaml")
    config = place.server.kubeconfig(place.machine.place / "deployer", "raftops-deployer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", config)
        patch.setenv("SMOKE_TOKEN", token("managers"))
        patch.setattr("raftops.cluster.switch.deployment", lambda *of: place.server.fitting(deployment(*of)))
        first = place.deploy(tmp_path_factory.mktemp("first"), 64)
        assert (first["pods"], first["changed"]) == (1, 1)
        second = place.deploy(tmp_path_factory.mktemp("second"), 65)
        assert (second["pods"], second["changed"]) == (1, 1), "the other slot, while the first one serves"
    return place


def address(pod: Any) -> str:
    return f"http://{pod.status.pod_ip}:3000"


def test_the_step_serves_a_release_in_the_other_slot_and_ends_the_first(released: Place) -> None:
    [pod] = released.pods(f"app.kubernetes.io/name={APP}")
    answer = ask(address(pod), token("managers"), QUESTION)
    assert "4.2" in answer["choices"][0]["message"]["content"] and answer["grounded"]
    assert answer["release"] == read_current(released.releases).hash
    assert answer["citations"][0]["quote"] in TEXTS["managers/bonus.md"]
    assert "4.2 percent" not in json.dumps(ask(address(pod), token("employees"), QUESTION))
    assert [released.replicas(f"handbook-{slot}") for slot in SLOTS] == [0, 1]


def test_the_shipped_deployment_becomes_ready_and_ends_well(released: Place) -> None:
    """Everything of it but the image and the address of the keys."""
    _apply(released, "service.yaml", RAFTOPS_IDENTITY=who(f"{MOUNTED}/keys/jwks.json").model_dump_json())
    mine = "app.kubernetes.io/name=raftops-service"
    _wait(lambda: _ready(released.pods(mine)), lambda: [pod.status for pod in released.pods(mine)])
    [pod] = released.pods(mine)
    answer = ask(address(pod), token("managers"), QUESTION)
    assert answer["grounded"] and answer["release"] == read_current(released.releases).hash
    released.apps.patch_namespaced_deployment("raftops-service", NAMESPACE, {"spec": {"replicas": 0}})
    gone = f"metadata.name={pod.metadata.name}"
    _wait(lambda: not released.core.list_namespaced_pod(NAMESPACE, field_selector=gone).items, pod.to_str, GRACE - 15)


HUNGRY = "print('step 3 of 6', flush=True); b = bytearray(300 * 2**20)"
SMALL = {"limits": {"memory": "64Mi"}}


@pytest.mark.parametrize(
    ("container", "pod", "told"),
    [
        ({"command": ["python3", "-c", HUNGRY], "resources": SMALL}, {},
         "out of memory (OOMKilled, limit 64Mi); step 3 of 6"),
        ({"command": ["sh", "-c", f'python3 -c "{HUNGRY}"; exit 1'], "resources": SMALL}, {},
         "out of memory (OOMKilled, limit 64Mi); it was killed, perhaps because memory ran out"),
        ({"command": ["sh", "-c", "echo step 3 of 6; sleep 600"]}, {"activeDeadlineSeconds": 4},
         "its time was over (DeadlineExceeded): raise timeout_minutes in platform.resources"),
        ({"command": ["sh", "-c", "echo no such file >&2; exit 3"]}, {}, "exit code 3; no such file"),
    ],
    ids=["memory", "memory of a child, as below Kubeflow's launcher", "time", "exit code"],
)  # fmt: skip
def test_what_a_kubelet_did_to_a_step_is_what_raftops_says(
    place: Place, monkeypatch: pytest.MonkeyPatch, container: dict[str, Any], pod: dict[str, Any], told: str
) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(place.machine.kubeconfig))
    name = _suffering(place, container, pod)
    _wait(lambda: place.core.read_namespaced_pod(name, NAMESPACE).status.phase == "Failed", place.machine.log)
    error = failure(PodLogs(), _run(name), partial(pod_reason, NAMESPACE))
    assert str(error).startswith(f"train failed: {told}")
    assert error is not None and error.next_step.endswith("raftops logs 3b1e0000 train")
    assert ("raise platform.resources.train.memory" in error.next_step) == ("OOMKilled" in told)


@pytest.mark.parametrize(
    ("container", "told"),
    [
        ({"image": "raftops.test/never:1", "imagePullPolicy": "Never"}, "ErrImageNeverPull: "),
        ({"envFrom": [{"secretRef": {"name": "absent"}}]}, 'CreateContainerConfigError: secret "absent" not found'),
        ({"resources": {"limits": {"nvidia.com/gpu": "1"}}}, "no node takes it: 0/1 nodes are available"),
        ({"resources": {"limits": {"memory": "900Gi"}}}, "no node takes it: 0/1 nodes are available"),
        ({"volumeMounts": [{"name": "gone", "mountPath": "/gone"}]}, "FailedMount: "),
    ],
    ids=["image", "secret", "gpu", "memory", "volume"],
)  # fmt: skip
def test_what_a_pod_of_a_real_kubelet_waits_for_is_said(
    place: Place, monkeypatch: pytest.MonkeyPatch, container: dict[str, Any], told: str
) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(place.machine.kubeconfig))
    volumes = [{"name": "gone", "configMap": {"name": "absent"}}] if "volumeMounts" in container else []
    name = _suffering(place, {"command": ["sleep", "600"], **container}, {"volumes": volumes})
    why = partial(pod_reason, NAMESPACE)
    _wait(lambda: why(name).startswith(told), lambda: why(name))
    place.core.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)


class PodLogs(Kubeflow):
    """Kubeflow's server as far as a failure asks it: the logs of pods, here as the kubelet wrote them."""

    def __init__(self) -> None:
        """Needs no address."""

    def log(self, run_id: str, pod: str) -> str:
        [file] = Path("/var/log/pods").glob(f"{NAMESPACE}_{pod}_*/main/0.log")
        return "\n".join(line.split(" ", 3)[3] for line in file.read_text(encoding="utf-8").splitlines())


def _suffering(place: Place, container: dict[str, Any], pod: dict[str, Any]) -> str:
    """A pod of a step, as Kubeflow names its container; its name."""
    main = {"name": "main", "image": PAUSE, "imagePullPolicy": "Never"} | container
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [main]} | pod
    body = {"metadata": {"generateName": "train-", "labels": {"app": "suffering"}}, "spec": spec}
    return str(place.core.create_namespaced_pod(NAMESPACE, body).metadata.name)


def _run(pod: str) -> dict[str, Any]:
    """A run as Kubeflow's server tells it, whose step train failed in this pod."""
    nodes = [
        {"display_name": "train", "state": "FAILED", "child_tasks": [{"pod_name": pod}]},
        {"display_name": "executor", "state": "FAILED", "pod_name": pod},
    ]
    return {"run_id": "3b1e0000", "state": "FAILED", "run_details": {"task_details": nodes}}


def _ready(pods: list[Any]) -> bool:
    states = [state for pod in pods for state in pod.status.container_statuses or []]
    return bool(states) and all(state.ready for state in states)
