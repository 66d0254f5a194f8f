"""The stand-in under Kubeflow's own command line and client: what works on it works on the real server."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kfp.client
import kfp_server_api
import pytest

from tests.standin.runs import scripted
from tests.standin.server import Cluster, Server
from tests.standin.tiny import DONE, compiled

pytestmark = pytest.mark.slow

TOKEN = "a-secret-token"


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(scripted(*DONE))


@pytest.fixture
def server(cluster: Cluster) -> Iterator[Server]:
    with Server(cluster) as server:
        yield server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(compiled(), encoding="utf-8")
    return path


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    return client_of(server)


def client_of(server: Server, **more: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kfp.client.Client(host=server.url, **more)


def cli(server: Server, *words: object, code: int = 0) -> str:
    command = [str(Path(sys.executable).parent / "kfp"), "--endpoint", server.url, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    assert done.returncode == code, done.stderr[-2000:]
    return done.stdout + done.stderr


def test_kfp_run_create_starts_a_run_that_kfp_sees_end(server: Server, cluster: Cluster, file: Path) -> None:
    said = cli(server, "run", "create", "-e", "handbook", "-f", file, "-w")
    assert "Run is finished with state SUCCEEDED." in said
    [run] = cluster.runs.values()
    assert run.body["display_name"] == "handbook"
    assert [task.state for task in run.tasks.values()] == ["SUCCEEDED"] * 7
    assert run.run_id in cli(server, "run", "list")


def test_the_client_submits_waits_and_finds_the_run_again(client: Any, file: Path) -> None:
    made = client.create_run_from_pipeline_package(str(file), experiment_name="handbook")
    ended = client.wait_for_run_completion(made.run_id, timeout=60, sleep_duration=0)
    assert ended.state == "SUCCEEDED"
    names = [detail.display_name for detail in ended.run_details.task_details]
    assert {"root-driver", "train-driver", "train", "executor"} <= set(names)
    experiment = client.get_experiment(experiment_name="handbook").experiment_id
    assert [run.run_id for run in client.list_runs(experiment_id=experiment).runs] == [made.run_id]


def test_an_experiment_is_made_once(client: Any) -> None:
    assert client.create_experiment("one").experiment_id == client.create_experiment("one").experiment_id


def test_a_run_is_terminated_archived_and_deleted(client: Any, cluster: Cluster, file: Path) -> None:
    cluster.start = scripted({"run": "RUNNING", "validate": "RUNNING"}, *[{}] * 9)
    run = client.create_run_from_pipeline_package(str(file), experiment_name="x").run_id
    client.get_run(run)
    client.terminate_run(run)
    assert client.get_run(run).state == "CANCELED"
    with pytest.raises(kfp_server_api.ApiException, match="not terminatable"):
        client.terminate_run(run)
    client.archive_run(run)
    assert client.get_run(run).storage_state == "ARCHIVED"
    client.delete_run(run)
    with pytest.raises(kfp_server_api.ApiException, match="not found"):
        client.get_run(run)


def test_an_uploaded_pipeline_and_its_second_version_run(client: Any, file: Path) -> None:
    pipeline = client.upload_pipeline(str(file), pipeline_name="tiny")
    version = client.upload_pipeline_version(str(file), "second", pipeline_id=pipeline.pipeline_id)
    experiment = client.create_experiment("x").experiment_id
    run = client.run_pipeline(
        experiment, "a run", pipeline_id=pipeline.pipeline_id, version_id=version.pipeline_version_id
    )
    assert client.get_run(run.run_id).state == "RUNNING"
    assert client.get_pipeline_id("tiny") == pipeline.pipeline_id
    assert client.list_pipeline_versions(pipeline.pipeline_id).total_size == 2


def test_a_token_is_asked_for_and_a_reader_may_not_write(cluster: Cluster, file: Path) -> None:
    cluster.token, cluster.readers = TOKEN, ("reader",)
    with Server(cluster) as server:
        assert "tiny" in cli(server, "--existing-token", TOKEN, "run", "create", "-e", "tiny", "-f", file)
        reader = client_of(server, existing_token="reader", namespace="any")
        with pytest.raises(kfp_server_api.ApiException, match="PermissionDenied"):
            reader.run_pipeline(next(iter(cluster.experiments)), "x", str(file))
        stranger = client_of(server, existing_token="wrong", namespace="any")
        with pytest.raises(kfp_server_api.ApiException, match="Unauthenticated"):
            stranger.list_runs()


def test_a_multi_user_server_wants_a_namespace(file: Path) -> None:
    with Server(Cluster(scripted(*DONE), multi_user=True)) as server:
        with pytest.raises(kfp_server_api.ApiException, match="namespace cannot be empty"):
            client_of(server).create_experiment("x")
        assert "team" in client_of(server, namespace="team").create_experiment("x").namespace
