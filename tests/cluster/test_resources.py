"""What a release is on a cluster. That servers take it and pods are restricted: tests/manifests/test_generated.py."""

from dataclasses import replace

from raftops.cluster.resources import METRICS_PORT, PORT, Serving, config_map, deployment, labels, service
from raftops.spec.model.base import Accelerator, SecretRef, Toleration
from raftops.spec.model.serving import Kubernetes

TOKEN = SecretRef(secret="raftops-milvus", key="token", env="MILVUS_TOKEN")


def serving(release="aaaa", secrets=(TOKEN,), image="r/deploy:1", **settings):
    environment = {"RAFTOPS_RELEASE": f"/app/.raftops/releases/handbook/{release}"}
    return Serving("handbook", release, image, "store", "/app/.raftops", environment, Kubernetes(**settings), secrets)


def pod(made):
    return deployment(made, "blue")["spec"]["template"]["spec"]


def test_the_number_of_pods_is_left_to_whoever_scales():
    assert "replicas" not in deployment(serving(), "blue")["spec"]


def test_the_service_selects_the_pods_of_one_slot():
    for slot in ("blue", "green"):
        chosen = service("handbook", slot, "aaaa")["spec"]["selector"]
        of_pods = deployment(serving(), slot)["spec"]["template"]["metadata"]["labels"]
        assert chosen == of_pods == labels("handbook", slot)
    assert labels("handbook", "blue") != labels("handbook", "green")


def test_traffic_probes_and_process_meet_at_one_port():
    container = pod(serving())["containers"][0]
    ports = {container[p]["httpGet"]["port"] for p in ("startupProbe", "livenessProbe", "readinessProbe")}
    ports |= {container["ports"][0]["containerPort"], service("h", "blue", "a")["spec"]["ports"][0]["targetPort"]}
    assert ports == {PORT} and container["args"][container["args"].index("--port") + 1] == str(PORT)


def test_the_counters_are_on_a_port_of_their_own():
    container = pod(serving())["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    offered = {port["name"]: port["targetPort"] for port in service("h", "blue", "a")["spec"]["ports"]}
    assert ports == {"http": PORT, "metrics": METRICS_PORT} and offered == {"http": PORT, "metrics": "metrics"}


def test_a_pod_is_given_time_to_finish_its_answers():
    made = pod(serving())
    leave = made["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert made["terminationGracePeriodSeconds"] >= leave + serving().timeout_seconds


def test_the_registry_is_asked_with_its_secrets():
    assert pod(replace(serving(), pull_secrets=("registry",)))["imagePullSecrets"] == [{"name": "registry"}]
    assert "imagePullSecrets" not in pod(serving()), "a release that is served is not put out again"


def test_secrets_are_named_and_never_written():
    made = deployment(serving(), "blue")
    reference = {"name": "raftops-milvus", "key": "token"}
    assert pod(serving())["containers"][0]["env"] == [
        {"name": "MILVUS_TOKEN", "valueFrom": {"secretKeyRef": reference}}
    ]
    assert "MILVUS_TOKEN" not in config_map(serving(), "blue")["data"] and "value" not in made["spec"]["template"]


def test_the_release_is_mounted_where_its_path_says_and_read_only():
    container = pod(serving())["containers"][0]
    (store,) = [mount for mount in container["volumeMounts"] if mount["name"] == "store"]
    assert store == {"name": "store", "mountPath": "/app/.raftops", "readOnly": True}
    assert config_map(serving(), "blue")["data"]["RAFTOPS_RELEASE"].startswith(store["mountPath"])


def test_a_gpu_with_its_node_and_taint():
    gpu = Accelerator(type="nvidia.com/gpu", count=1)
    made = pod(serving(accelerator=gpu, node_selector={"gpu": "a100"}, tolerations=(Toleration(key="nvidia.com/gpu"),)))
    assert made["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert made["nodeSelector"] == {"gpu": "a100"}
    assert made["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]


def test_the_revision_is_of_what_runs_and_not_of_how_many():
    same = serving().revision
    assert serving(replicas=9, ready_minutes=30, drain_seconds=1).revision == same
    others = {serving("bbbb").revision, serving(memory="8Gi").revision, serving(image="r/deploy:2").revision}
    others |= {serving(secrets=()).revision, same}
    assert len(others) == 5
