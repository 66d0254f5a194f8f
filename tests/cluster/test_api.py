import pytest

from raftops.cluster.api import API_VERSIONS, ApiRefused, Cluster
from raftops.errors import ClusterError
from tests.cluster.apiserver import Refused


def config_map(name="settings", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(image="a:1", **spec):
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": image, "env": [{"name": "X", "value": "1"}]}]},
            },
            **spec,
        },
    }  # fmt: skip


def test_the_same_again_changes_nothing(cluster, api):
    first = cluster.apply(deployment())
    before = api.version
    assert cluster.apply(deployment()) == first and api.version == before


def test_what_is_no_longer_applied_is_removed_and_what_others_own_stays(cluster, api):
    cluster.apply(config_map(a="1", b="2"))
    cluster.apply(config_map(c="3"), manager="somebody")
    assert cluster.apply(config_map(b="2"))["data"] == {"b": "2", "c": "3"}


def test_a_field_of_another_manager_is_a_conflict_that_names_both(cluster, api):
    cluster.apply(deployment("theirs:1"), manager="argocd")
    with pytest.raises(ApiRefused, match=r'409 Conflict: .*conflict with "argocd".*containers\[name="c"\].image') as it:
        cluster.apply(deployment("ours:1"))
    assert it.value.refusal.status == 409 and "somebody else manages" in it.value.next_step
    assert api.get("Deployment", "d")["spec"]["template"]["spec"]["containers"][0]["image"] == "theirs:1"


def test_force_takes_the_field_over(cluster):
    cluster.apply(deployment(replicas=5), manager="autoscaler")
    scale = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 0}}
    assert cluster.apply(scale, manager="raftops-replicas", force=True)["spec"]["replicas"] == 0
    assert cluster.get("Deployment", "d")["spec"]["template"]["spec"]["containers"][0]["image"] == "a:1"


def test_the_number_of_pods_is_nobodys_unless_somebody_sets_it(cluster):
    assert cluster.apply(deployment())["spec"]["replicas"] == 1
    cluster.apply(deployment(replicas=4), manager="autoscaler", force=True)
    assert cluster.apply(deployment("a:2"), force=True)["spec"]["replicas"] == 4


def test_a_dry_run_says_what_would_be_refused_and_changes_nothing(cluster, api):
    before = api.version
    cluster.apply(config_map(a="1"), dry_run=True)
    assert cluster.get("ConfigMap", "settings") is None and api.version == before
    wrong = deployment()
    wrong["spec"]["template"]["metadata"]["labels"] = {"a": "c"}
    with pytest.raises(ApiRefused, match="422 Invalid.*`selector` does not match template `?labels"):
        cluster.apply(wrong, dry_run=True)


def test_an_older_version_is_refused(cluster):
    old = cluster.apply(config_map(a="1"))["metadata"]["resourceVersion"]
    cluster.apply(config_map(a="2"))
    body = config_map(a="3")
    body["metadata"]["resourceVersion"] = old
    with pytest.raises(ApiRefused, match="the object has been modified"):
        cluster.apply(body)


def test_a_bad_name_is_refused_as_the_server_refuses_it(cluster):
    with pytest.raises(ApiRefused, match="RFC 1123"):
        cluster.apply(config_map("Not_A_Name"))


def test_a_watch_tells_of_changes_after_a_version_and_ends(cluster, api):
    seen = cluster.apply(deployment())["metadata"]["resourceVersion"]
    cluster.apply(deployment("a:2"))
    cluster.apply(config_map(a="1"))
    images = [
        body["spec"]["template"]["spec"]["containers"][0]["image"] for body in cluster.watch("Deployment", "d", seen, 1)
    ]
    assert images == ["a:2"]


def test_a_watch_from_a_version_that_is_gone_just_ends(cluster, api):
    cluster.apply(deployment())
    api.compacted = 10
    assert list(cluster.watch("Deployment", "d", "1", 1)) == []


def test_a_missing_right_is_said_with_where_to_give_it(api, tmp_path, monkeypatch):
    api.rights = {"weak": {("get", "", "configmaps")}}
    monkeypatch.setenv("KUBECONFIG", api.kubeconfig(tmp_path / "k", "weak"))
    cluster = Cluster("raftops")
    assert cluster.get("ConfigMap", "settings") is None
    with pytest.raises(ApiRefused, match='403 Forbidden: configmaps is forbidden: User "weak" cannot patch') as raised:
        cluster.apply(config_map(a="1"))
    assert "deployer.yaml" in raised.value.next_step


def test_an_unknown_token_is_said(api, tmp_path, monkeypatch):
    api.rights = {}
    monkeypatch.setenv("KUBECONFIG", api.kubeconfig(tmp_path / "k", "x"))
    with pytest.raises(ApiRefused, match="401") as raised:
        Cluster("raftops").get("ConfigMap", "settings")
    assert "log in again" in raised.value.next_step


def test_a_kind_that_the_cluster_does_not_have_is_said(cluster, monkeypatch):
    monkeypatch.setitem(API_VERSIONS, "TrainJob", "trainer.kubeflow.org/v9")
    with pytest.raises(ClusterError, match="the cluster does not know it") as raised:
        cluster.get("TrainJob", "x")
    assert "Kubeflow Trainer" in raised.value.next_step


@pytest.mark.slow
def test_a_server_that_is_away_is_said(api):
    api.__exit__()
    with pytest.raises(ClusterError, match="the API server cannot be reached"):
        Cluster("raftops")


def test_without_any_configuration_the_next_step_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ClusterError, match="no cluster is configured") as raised:
        Cluster("raftops")
    assert "KUBECONFIG" in raised.value.next_step


def test_a_refusal_in_another_form_is_still_words(cluster, api):
    def broken(method, path):
        if path.endswith("/settings"):
            raise Refused(500, "InternalError", "etcdserver: request timed out")

    api.before.append(broken)
    with pytest.raises(ApiRefused, match="500 InternalError: etcdserver: request timed out"):
        cluster.get("ConfigMap", "settings")
