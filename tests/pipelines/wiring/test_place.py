from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp import dsl, kubernetes
from kfp.kubernetes import kubernetes_executor_config_pb2

from pipelines.wiring.compile import compile_spec
from pipelines.wiring.pods import Pod
from raftops.errors import SpecError
from raftops.spec.model.platform import USUAL, Platform, Resources
from tests.pipelines.wiring.test_compile import tasks_of

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


def test_a_step_gets_the_resources_of_the_spec_and_another_what_is_usual(project: Any) -> None:
    pipeline, _ = compiled(project, resources={"train": TRAIN})
    resources = container(pipeline, "train")["resources"]
    assert (resources["resourceCpuLimit"], resources["resourceMemoryRequest"]) == ("500m", "16Gi")
    assert resources["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert resources["accelerator"]["resourceCount"] == "2"
    assert "accelerator" not in container(pipeline, "evaluate")["resources"]


BUCKET = {
    "uri": "s3://data/dvc", "access_key": {"secret": "bucket", "key": "id", "env": "DATA_KEY"},
    "secret_key": {"secret": "bucket", "key": "secret", "env": "DATA_SECRET"},
}  # fmt: skip


class TestDataFromABucket:
    """The pods that read files of the project are brought them."""

    @staticmethod
    def compiled(project: Any, **platform: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        project.write("data.dvc", f"outs: [{{hash: md5, path: data, md5: {'a' * 32}.dir}}]")
        project.spec["spec"]["data"]["dvc"] = "data.dvc"
        return compiled(project, dvc=BUCKET, **platform)

    def test_those_that_read_it_get_an_empty_folder_and_the_keys(self, project: Any) -> None:
        _, pods = self.compiled(project, shards=2)
        brought = {name for name, pod in pods.items() if pod.get("emptyDirMounts")}
        assert brought == {"exec-validate", "exec-ingest", "exec-ingest-documents", "exec-ingest-shard"}
        for name in brought:
            assert pods[name]["emptyDirMounts"] == [{"volumeName": "raftops-data-1", "mountPath": "/app/data"}]
            given = [row["envVar"] for secret in pods[name]["secretAsEnv"] for row in secret["keyToEnv"]]
            assert given == ["DATA_KEY", "DATA_SECRET"]
        assert not any(pod.get("secretAsEnv") for name, pod in pods.items() if name not in brought)

    def test_a_claim_that_is_mounted_there_is_in_nobodys_way(self, project: Any) -> None:
        _, pods = self.compiled(project, volumes=[{"claim": "documents", "path": "/app/data"}])
        assert not any(pod.get("emptyDirMounts") for pod in pods.values())

    def test_where_it_comes_from_is_no_part_of_a_key(self, project: Any) -> None:
        def keys() -> dict[str, str]:
            return {step: key.digest for step, key in compile_spec(project.load()).keys.items()}

        self.compiled(project)
        with_bucket = keys()
        project.spec["spec"]["platform"] = {}
        assert keys() == with_bucket

    def test_only_validate_is_told_what_was_compiled(self, project: Any) -> None:
        pipeline, _ = self.compiled(project)
        tasks = tasks_of(pipeline)
        sources = {
            name: task["inputs"]["parameters"]["config"]["runtimeValue"]["constant"].get("source")
            for name, task in tasks.items() if "config" in task.get("inputs", {}).get("parameters", {})
        }  # fmt: skip
        assert sources["validate"]["content"].keys() == {"documents", "examples", "access"}
        assert sources["ingest"]["content"] == {} and sources["train"] is None and sources["index"] is None


def test_every_pod_of_a_spec_that_says_nothing_has_requests_limits_and_a_deadline(project: Any) -> None:
    pipeline, kubernetes = compiled(project, shards=3)
    asked = ("resourceCpuRequest", "resourceCpuLimit", "resourceMemoryRequest", "resourceMemoryLimit")
    for name, executor in pipeline["deploymentSpec"]["executors"].items():
        assert all(executor["container"]["resources"].get(field) for field in asked), name
        assert int(kubernetes[name]["activeDeadlineSeconds"]) > 0, name
    for step, usual in USUAL.items():
        assert container(pipeline, step)["resources"]["resourceMemoryLimit"] == usual["memory"]
        assert kubernetes[f"exec-{step}"]["activeDeadlineSeconds"] == str(usual["timeout_minutes"] * 60)


def test_a_spec_that_says_one_thing_of_a_step_leaves_the_rest_as_usual(project: Any) -> None:
    pipeline, kubernetes = compiled(project, resources={"train": {"memory": "24Gi"}})
    resources = container(pipeline, "train")["resources"]
    assert (resources["resourceMemoryLimit"], resources["resourceCpuLimit"]) == ("24Gi", USUAL["train"]["cpu"])
    assert kubernetes["exec-train"]["activeDeadlineSeconds"] == "43200"


def test_resources_change_no_key(project: Any) -> None:
    before = compile_spec(project.load()).keys
    project.spec["spec"]["platform"] = {"resources": {step: {"cpu": "7", "memory": "7Gi"} for step in USUAL}}
    assert compile_spec(project.load()).keys == before


def test_what_is_usual_stands_in_the_description_of_the_field() -> None:
    said = " ".join((Platform.model_fields["resources"].description or "").split())
    for step, usual in USUAL.items():
        minutes = f"{usual['timeout_minutes']} min"
        assert f"{step} {usual['cpu']}, {usual['memory']}, {minutes}" in said


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
    assert tasks_of(pipeline)["train"]["retryPolicy"] == {
        "maxRetryCount": 2, "backoffDuration": "30s", "backoffFactor": 2.0, "backoffMaxDuration": "3600s",
    }  # fmt: skip
    assert "retryPolicy" not in tasks_of(pipeline)["index"]


def test_every_task_runs_as_a_user_and_says_where_it_comes_from(project: Any) -> None:
    pipeline, kubernetes = compiled(project, run_as_user=4711)
    assert set(kubernetes) == set(pipeline["deploymentSpec"]["executors"])
    for pod in kubernetes.values():
        assert pod["securityContext"] == {"runAsUser": "4711", "runAsGroup": "4711", "runAsNonRoot": True}
        assert pod["podMetadata"]["annotations"].keys() >= {"raftops/spec", "raftops/data"}
        assert pod["podMetadata"]["labels"]["app.kubernetes.io/part-of"] == "tiny"


def test_an_image_named_by_digest_is_the_steps_image_in_one_piece_and_in_shards(project: Any) -> None:
    digest = f"registry.example/ingest@sha256:{'a' * 64}"
    pipeline, _ = compiled(project, images={"ingest": digest}, shards=2)
    assert {container(pipeline, name)["image"] for name in ("ingest", "ingest-shard")} == {digest}
    about = tasks_of(pipeline)["finish"]["inputs"]["parameters"]["config"]["runtimeValue"]["constant"]["about"]
    assert about["images"]["ingest"] == digest
    assert "1 of 7 images by digest" in pipeline["pipelineInfo"]["description"]


def test_the_workspace_holds_the_store_in_every_pod(project: Any) -> None:
    volumes = [{"claim": "documents", "path": "/app/data", "sub_path": "current"}]
    _, kubernetes = compiled(project, workspace="raftops-store", volumes=volumes)
    for pod in kubernetes.values():
        assert [(m["constant"], m["mountPath"]) for m in pod["pvcMount"]] == [
            ("raftops-store", "/app/.raftops"), ("documents", "/app/data"),
        ]  # fmt: skip


def test_every_step_has_its_own_image_from_the_registry_of_the_spec(project: Any) -> None:
    pipeline, _ = compiled(project, registry="registry.example/team")
    for step in ("validate", "deploy"):
        assert container(pipeline, step)["image"].startswith(f"registry.example/team/{step}:")


def test_the_token_of_milvus_reaches_the_steps_that_talk_to_it(project: Any) -> None:
    token = {"secret": "milvus", "key": "token", "env": "MILVUS_TOKEN"}
    _, kubernetes = compiled(project, milvus={"uri": "https://milvus.example:19530", "token": token})
    given = {name: pod["secretAsEnv"][0]["secretName"] for name, pod in kubernetes.items() if "secretAsEnv" in pod}
    assert given == dict.fromkeys(("exec-index", "exec-augment", "exec-evaluate", "exec-deploy"), "milvus")


def keys_of_a_bucket(push: bool) -> dict[str, Any]:
    named = {name: {"secret": "bucket", "key": name, "env": f"BUCKET_{name.upper()}"} for name in ("id", "key")}
    return {
        "uri": "s3://bucket/team", "endpoint": "https://s3.example", "push": push,
        "access_key": named["id"], "secret_key": named["key"],
    }  # fmt: skip


def test_the_keys_of_the_bucket_reach_the_step_that_writes_to_it_and_no_other(project: Any) -> None:
    _, kubernetes = compiled(project, artifacts=keys_of_a_bucket(push=True))
    given = {name: pod["secretAsEnv"] for name, pod in kubernetes.items() if "secretAsEnv" in pod}
    assert list(given) == ["exec-deploy"]
    told = [(row["secretName"], row["keyToEnv"][0]["secretKey"], row["optional"]) for row in given["exec-deploy"]]
    assert told == [("bucket", "id", False), ("bucket", "key", False)]


def test_where_no_step_writes_to_the_bucket_none_has_its_keys(project: Any) -> None:
    pipeline, kubernetes = compiled(project, artifacts=keys_of_a_bucket(push=False))
    assert not any("secretAsEnv" in pod for pod in kubernetes.values())
    assert pipeline["defaultPipelineRoot"] == "s3://bucket/team/pipelines/tiny"


def test_no_value_of_a_secret_is_in_the_compiled_file(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "s3cret-value")
    project.spec["spec"]["platform"] = {"resources": {"train": TRAIN}}
    assert "s3cret-value" not in compile_spec(project.load()).text


@pytest.mark.parametrize("memory", ["512Mi", "8Gi", "2Ti", "500M", "3G"])
@pytest.mark.parametrize("cpu", ["2", "0.5", "500m"])
def test_every_quantity_that_a_spec_may_say_compiles(project: Any, cpu: str, memory: str) -> None:
    compiled(project, resources={"index": {"cpu": cpu, "memory": memory}})


def by_setters(platform: Platform, wanted: Resources) -> dict[str, Any]:
    """What kfp.kubernetes' own setters leave behind for such a pod."""
    made: list[dict[str, Any]] = []

    @dsl.component(base_image="x", install_kfp_package=False)
    def work():  # without a type: here they are texts
        """Nothing."""

    @dsl.pipeline(name="x")
    def pipeline():
        task = work()
        for secret in wanted.secrets:
            kubernetes.use_secret_as_env(task, secret.secret, {secret.key: secret.env})
        kubernetes.mount_pvc(task, "raftops-store", "/app/.raftops")
        kubernetes.mount_pvc(task, "documents", "/app/data", "current")
        kubernetes.set_image_pull_policy(task, platform.image_pull_policy)
        kubernetes.set_image_pull_secrets(task, list(platform.image_pull_secrets))
        kubernetes.add_pod_label(task, "kueue.x-k8s.io/priority-class", "high")
        kubernetes.add_pod_label(task, "kueue.x-k8s.io/queue-name", "gpus")
        kubernetes.add_pod_annotation(task, "raftops/spec", "abc")
        kubernetes.set_security_context(task, run_as_user=10001, run_as_group=10001, run_as_non_root=True)
        kubernetes.set_timeout(task, wanted.timeout_minutes * 60)
        for t in wanted.tolerations:
            kubernetes.add_toleration(task, t.key, t.operator, t.value or None, t.effect or None)
        for a in wanted.affinity:
            terms = [{"key": m.key, "operator": m.operator, "values": list(m.values)} for m in a.match]
            kubernetes.add_node_affinity(task, terms, weight=a.weight)
        kubernetes.add_node_selector_json(task, wanted.node_selector)
        kubernetes.use_config_map_as_env(task, "flags", {"level": "LEVEL"})
        kubernetes.use_config_map_as_volume(task, "flags", "/etc/flags")
        kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", "Memory", "8Gi")
        made.append(task.platform_config["kubernetes"])

    assert pipeline
    return made[0]


def test_a_pod_is_told_as_the_setters_of_kfp_tell_it() -> None:
    more = {
        "affinity": [
            {"match": [{"key": "zone", "values": ["a", "b"]}, {"key": "gpu", "operator": "Exists"}]},
            {"match": [{"key": "disk", "operator": "Gt", "values": ["3"]}], "weight": 7},
        ],
        "priority": "high", "queue": "gpus", "shared_memory": "8Gi",
        "config_maps": [
            {"config_map": "flags", "key": "level", "env": "LEVEL"}, {"config_map": "flags", "path": "/etc/flags"},
        ],
    }  # fmt: skip
    wanted = Resources.model_validate(TRAIN | more)
    platform = Platform.model_validate({
        "image_pull_policy": "Always", "image_pull_secrets": ["registry"], "workspace": "raftops-store",
        "volumes": [{"claim": "documents", "path": "/app/data", "sub_path": "current"}],
    })  # fmt: skip
    ours = Pod(platform, wanted, wanted.secrets, {}, {"raftops/spec": "abc"}).message()
    assert parsed(ours) == parsed(by_setters(platform, wanted))


def parsed(told: dict[str, Any]) -> Any:
    """As KFP's server reads it."""
    return json_format.ParseDict(told, kubernetes_executor_config_pb2.KubernetesExecutorConfig())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"config_maps": [{"config_map": "flags", "key": "a"}]}, "either key and env, or path"),
        (
            {"config_maps": [{"config_map": "flags", "key": "a", "env": "A", "path": "/x"}]},
            "either key and env, or path",
        ),
        ({"affinity": [{"match": [{"key": "zone"}]}]}, "In takes at least one value"),
        ({"affinity": [{"match": [{"key": "zone", "operator": "Exists", "values": ["a"]}]}]}, "Exists takes 0 values"),
        ({"affinity": [{"match": [{"key": "cpus", "operator": "Gt", "values": ["1", "2"]}]}]}, "Gt takes 1 values"),
    ],
)
def test_what_no_pod_can_have_is_refused_by_the_spec(project: Any, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        compiled(project, resources={"train": wrong})


def test_compiling_does_not_load_the_client_of_kubernetes(project: Any) -> None:
    project.spec["spec"]["platform"] = {"resources": {"train": TRAIN}}
    project.save()
    program = (
        "import sys; from pathlib import Path; from pipelines.wiring.compile import compile_spec; "
        "from raftops.spec.load import load_spec; compile_spec(load_spec(Path(sys.argv[1]))); "
        "print([name for name in sys.modules if name.split('.')[0] == 'kubernetes'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(project.path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_step_that_watches_nodes_holds_no_gpu_and_no_node_of_theirs(project: Any) -> None:
    project.spec["spec"]["train"] |= {"nodes": 2, "batch_size": 8}
    place = {"run_as_user": 4711, "image_pull_secrets": ["registry"], "volumes": [{"claim": "m", "path": "/app/m"}]}
    asked = TRAIN | {"queue": "gpu-jobs", "priority": "high", "shared_memory": "8Gi"}
    pipeline, kubernetes = compiled(project, resources={"train": asked}, workspace="store", **place)
    assert "accelerator" not in container(pipeline, "train")["resources"]
    assert not [name for name in kubernetes["exec-train"]["podMetadata"]["labels"] if "kueue" in name]
    assert "emptyDirMounts" not in kubernetes["exec-train"]
    (config,) = [c["cluster"] for c in _configs(pipeline) if "cluster" in c]
    assert (config["user"], config["pull_secrets"], config["volumes"][0]["claim"]) == (4711, ["registry"], "m")
    assert config["resources"]["queue"] == "gpu-jobs"
    assert "nodeSelector" not in kubernetes["exec-train"] and "tolerations" not in kubernetes["exec-train"]
    assert [secret["secretName"] for secret in kubernetes["exec-train"]["secretAsEnv"]] == ["hub"]


def test_a_deploy_on_the_cluster_gets_its_smoke_token_and_the_place(project: Any) -> None:
    token = {"secret": "smoke", "key": "token", "env": "SMOKE_TOKEN"}
    project.spec["spec"]["deploy"] = {
        "target": "kubernetes", "identity": {"jwks": "https://id.example/keys", "issuer": "i", "audience": "a"},
        "kubernetes": {"smoke_token": token},
    }  # fmt: skip
    milvus = {"uri": "http://milvus:19530"}
    pipeline, kubernetes = compiled(project, workspace="store", milvus=milvus, image_pull_secrets=["registry"])
    assert "smoke" in [secret["secretName"] for secret in kubernetes["exec-deploy"]["secretAsEnv"]]
    assert "smoke" not in [s["secretName"] for s in kubernetes["exec-evaluate"].get("secretAsEnv", [])]
    (config,) = [c for c in _configs(pipeline) if "cluster" in c]
    assert config["cluster"]["pull_secrets"] == ["registry"]
    assert config["cluster"]["claim"] == "store" and config["cluster"]["image"].startswith("ghcr.io/raftops/deploy:")


def test_the_pods_of_the_service_get_the_directorys_password_and_the_step_does_not(project: Any) -> None:
    directory = {
        "url": "ldaps://ldap.example", "users": "ou=p,dc=x", "groups": "ou=g,dc=x", "bind_dn": "cn=raftops,dc=x",
        "bind_password": {"secret": "ldap", "key": "password", "env": "LDAP_PASSWORD"},
    }  # fmt: skip
    keys = {"jwks": "https://id.example/keys", "issuer": "i", "audience": "a", "directory": {"ldap": directory}}
    token = {"secret": "smoke", "key": "token", "env": "SMOKE_TOKEN"}
    project.spec["spec"]["deploy"] = {
        "target": "kubernetes", "identity": keys, "kubernetes": {"smoke_token": token},
    }  # fmt: skip
    pipeline, kubernetes = compiled(project, workspace="store", milvus={"uri": "http://milvus:19530"})
    (config,) = [c for c in _configs(pipeline) if "cluster" in c]
    assert config["cluster"]["secrets"] == [directory["bind_password"]]
    assert "ldap" not in [secret["secretName"] for secret in kubernetes["exec-deploy"]["secretAsEnv"]]
    assert config["deploy"]["identity"]["directory"]["ldap"]["url"] == "ldaps://ldap.example"


def _configs(found: Any) -> list[dict[str, Any]]:
    """The `config` argument of every task, however deep it lies."""
    if not isinstance(found, dict):
        return []
    own = found.get("config", {}).get("runtimeValue", {}).get("constant") if "config" in found else None
    return ([own] if own else []) + [config for value in found.values() for config in _configs(value)]
