"""Blue and green against the stand-in of the API server, by the real client; each pod is a real HTTP server."""

import threading

import pytest
import yaml

from raftops.cluster import switch
from raftops.cluster.api import ApiRefused, Cluster
from raftops.cluster.resources import Serving, deployment
from raftops.cluster.rollout import RolloutFailed
from raftops.cluster.switch import deploy_release
from raftops.errors import ClusterError, IndexUnusable, ServiceError
from raftops.service.client import ask as ask_service
from raftops.spec.model.base import SecretRef
from raftops.spec.model.serving import Kubernetes
from tests.cluster.apiserver import Refused
from tests.cluster.kubelet import TOKEN
from tests.test_layout import ROOT

MILVUS = SecretRef(secret="raftops-milvus", key="token", env="MILVUS_TOKEN")


class Asks:
    """Asks a pod one question; remembers the pods and who had the traffic then."""

    def __init__(self, kubelet):
        self.kubelet, self.asked, self.served = kubelet, [], []

    def __call__(self, address):
        self.served.append([pod.release for pod in self.kubelet.serving()])
        answer = ask_service(address, TOKEN, "How many days?")
        if "release" not in answer:
            raise ServiceError("an answer without release")
        self.asked.append(answer["release"])


class Alias:
    """Remembers what it was pointed at; may be told to fail."""

    def __init__(self):
        self.at, self.collection, self.broken = None, "", False

    def point(self):
        if self.broken:
            raise IndexUnusable("http://milvus: alias handbook: not reachable")
        self.at, before = self.collection, self.at
        return before


class Assistant:
    """Deploys releases of one assistant."""

    def __init__(self, kubelet, cluster):
        self.kubelet, self.cluster = kubelet, cluster
        self.asks, self.alias, self.told = Asks(kubelet), Alias(), []

    def deploy(self, release, tag="1", **settings):
        self.alias.collection = f"handbook_{release}"
        wanted = Kubernetes(**{"replicas": 2, "drain_seconds": 0} | settings)
        counters = f"0.0.0.0:{self.kubelet.metrics_port}"
        environment = {
            "RAFTOPS_RELEASE": f"/app/.raftops/releases/handbook/{release}", "RAFTOPS_METRICS": counters,
        }  # fmt: skip
        serving = Serving(
            "handbook", release, f"ghcr.io/x/deploy:{tag}", "store", "/app/.raftops", environment, wanted, (MILVUS,),
            port=self.kubelet.port,
            metrics_port=self.kubelet.metrics_port,
        )  # fmt: skip
        return deploy_release(self.cluster, serving, self.asks, self.alias, lambda *pods: self.told.append(pods))

    def served(self):
        return sorted(pod.release for pod in self.kubelet.serving())

    def running(self):
        return {name: self.kubelet.api.get("Deployment", f"handbook-{name}")["spec"]["replicas"] for name in
                ("blue", "green") if self.kubelet.api.get("Deployment", f"handbook-{name}")}  # fmt: skip


def versions(api):
    """Of all that a deploy writes; a deployment's is of what is wanted, not of its status."""
    counted = {"ConfigMap": "resourceVersion", "Service": "resourceVersion", "Deployment": "generation"}
    return [(kind, o["metadata"]["name"], o["metadata"][by]) for kind, by in counted.items() for o in api.all(kind)]


@pytest.fixture
def assistant(kubelet, cluster):
    return Assistant(kubelet, cluster)


def test_the_first_release_gets_the_traffic_after_its_pods_were_asked(assistant):
    done = assistant.deploy("aaaa")
    assert (done.slot, done.changed, done.pods, done.release_before) == ("blue", True, 2, "")
    assert assistant.served() == ["aaaa", "aaaa"] and assistant.asks.asked == ["aaaa", "aaaa"]
    assert assistant.asks.served == [[], []], "asked before any traffic"
    assert assistant.alias.at == "handbook_aaaa"


def test_the_next_one_comes_up_in_the_other_slot_and_the_old_one_ends(assistant):
    assistant.deploy("aaaa")
    assistant.asks.served.clear()
    done = assistant.deploy("bbbb")
    assert (done.slot, done.release_before) == ("green", "aaaa")
    assert assistant.asks.served == [["aaaa", "aaaa"]] * 2, "the old one had the traffic until then"
    assert assistant.served() == ["bbbb", "bbbb"] and assistant.running() == {"blue": 0, "green": 2}
    assert assistant.deploy("cccc").slot == "blue" and assistant.served() == ["cccc", "cccc"]


