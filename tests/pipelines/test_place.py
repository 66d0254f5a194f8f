from __future__ import annotations

from typing import Any

import pytest
import yaml

from pipelines.compile import compile_spec

TRAIN = {
    "cpu": "500m",
    "memory": "16Gi",
    "accelerator": {"type": "nvidia.com/gpu", "count": 2},
    "node_selector": {"pool": "gpu"},
    "tolerations": [{"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}, {"key": "spot"}],
    "secrets": [{"secret": "hub", "key": "token", "env": "HF_TOKEN"}],
    "timeout_minutes": 5,
    "retries": 2,
}


def compiled(project: Any, **platform: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pipeline, and what Kubernetes is told for each executor."""
    project.spec["spec"]["platform"] = platform
    pipeline, *rest = yaml.safe_load_all(compile_spec(project.load()).text)
    assert len(rest) <= 1
    kubernetes = rest[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if rest else {}
    return pipeline, kubernetes


def container(pipeline: dict[str, Any], step: str) -> dict[str, Any]:
    return dict(pipeline["deploymentSpec"]["executors"][f"exec-{step}"]["container"])


def test_a_step_gets_the_resources_of_the_spec_and_no_other_does(project: Any) -> None:
    pipeline, _ = compiled(project, resources={"train": TRAIN})
    resources = container(pipeline, "train")["resources"]
    assert (resources["resourceCpuLimit"], resources["resourceMemoryRequest"]) == ("500m", "16Gi")
    assert resources["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert resources["accelerator"]["resourceCount"] == "2"
    assert "resources" not in container(pipeline, "evaluate")


def test_nodes_secrets_and_time_reach_kubernetes(project: Any) -> None:
    _, kubernetes = compiled(project, resources={"train": TRAIN})
    train = kubernetes["exec-train"]
    assert train["activeDeadlineSeconds"] == "300"
    assert train["nodeSelector"]["nodeSelectorJson"]["runtimeValue"]["constant"] == {"pool": "gpu"}
    assert [t["key"] for t in train["tolerations"]] == ["gpu", "spot"]
    [secret] = train["secretAsEnv"]
    assert (secret["secretName"], secret["keyToEnv"]) == ("hub", [{"secretKey": "token", "envVar": "HF_TOKEN"}])


def test_retries_are_the_tasks(project: Any) -> None:
    pipeline, _ = compiled(project, resources={"train": TRAIN})
    assert pipeline["root"]["dag"]["tasks"]["train"]["retryPolicy"]["maxRetryCount"] == 2
    assert "retryPolicy" not in pipeline["root"]["dag"]["tasks"]["index"]


def test_every_step_has_its_own_image_from_the_registry_of_the_spec(project: Any) -> None:
    pipeline, _ = compiled(project, registry="registry.example/team")
    for step in ("validate", "deploy"):
        assert container(pipeline, step)["image"].startswith(f"registry.example/team/{step}:")


def test_the_token_of_milvus_reaches_the_steps_that_talk_to_it(project: Any) -> None:
    token = {"secret": "milvus", "key": "token", "env": "MILVUS_TOKEN"}
    _, kubernetes = compiled(project, milvus={"uri": "https://milvus.example:19530", "token": token})
    assert set(kubernetes) == {"exec-index", "exec-augment", "exec-evaluate", "exec-deploy"}
    assert all(given["secretAsEnv"][0]["secretName"] == "milvus" for given in kubernetes.values())


def test_no_value_of_a_secret_is_in_the_compiled_file(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "s3cret-value")
    project.spec["spec"]["platform"] = {"resources": {"train": TRAIN}}
    assert "s3cret-value" not in compile_spec(project.load()).text


@pytest.mark.parametrize("memory", ["512Mi", "8Gi", "2Ti", "500M", "3G"])
@pytest.mark.parametrize("cpu", ["2", "0.5", "500m"])
def test_every_quantity_that_a_spec_may_say_compiles(project: Any, cpu: str, memory: str) -> None:
    compiled(project, resources={"index": {"cpu": cpu, "memory": memory}})
