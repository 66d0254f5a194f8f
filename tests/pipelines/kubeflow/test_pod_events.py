"""Against a few lines that answer as Kubernetes' API does, by its real client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from pipelines.kubeflow.pod_events import connect, pod_reason

ANSWERS: dict[str, Any] = {}


class _Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.send_response(200 if path in ANSWERS else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(ANSWERS.get(path, {})).encode())

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Kubernetes API on loopback, named by KUBECONFIG."""
    ANSWERS.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as api:
        Thread(target=api.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{api.server_port}"
        settings = {
            "clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x",
        }  # fmt: skip
        file = tmp_path / "kubeconfig"
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
        yield url
        api.shutdown()


Reason = Callable[..., str]


@pytest.fixture
def reason(cluster: str) -> Reason:
    """Why a pod with this status is as it is."""

    def ask(events: tuple[tuple[str, str], ...] = (), **status: Any) -> str:
        spec = {"containers": [{"name": "main", "resources": {"limits": {"memory": "2Gi"}}}, {"name": "wait"}]}
        pod = {"metadata": {"name": "p"}, "spec": spec, "status": status}
        ANSWERS["/api/v1/namespaces/kubeflow/pods/p"] = pod
        items = [{"metadata": {}, "involvedObject": {}, "reason": r, "message": m} for r, m in events]
        ANSWERS["/api/v1/namespaces/kubeflow/events"] = {"items": items}
        return pod_reason("kubeflow", "p")

    return ask


def container(name: str, **state: Any) -> dict[str, Any]:
    return {"name": name, "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}


def test_out_of_memory_names_the_limit(reason: Reason) -> None:
    killed = container("main", terminated={"exitCode": 137, "reason": "OOMKilled"})
    assert reason(containerStatuses=[killed]) == "out of memory (OOMKilled, limit 2Gi)"


def test_our_container_comes_before_argos(reason: Reason) -> None:
    wait = container("wait", terminated={"exitCode": 64})
    assert reason(containerStatuses=[wait, container("main", terminated={"exitCode": 3})]) == "exit code 3"


def test_an_exit_code_of_a_signal_is_explained(reason: Reason) -> None:
    assert "killed" in reason(containerStatuses=[container("main", terminated={"exitCode": 137, "reason": "Error"})])


def test_an_image_that_cannot_be_pulled_is_said(reason: Reason) -> None:
    waiting = container("main", waiting={"reason": "ImagePullBackOff", "message": "Back-off pulling image x"})
    assert reason(containerStatuses=[waiting]) == "ImagePullBackOff: Back-off pulling image x"


def test_a_pod_without_a_node_is_said(reason: Reason) -> None:
    message = "0/5 nodes are available: 5 Insufficient nvidia.com/gpu."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    assert reason(conditions=[condition]) == f"no node takes it: {message}"


def test_a_pod_past_its_time_is_said(reason: Reason) -> None:
    assert "timeout_minutes" in reason(reason="DeadlineExceeded", message="active on the node longer")


@pytest.mark.parametrize(("why", "told"), [("DeadlineExceeded", "its time was over"), ("Evicted", "Evicted: low")])
def test_why_a_pod_was_ended_comes_before_the_kill_of_its_containers(reason: Reason, why: str, told: str) -> None:
    """Kubelets since 1.22 keep the containers' exit codes of a pod that they ended."""
    killed = container("main", terminated={"exitCode": 137, "reason": "Error"})
    assert reason(reason=why, message="low", containerStatuses=[killed]).startswith(told)


def test_an_evicted_pod_is_said(reason: Reason) -> None:
    assert reason(reason="Evicted", message="low on disk") == "Evicted: low on disk"


def test_else_the_newest_warning(reason: Reason) -> None:
    creating = container("main", waiting={"reason": "ContainerCreating"})
    said = reason((("Old", "x"), ("FailedMount", "no secret hf")), containerStatuses=[creating])
    assert said == "FailedMount: no secret hf"


def test_a_healthy_pod_has_no_reason(reason: Reason) -> None:
    assert reason(containerStatuses=[container("main", terminated={"exitCode": 0})]) == ""


def test_a_pod_that_is_gone_has_none(cluster: str) -> None:
    assert pod_reason("kubeflow", "gone") == ""


def test_without_a_cluster_nobody_can_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    assert connect() is None
    assert pod_reason("kubeflow", "p") == ""