def test_the_same_again_changes_nothing(assistant, api):
    assistant.deploy("aaaa")
    assistant.deploy("bbbb")
    before, asked, made = versions(api), list(assistant.asks.asked), assistant.kubelet.made
    done = assistant.deploy("bbbb")
    assert not done.changed and done.pods == 2
    assert (versions(api), assistant.asks.asked, assistant.kubelet.made) == (before, asked, made)


def test_an_earlier_release_is_deployed_like_any_other(assistant):
    for release in ("aaaa", "bbbb", "aaaa"):
        assistant.deploy(release)
    assert assistant.served() == ["aaaa", "aaaa"] and assistant.alias.at == "handbook_aaaa"


@pytest.mark.parametrize(
    ("tag", "says"),
    [
        ("missing", r"pod handbook-green-\d+: ImagePullBackOff .*\n.*Failed: Failed to pull image"),
        ("crash", r"CrashLoopBackOff .*exit code 3(.|\n)*BackOff: Back-off restarting(.|\n)*ImportError: no module"),
        ("refuses", r"the service cannot serve: /x: is not signed \(sign it\)"),
        ("unready", r"timed out progressing(.|\n)*Unhealthy: Readiness probe failed"),
    ],
)
def test_pods_that_do_not_become_ready_leave_everything_as_it_was(assistant, api, tag, says):
    assistant.deploy("aaaa")
    with pytest.raises(RolloutFailed, match=says):
        assistant.deploy("bbbb", tag)
    assert assistant.served() == ["aaaa", "aaaa"] and assistant.alias.at == "handbook_aaaa"
    assert assistant.running() == {"blue": 2, "green": 0} and "bbbb" not in assistant.asks.asked
    assert assistant.deploy("bbbb").slot == "green" and assistant.served() == ["bbbb", "bbbb"]


def test_pods_that_answer_badly_get_no_traffic(assistant):
    assistant.deploy("aaaa")
    with pytest.raises(ServiceError, match="without release"):
        assistant.deploy("bbbb", "mute")
    assert assistant.served() == ["aaaa", "aaaa"] and assistant.running() == {"blue": 2, "green": 0}


def test_a_missing_secret_is_found_before_the_traffic_moves(assistant):
    assistant.deploy("aaaa")
    assistant.kubelet.secrets.clear()
    with pytest.raises(RolloutFailed, match="CrashLoopBackOff"):
        assistant.deploy("bbbb")
    assert assistant.served() == ["aaaa", "aaaa"]


def test_an_alias_that_cannot_be_moved_takes_the_traffic_back(assistant):
    assistant.deploy("aaaa")
    assistant.alias.broken = True
    with pytest.raises(IndexUnusable):
        assistant.deploy("bbbb")
    assert assistant.served() == ["aaaa", "aaaa"] and assistant.running() == {"blue": 2, "green": 0}
    assert assistant.alias.at == "handbook_aaaa"


def test_what_the_server_refuses_is_refused_before_anything_changes(assistant, api):
    assistant.deploy("aaaa")
    before = versions(api)

    def refuse(method, path):
        if method == "PATCH" and path.endswith("/services/handbook"):
            raise Refused(403, "Forbidden", "exceeded quota")

    api.before.append(refuse)
    with pytest.raises(ApiRefused, match="exceeded quota"):
        assistant.deploy("bbbb")
    assert versions(api) == before and assistant.served() == ["aaaa", "aaaa"]


def test_a_conflict_is_found_by_the_dry_run(assistant, api):
    assistant.deploy("aaaa")
    api.put("Deployment", "handbook-green", {"spec": {"progressDeadlineSeconds": 5}}, manager="somebody")
    before = versions(api)
    with pytest.raises(ApiRefused, match='conflict with "somebody".*progressDeadlineSeconds'):
        assistant.deploy("bbbb")
    assert versions(api) == before and assistant.served() == ["aaaa", "aaaa"]


