"""What the spec accepts, Kubernetes takes: the pods that KFP's driver makes of it pass our check of manifests."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.manifests.check import check
from pipelines.manifests.resource import Resource
from pipelines.wiring.compile import compile_spec
from raftops.errors import SpecError
from tests.standin.pods import pods
from tests.standin.rules import read_file

HUB = {"secret": "hub", "key": "token", "env": "HF_TOKEN"}
TOKEN = {"secret": "milvus", "key": "token", "env": "MILVUS_TOKEN"}
MILVUS = {"uri": "http://milvus:19530", "token": TOKEN}
BUCKET = {
    "uri": "s3://bucket/x", "push": True, "access_key": {"secret": "s3", "key": "access-key", "env": "S3_ID"},
    "secret_key": {"secret": "s3", "key": "secret-key", "env": "S3_KEY"},
}  # fmt: skip
EVERYTHING = {
    "registry": "registry.example:5000/team/raftops", "image_pull_policy": "IfNotPresent",
    "image_pull_secrets": ["registry", "mirror"], "run_as_user": 4711, "workspace": "store", "shards": 256,
    "volumes": [{"claim": "documents", "path": "/app/data/", "sub_path": "a/b"}, {"claim": "store", "path": "/more"}],
    "milvus": MILVUS, "artifacts": BUCKET, "notify": {"secret": "hook", "key": "URL.txt", "env": "HOOK"},
    "dvc": {"uri": "s3://data/dvc", "access_key": dict(BUCKET["access_key"]), "secret_key": dict(BUCKET["secret_key"])},
    "kubeflow": {"service_account": "runner.team"},
    "images": {"train": f"registry.example/train:1@sha256:{'a' * 64}"},
    "resources": {
        "train": {
            "cpu": 0.5, "memory": "32Gi", "accelerator": {"type": "nvidia.com/mig-1g.5gb", "count": 2},
            "node_selector": {"cloud.example/pool": "gpu", "zone": ""}, "priority": "high", "queue": "gpu-jobs",
            "tolerations": [{"key": ""}, {"key": "gpu.example/x", "operator": "Equal", "value": "yes"}],
            "affinity": [
                {"match": [{"key": "gpus", "operator": "Gt", "values": ["3"]}]},
                {"match": [{"key": "zone", "values": ["a", "b"]}], "weight": 7},
            ],
            "secrets": [HUB, dict(TOKEN)], "shared_memory": "8Gi", "timeout_minutes": 35_791_394, "retries": 3,
            "config_maps": [
                {"config_map": "flags", "key": "a.b", "env": "FLAG"}, {"config_map": "flags", "path": "/etc/flags"},
            ],
        },
    },
}  # fmt: skip


def findings(project: Any, platform: dict[str, Any]) -> list[str]:
    project.spec["spec"]["platform"] = platform
    project.spec["spec"]["data"]["dvc"] = "data.dvc"
    project.write("data.dvc", f"outs: [{{hash: md5, md5: {'a' * 32}.dir, path: data}}]")
    text = compile_spec(project.load()).text
    read_file(text.encode())
    found = check([Resource(pod, "compiled") for pod in pods(text).values()], "1.36")
    return [str(f) for f in found if not f.what.startswith(("no Secret", "no ConfigMap", "no PersistentVolumeClaim"))]


@pytest.mark.parametrize("left_out", ["", *EVERYTHING])
def test_what_the_spec_accepts_kubernetes_takes(project: Any, left_out: str) -> None:
    assert findings(project, {name: value for name, value in EVERYTHING.items() if name != left_out}) == []


def test_a_claim_where_the_data_lies_is_the_data_however_it_is_written(project: Any) -> None:
    findings(project, EVERYTHING)
    pod = pods(compile_spec(project.load()).text)["validate"]["spec"]
    places = [mount["mountPath"].rstrip("/") for mount in pod["containers"][0]["volumeMounts"]]
    assert places.count("/app/data") == 1


def test_the_check_can_fail(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raftops.spec.load.check", lambda *_: [])
    assert "'a b' is not a label's value" in " ".join(findings(project, of_train(node_selector={"zone": "a b"})))


def of_train(**resources: Any) -> dict[str, Any]:
    return {"resources": {"train": resources}}


def volume(path: str, **more: str) -> dict[str, Any]:
    return {"claim": "documents", "path": path} | more


FLAGS = {"config_map": "flags", "path": "/etc/flags"}
WRONG: list[tuple[dict[str, Any], str, str]] = [
    (of_train(node_selector={"a..b/pool": "x"}), "train.node_selector", "is not the key of a Kubernetes label"),
    (of_train(tolerations=[{"key": "no key"}]), "tolerations[0].key", "is not the key of"),
    (
        of_train(tolerations=[{"key": "k", "operator": "Equal", "value": "a b"}]),
        "tolerations[0].value",
        "is not the value of",
    ),
    (of_train(affinity=[{"match": [{"key": "no!", "values": ["a"]}]}]), "match[0].key", "is not the key of"),
    (of_train(affinity=[{"match": [{"key": "k", "values": ["a b"]}]}]), "values[0]", "is not the value of"),
    (
        of_train(affinity=[{"match": [{"key": "k", "operator": "Gt", "values": ["many"]}]}]),
        "values[0]",
        "no whole number, which Gt takes",
    ),
    (of_train(queue="GPU_jobs"), "train.queue", "a name as Kubernetes writes it"),
    (of_train(secrets=[HUB | {"key": "a b"}]), "secrets[0].key", "a key of a secret"),
    (
        of_train(secrets=[HUB], config_maps=[{"config_map": "c", "key": "k", "env": "HF_TOKEN"}]),
        "config_maps[0].env",
        "train.secrets[0] sets the same variable",
    ),
    (
        {"milvus": MILVUS, **of_train(secrets=[HUB | {"env": "MILVUS_TOKEN"}])},
        "secrets[0].env",
        "spec.platform.milvus.token sets the same variable",
    ),
    ({"artifacts": BUCKET, "notify": HUB | {"env": "S3_ID"}}, "access_key.env", "spec.platform.notify sets the same"),
    (of_train(config_maps=[{"config_map": "c", "key": "a/b", "env": "X"}]), "config_maps[0].key", "of a config map"),
    (
        of_train(config_maps=[FLAGS, FLAGS | {"config_map": "more"}]),
        "config_maps[1]",
        "/etc/flags is where spec.platform.resources.train.config_maps[0] is mounted, too",
    ),
    (of_train(config_maps=[FLAGS | {"path": "//"}]), "config_maps[0].path", "no place to mount at"),
    (of_train(shared_memory="0Gi"), "train.shared_memory", "must be more than 0"),
    ({"volumes": [volume("/dev/shm")], **of_train(shared_memory="1Gi")}, "shared_memory", "is mounted, too"),
    (
        {"volumes": [volume("/x")], **of_train(config_maps=[FLAGS | {"config_map": "documents"}])},
        "config_map",
        "rename",
    ),
    ({"volumes": [volume("/a:b")]}, "volumes[0].path", "no place to mount at"),
    ({"volumes": [volume("/x"), volume("/x/")]}, "volumes[1]", "/x/ is where spec.platform.volumes[0] is mounted"),
    ({"volumes": [volume("/x", sub_path="../y")]}, "volumes[0].sub_path", "a folder inside the volume"),
    (
        {"workspace": "store", "volumes": [volume("/app/.raftops")]},
        "volumes[0]",
        "/app/.raftops is where spec.platform.workspace is mounted, too",
    ),
    ({"workspace": "store", "store": "my store"}, "platform.store", "without blanks"),
    ({"workspace": "store", "store": "../kept"}, "platform.store", "no place to mount at"),
    ({"workspace": "store", "store": "/"}, "platform.store", "no place to mount at"),
    ({"workspace": "store", "store": "/minio"}, "platform.store", "where Kubeflow mounts a volume of its own"),
    ({"volumes": [volume("/s3/")]}, "volumes[0].path", "where Kubeflow mounts a volume of its own"),
    ({"volumes": [volume("/x", claim="kfp-launcher")]}, "volumes[0].claim", "every such pod has already"),
    ({"volumes": [volume("/x", claim="raftops-data-1")]}, "volumes[0].claim", "every such pod has already"),
    ({"workspace": "shared-memory"}, "platform.workspace", "every such pod has already"),
    (of_train(config_maps=[FLAGS | {"config_map": "var-run-argo"}]), "config_maps[0].config_map", "has already"),
    (of_train(secrets=[HUB | {"key": "..data"}]), "secrets[0].key", "begin with '..'"),
    (of_train(config_maps=[{"config_map": "c", "key": ".", "env": "X"}]), "config_maps[0]", "no config map has"),
    (
        {"resources": {"evaluate": {"accelerator": {"type": "requests.nvidia.com/gpu"}}}},
        "accelerator.type",
        "must be a resource name",
    ),
    (
        {"resources": {"evaluate": {"accelerator": {"type": "kubernetes.io/gpu"}}}},
        "accelerator.type",
        "must be a resource name",
    ),
    ({"registry": "https://ghcr.io/x"}, "platform.registry", "no scheme, no / at the end"),
    ({"registry": "ghcr.io/x/"}, "platform.registry", "no scheme, no / at the end"),
    ({"images": {"train": f"r.io/Train@sha256:{'a' * 64}"}}, "images.train", "an image by its digest"),
    ({"run_as_user": 2**31}, "platform.run_as_user", "at most 2147483647"),
    (of_train(timeout_minutes=10**9), "train.timeout_minutes", "at most 35791394"),
    ({"kubeflow": {"service_account": "a..b"}}, "kubeflow.service_account", "a name as Kubernetes writes it"),
]


@pytest.mark.parametrize(("platform", "where", "says"), WRONG)
def test_what_kubernetes_would_refuse_the_spec_refuses_at_its_place(
    project: Any, platform: dict[str, Any], where: str, says: str
) -> None:
    project.spec["spec"]["platform"] = platform
    with pytest.raises(SpecError) as refused:
        project.load()
    assert f"{where}: " in str(refused.value) and says in str(refused.value)
    assert "specs/tiny.yaml:" in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"node_selector": {"a b": "c"}}, "deploy.kubernetes.node_selector: "),
        ({"tolerations": [{"key": "a b"}]}, "deploy.kubernetes.tolerations[0].key: "),
        ({"accelerator": {"type": "gpu"}}, "deploy.kubernetes.accelerator.type: "),
    ],
)
def test_what_the_pods_of_the_service_cannot_have_is_said_before_the_run_and_not_at_its_end(
    project: Any, wrong: dict[str, Any], says: str
) -> None:
    project.spec["spec"]["deploy"] = {"kubernetes": wrong}
    with pytest.raises(SpecError) as refused:
        project.load()
    assert says in str(refused.value)
