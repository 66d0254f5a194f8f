"""The deploy step on a cluster, whole: release written, pods told, asked, switched; the pointer follows the cluster."""

import json

import pytest

from raftops.cluster.deploy import Place, serving_of
from raftops.errors import ReleaseError
from raftops.release.current import read_current
from raftops.release.release import write_release
from raftops.service.settings import Settings
from raftops.spec.model.base import SecretRef
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Identity, Kubernetes, Router, Signing
from raftops.steps.deploy import deploy
from tests.cluster.kubelet import TOKEN
from tests.release.test_signing import Keys
from tests.service.release_files import fake_parts

SMOKE = SecretRef(secret="raftops-smoke", key="token", env="SMOKE_TOKEN")
REDIS = {"secret": "raftops-redis", "key": "address", "env": "LIMITS_STORE"}
MILVUS = {"secret": "raftops-milvus", "key": "token", "env": "MILVUS_TOKEN"}


class Step:
    """Runs the step as its component does."""

    def __init__(self, folder, kubelet, monkeypatch):
        self.folder, self.kubelet = folder, kubelet
        monkeypatch.setenv("SMOKE_TOKEN", TOKEN)

    def run(self, weights, tag="1", **more):
        config = Deploy(
            target="kubernetes", identity=Identity(jwks="https://id.example/keys"), smoke_questions=("a?", "b?"),
            kubernetes=Kubernetes(replicas=2, drain_seconds=0, smoke_token=SMOKE), keep_releases=9, **more,
        )  # fmt: skip
        parts = fake_parts(self.folder / f"parts{len(list(self.folder.glob('parts*')))}", weights=weights)
        place = {"namespace": "raftops", "claim": "store", "image": f"r/deploy:{tag}", "secrets": [MILVUS]}
        place["port"] = float(self.kubelet.port)  # as Kubeflow hands numbers over
        place["metrics_port"] = float(self.kubelet.metrics_port)
        return deploy(config, Prompt(), Router(), parts, self.releases, self.folder / "artifact", place)

    @property
    def releases(self):
        return self.folder / "releases" / "handbook"

    def served(self):
        return {pod.release for pod in self.kubelet.serving()}


@pytest.fixture
def step(tmp_path, kubelet, monkeypatch):
    return Step(tmp_path, kubelet, monkeypatch)


def test_a_release_is_served_by_the_cluster_and_current(step):
    figures = step.run("a")
    assert step.served() == {read_current(step.releases).hash}
    assert (figures["pods"], figures["changed"], figures["questions"]) == (2, 1, 4)
    assert [pod.asked for pod in step.kubelet.serving()] == [["a?", "b?"]] * 2
    assert json.loads((step.folder / "artifact" / "release.json").read_text())["hash"].startswith(*step.served())


def test_the_same_release_is_asked_of_the_cluster_and_changes_nothing(step):
    step.run("a")
    assert step.run("a")["changed"] == 0
    step.kubelet.api.remove("Service", "handbook")
    assert step.run("a")["changed"] == 1 and step.served() == {read_current(step.releases).hash}


def test_what_fails_leaves_pointer_and_traffic_where_they_were(step):
    step.run("a")
    before = read_current(step.releases)
    with pytest.raises(ReleaseError, match=r"what was served stays: deployment handbook-green .*ImagePullBackOff"):
        step.run("b", "missing")
    with pytest.raises(ReleaseError, match="what was served stays: an answer without"):
        step.run("b", "mute")
    assert read_current(step.releases) == before and step.served() == {before.hash}
    assert len(list(step.releases.glob("*.failed"))) == 1
    with pytest.raises(ReleaseError):
        step.run("a", "missing")
    assert (step.releases / before.hash / "release.json").is_file(), "what is served is not put aside"


def test_without_the_smoke_token_nothing_is_touched(step, monkeypatch):
    monkeypatch.delenv("SMOKE_TOKEN")
    with pytest.raises(ReleaseError, match="SMOKE_TOKEN is not set"):
        step.run("a")
    assert step.kubelet.api.all("Deployment") == []


def test_pods_know_callers_and_signatures_and_no_secret_stands_in_the_config_map(step, tmp_path, monkeypatch):
    keys = Keys(tmp_path)
    monkeypatch.setenv("RAFTOPS_SIGNING_KEY", str(keys.private))
    step.run("a", signing=Signing(required=True, public_key=str(keys.public)))
    told = step.kubelet.serving()[0].environment
    assert Signing.model_validate_json(told["RAFTOPS_SIGNING"]).public_key == keys.public.read_text()
    assert Identity.model_validate_json(told["RAFTOPS_IDENTITY"]).jwks == "https://id.example/keys"
    assert json.loads(told["RAFTOPS_AUDIT"])["to"] == "stdout", "a pod's store is read only; its output is collected"
    data = step.kubelet.api.get("ConfigMap", "handbook-blue")["data"]
    assert told["MILVUS_TOKEN"] == "m" and "MILVUS_TOKEN" not in data
    assert TOKEN not in json.dumps(data) and "PRIVATE" not in json.dumps(data)


def test_the_store_is_mounted_where_the_release_says_it_is(tmp_path):
    parts = fake_parts(tmp_path / "parts")
    made = write_release(Deploy(), Prompt(), Router(), parts, tmp_path / "store" / "releases" / "handbook")
    serving = serving_of(made, Deploy(), Place("raftops", "store", "i:1"))
    assert serving.store == str(tmp_path / "store")
    assert serving.environment["RAFTOPS_RELEASE"] == f"{serving.store}/releases/handbook/{made.short}"


def test_pods_are_told_what_one_caller_may_use_and_get_the_address_of_the_redis_as_a_secret(tmp_path):
    config = Deploy.model_validate({"limits": {"questions_per_minute": 7, "store": REDIS}})
    parts = fake_parts(tmp_path / "parts")
    made = write_release(config, Prompt(), Router(), parts, tmp_path / "store" / "releases" / "handbook")
    serving = serving_of(made, config, Place("raftops", "store", "i:1"))
    told = serving.environment | {REDIS["env"]: "rediss://:word@redis/0"}
    settings = Settings.of(told)
    assert settings.limits.questions_per_minute == 7 and settings.limits_store == "rediss://:word@redis/0"
    assert [ref.env for ref in serving.secrets] == [REDIS["env"]] and "word" not in json.dumps(serving.environment)