def test_two_that_deploy_at_once_do_not_both_switch(assistant, api):
    assistant.deploy("aaaa")
    asks, switched = assistant.asks, []

    def switch_meanwhile(address):
        asks(address)
        if not switched:
            switched.append(api.put("Service", "handbook", {"spec": {"selector": {"raftops.io/slot": "green"}}}))

    assistant.asks = switch_meanwhile
    with pytest.raises(ClusterError, match="was switched to green by somebody else meanwhile"):
        assistant.deploy("bbbb")


def test_whoever_comes_second_leaves_the_pods_that_have_the_traffic(assistant, kubelet, cluster):
    """Two runs of one release: the other one is done while this one asks its pods."""
    assistant.deploy("aaaa")
    other, done = Assistant(kubelet, cluster), []

    def overtaken(address):
        if not done:
            done.append(other.deploy("bbbb"))

    assistant.asks = overtaken
    with pytest.raises(ClusterError, match="was switched to green by somebody else meanwhile"):
        assistant.deploy("bbbb")
    assert assistant.served() == ["bbbb", "bbbb"] and assistant.running() == {"blue": 0, "green": 2}


def test_a_release_that_another_deploy_put_into_the_slot_gets_no_traffic_unasked(assistant, cluster):
    assistant.deploy("aaaa")
    begun = []

    def meanwhile(address):
        if not begun:
            environment = {"RAFTOPS_RELEASE": "/app/.raftops/releases/handbook/cccc"}
            other = Serving(
                "handbook", "cccc", "ghcr.io/x/deploy:1", "store", "/app/.raftops", environment, Kubernetes()
            )
            begun.append(cluster.apply(deployment(other, "green"), force=True))

    assistant.asks = meanwhile
    with pytest.raises(ClusterError, match="another release into slot green"):
        assistant.deploy("bbbb")
    assert assistant.served() == ["aaaa", "aaaa"] and assistant.running()["green"] == 2, "the other deploy goes on"


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError("grpc: channel closed"), SystemExit])
def test_however_the_alias_fails_the_traffic_goes_back(assistant, failure):
    assistant.deploy("aaaa")

    def fail():
        raise failure

    assistant.alias.point = fail
    with pytest.raises((KeyboardInterrupt, RuntimeError, SystemExit)):
        assistant.deploy("bbbb")
    assert assistant.served() == ["aaaa", "aaaa"] and assistant.running() == {"blue": 2, "green": 0}


def test_a_switch_whose_answer_was_lost_is_taken_back(assistant, cluster, monkeypatch):
    assistant.deploy("aaaa")
    apply, lost = cluster.apply, []

    def unheard(body, **how):
        applied = apply(body, **how)
        if body["kind"] == "Service" and not how and not lost:
            lost.append(body)
            raise ClusterError("Service handbook: the API server cannot be reached (timed out)")
        return applied

    monkeypatch.setattr(cluster, "apply", unheard)
    with pytest.raises(ClusterError, match="timed out"):
        assistant.deploy("bbbb")
    assert assistant.served() == ["aaaa", "aaaa"] and assistant.running() == {"blue": 2, "green": 0}
    assert assistant.deploy("bbbb").slot == "green" and assistant.served() == ["bbbb", "bbbb"]


def test_a_first_release_whose_alias_fails_serves_nobody(assistant):
    assistant.alias.broken = True
    with pytest.raises(IndexUnusable):
        assistant.deploy("aaaa")
    assert assistant.running() == {"blue": 0}
    assistant.alias.broken = False
    assert assistant.deploy("aaaa").pods == 2 and assistant.served() == ["aaaa", "aaaa"]


@pytest.mark.parametrize("place", ["_start", "_switch", "_retire"])
def test_a_deploy_that_is_killed_anywhere_is_made_whole_by_the_next(assistant, monkeypatch, place):
    """Killed: nothing is cleaned up. Before and after each of its parts, and twice."""
    assistant.deploy("aaaa")
    part = getattr(switch, place)
    for after in (False, True):

        def killed(*args, after=after):
            if after:
                part(*args)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(switch, place, killed)
            patch.setattr(switch, "_give_up", lambda *args: None)
            assistant.deploy("bbbb")
        assert set(assistant.served()) in ({"aaaa"}, {"bbbb"})
    assistant.deploy("bbbb")
    assert assistant.served() == ["bbbb", "bbbb"] and assistant.running() == {"blue": 0, "green": 2}
    assert assistant.alias.at == "handbook_bbbb"


def test_a_deploy_that_was_killed_after_the_switch_is_finished_by_the_next(assistant, monkeypatch):
    assistant.deploy("aaaa")

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("raftops.cluster.switch._retire", killed)
        assistant.deploy("bbbb")
    assert assistant.running() == {"blue": 2, "green": 2} and assistant.served() == ["bbbb", "bbbb"]
    assert not assistant.deploy("bbbb").changed
    assert assistant.running() == {"blue": 0, "green": 2} and assistant.alias.at == "handbook_bbbb"


def test_as_many_pods_as_an_autoscaler_left(assistant, api):
    assistant.deploy("aaaa")
    api.put("Deployment", "handbook-blue", {"spec": {"replicas": 5}}, manager="horizontal-pod-autoscaler")
    assert assistant.deploy("bbbb").pods == 5
    api.put("Deployment", "handbook-green", {"spec": {"replicas": 3}}, manager="horizontal-pod-autoscaler")
    assert not assistant.deploy("bbbb").changed and assistant.running()["green"] == 3
    assert assistant.deploy("cccc", replicas=1).pods == 1, "the spec asks for another number: that one"


def test_another_number_of_pods_needs_no_other_slot(assistant):
    assistant.deploy("aaaa")
    done = assistant.deploy("aaaa", replicas=3)
    assert (done.slot, done.changed, done.pods) == ("blue", False, 3)


def test_other_settings_of_the_same_release_come_up_beside_it(assistant):
    assistant.deploy("aaaa")
    done = assistant.deploy("aaaa", memory="8Gi")
    assert (done.slot, done.changed) == ("green", True)


def test_the_old_pods_stay_until_their_answers_are_out(assistant, kubelet, monkeypatch):
    monkeypatch.setattr("raftops.cluster.switch.LEAVE_SECONDS", 0)
    monkeypatch.setattr("raftops.cluster.switch.DRAIN_LOOK_SECONDS", 0.05)
    assistant.deploy("aaaa")
    old = kubelet.serving()
    old[0].queue = 1
    seen = []

    def finish():
        seen.append(sorted(pod.name for pod in old if pod.name in kubelet.pods))
        old[0].queue = 0

    timer = threading.Timer(1.0, finish)
    timer.start()
    assistant.deploy("bbbb", drain_seconds=60)
    timer.join()
    assert seen == [sorted(pod.name for pod in old)] and assistant.running()["blue"] == 0


def test_an_answer_that_never_ends_does_not_keep_the_old_pods_forever(assistant, kubelet, monkeypatch):
    monkeypatch.setattr("raftops.cluster.switch.DRAIN_LOOK_SECONDS", 0.05)
    assistant.deploy("aaaa")
    for pod in kubelet.serving():
        pod.queue = 1
    assistant.deploy("bbbb", drain_seconds=1)
    assert assistant.running()["blue"] == 0


def test_the_rights_that_the_manifests_give_are_enough_and_no_more_are_used(kubelet, api, tmp_path, monkeypatch):
    documents = yaml.safe_load_all((ROOT / "manifests" / "base" / "deployer.yaml").read_text())
    role = next(document for document in documents if document["kind"] == "Role")
    api.rights = {"deployer": {(verb, group, resource) for rule in role["rules"] for group in rule["apiGroups"]
                               for resource in rule["resources"] for verb in rule["verbs"]}}  # fmt: skip
    monkeypatch.setenv("KUBECONFIG", api.kubeconfig(tmp_path / "deployer", "deployer"))
    assistant = Assistant(kubelet, Cluster("raftops"))
    assistant.deploy("aaaa")
    assistant.deploy("bbbb")
    with pytest.raises(RolloutFailed, match="Failed to pull image"):
        assistant.deploy("cccc", "missing")
    assert not any(method == "DELETE" or "secrets" in path for method, path in api.requests)


def test_a_server_that_stumbles_for_a_moment_is_asked_again(assistant, api):
    stumbled = []

    def stumble(method, path):
        if method == "GET" and path.endswith("deployments/handbook-blue") and len(stumbled) < 2:
            stumbled.append(path)
            raise Refused(503, "ServiceUnavailable", "apiserver is starting")

    api.before.append(stumble)
    assistant.deploy("aaaa")
    assert len(stumbled) == 2 and assistant.served() == ["aaaa", "aaaa"]
