"""Manifests, rights and the deploy against a real API server.

Yours, as an administrator: `KUBECONFIG=... RAFTOPS_TEST_NAMESPACE=... pytest -m cluster tests/cluster/test_real.py`;
what it makes is named raftops-test-... (beside the accounts and roles of the base) and stays. Or one, started
by `start.py`, where its programs are: `RAFTOPS_TEST_KUBERNETES=FOLDER pytest -m cluster tests/cluster/test_real.py`.
"""

import os
import uuid
from pathlib import Path

import kubernetes.client
import kubernetes.config
import pytest
from kubernetes.client.exceptions import ApiException

from pipelines.manifests import read
from raftops.cluster.api import ApiRefused, Cluster
from raftops.cluster.resources import SLOTS, Serving, config_map, deployment, replicas, service
from raftops.cluster.switch import SCALER
from raftops.cluster.train_job import Nodes, resume, suspend, train_job
from raftops.errors import ClusterError, ReleaseError
from raftops.release.current import read_current
from raftops.spec.model.learning import Train
from raftops.spec.model.platform import Resources
from raftops.spec.model.serving import Kubernetes
from tests.cluster.node import Node
from tests.cluster.real import Server, may
from tests.cluster.start import ControlPlane, missing
from tests.cluster.test_deploy import Step
from tests.manifests.samples import FOLDER, OVERLAYS, overlay

pytestmark = pytest.mark.cluster
BASE = ("deployer.yaml", "runner.yaml")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Yours, or one that is started here and ended with the tests."""
    if namespace := os.environ.get("RAFTOPS_TEST_NAMESPACE"):
        yield Server(namespace, kubernetes.config.new_client_from_config())
        return
    if absent := missing():
        pytest.skip(f"set KUBECONFIG and RAFTOPS_TEST_NAMESPACE, or RAFTOPS_TEST_KUBERNETES (no {', '.join(absent)})")
    with ControlPlane(tmp_path_factory.mktemp("plane")) as plane, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(plane.kubeconfig))
        client = kubernetes.config.new_client_from_config(str(plane.kubeconfig))
        kubernetes.client.CoreV1Api(client).create_namespace({"metadata": {"name": "raftops"}})
        yield Server("raftops", client)


@pytest.fixture(scope="module")
def cluster(server):
    return Cluster(server.namespace, server.client)


@pytest.fixture(scope="module")
def kinds(server, tmp_path_factory):
    return server.dynamic(str(tmp_path_factory.mktemp("kinds") / "kinds.json")).resources


@pytest.fixture(scope="module")
def accounts(server, kinds):
    """The accounts of the base with their roles, really there; a client of each."""
    for file in BASE:
        for resource in read(FOLDER / "base" / file):
            apply(server, kinds, resource)
    return {name: server.account(name) for name in ("raftops-runner", "raftops-deployer")}


@pytest.fixture(scope="module")
def serving():
    name, told = f"raftops-test-{uuid.uuid4().hex[:8]}", {"RAFTOPS_HOST": "0.0.0.0"}
    return Serving(name, "aaaa", "r/d:1", "raftops-store", "/app/.raftops", told, Kubernetes())


@pytest.fixture
def step(server, kinds, accounts, tmp_path, monkeypatch):
    """The step deploy as the deployer, on a server of our own with its quota, its claim bound and a node by hand."""
    if os.environ.get("RAFTOPS_TEST_NAMESPACE"):
        pytest.skip("only on a server that is started here: pods run on a node that is none")
    for resource in read(FOLDER / "base" / "limits.yaml"):
        apply(server, kinds, resource)
    core = kubernetes.client.CoreV1Api(server.client)
    about = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    claim = about | {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": "store"}
    core.create_persistent_volume({"metadata": {"name": "store"}, "spec": about | {
        "capacity": {"storage": "1Gi"}, "hostPath": {"path": str(tmp_path)}}})  # fmt: skip
    core.create_namespaced_persistent_volume_claim(server.namespace, {"metadata": {"name": "store"}, "spec": claim})
    monkeypatch.setenv("KUBECONFIG", server.kubeconfig(tmp_path / "deployer", "raftops-deployer"))
    monkeypatch.setattr("raftops.cluster.switch.deployment", lambda *of: server.fitting(deployment(*of)))
    with Node(server) as node:
        yield Step(tmp_path, node, monkeypatch)


def apply(server, kinds, resource, **more):
    """As `kubectl apply --server-side`, in the namespace of the tests."""
    body = server.fitting(resource.body)
    kind = kinds.get(api_version=resource.api_version, kind=resource.kind)
    return kind.server_side_apply(body, namespace=body["metadata"].get("namespace"), field_manager="raftops-test",
                                  force_conflicts=True, **more)  # fmt: skip


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_server_takes_every_manifest_of_a_kind_that_it_knows(server, kinds, name):
    refused, taken = [], 0
    for resource in overlay(name):
        if kinds.search(api_version=resource.api_version, kind=resource.kind):
            try:
                apply(server, kinds, resource, dry_run="All")
                taken += 1
            except ApiException as error:
                refused.append(f"{resource.kind} {resource.name}: {error.body}")
    assert refused == [] and taken > len(overlay(name)) / 2


def test_a_server_takes_every_object(server, cluster, serving):
    for slot in SLOTS:
        for body in (config_map(serving, slot), deployment(serving, slot), service(serving.name, slot, "aaaa")):
            assert cluster.apply(server.fitting(body), dry_run=True)["metadata"]["name"] == body["metadata"]["name"]


def test_the_same_again_changes_nothing_and_another_manager_is_a_conflict(cluster, serving):
    body = config_map(serving, "blue")
    first = cluster.apply(body)
    assert cluster.apply(body)["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    with pytest.raises(ApiRefused, match='conflict with "raftops"'):
        cluster.apply(body | {"data": {"RAFTOPS_HOST": "::"}}, manager="somebody")
    body["metadata"]["resourceVersion"] = "1"
    with pytest.raises(ApiRefused, match="409"):
        cluster.apply(body | {"data": {"RAFTOPS_HOST": "::"}})


def test_the_number_of_pods_is_applied_apart(server, cluster, serving):
    pods = server.fitting(deployment(serving, "blue"))
    cluster.apply(pods)
    none = cluster.apply(replicas(serving.name, "blue", 0), manager=SCALER, force=True)
    assert none["spec"]["replicas"] == 0
    assert cluster.apply(pods)["spec"]["replicas"] == 0


DEPLOYER = [
    (verb, resource)
    for resource in ("apps/deployments", "services", "configmaps")
    for verb in ("get", "list", "watch", "create", "patch")
] + [("get", "pods/log"), ("list", "pods"), ("list", "events")]
RUNNER = [("create", "argoproj.io/workflowtaskresults"), ("patch", "argoproj.io/workflowtaskresults"), ("get", "pods")]
NOBODY = [
    ("delete", "apps/deployments"), ("delete", "services"), ("create", "pods"), ("create", "pods/exec"),
    ("get", "secrets"), ("list", "secrets"), ("create", "serviceaccounts/token"), ("impersonate", "serviceaccounts"),
    ("patch", "rbac.authorization.k8s.io/roles"), ("create", "rbac.authorization.k8s.io/rolebindings"),
    ("patch", "networking.k8s.io/networkpolicies"), ("patch", "resourcequotas"), ("patch", "namespaces"),
    ("get", "nodes"), ("update", "apps/deployments"), ("patch", "apps/statefulsets"), ("create", "batch/jobs"),
]  # fmt: skip


def test_the_accounts_may_do_what_they_need_and_nothing_more(server, accounts):
    runner, deployer = accounts["raftops-runner"], accounts["raftops-deployer"]
    may_not = [what for what in DEPLOYER + RUNNER if not may(deployer, server.namespace, *what)]
    assert may_not == [] and [what for what in RUNNER if not may(runner, server.namespace, *what)] == []
    assert [what for what in NOBODY if may(deployer, server.namespace, *what)] == []
    assert [what for what in [*NOBODY, *set(DEPLOYER) - set(RUNNER)] if may(runner, server.namespace, *what)] == []
    assert not any(may(account, "default", *what) for account in accounts.values() for what in DEPLOYER + RUNNER)
    for name, secret in (("mlpipeline-minio-artifact", True), ("raftops-milvus", False), ("", False)):
        assert may(runner, server.namespace, "get", "secrets", name) is secret


def test_the_deployer_applies_and_is_told_what_is_missing_when_it_is_the_runner(server, accounts, serving):
    body = config_map(serving, "green")
    assert Cluster(server.namespace, accounts["raftops-deployer"]).apply(body)["data"] == body["data"]
    with pytest.raises(ApiRefused, match="403 Forbidden") as it:
        Cluster(server.namespace, accounts["raftops-runner"]).apply(body)
    assert "manifests/base/deployer.yaml" in it.value.next_step


def test_the_step_deploys_and_switches_and_goes_back_with_the_rights_of_the_deployer(step, server):
    first = step.run("a")
    assert (first["pods"], first["changed"]) == (2, 1) and step.served() == {read_current(step.releases).hash}
    assert step.run("a")["changed"] == 0
    before = read_current(step.releases)
    with pytest.raises(ReleaseError, match="what was served stays: deployment handbook-green .*ImagePullBackOff"):
        step.run("b", "missing")
    assert read_current(step.releases) == before and step.served() == {before.hash}
    assert step.run("b")["changed"] == 1, "pods of the failed try in the same slot are not waited for"
    assert step.served() == {read_current(step.releases).hash} != {before.hash}
    pods = kubernetes.client.AppsV1Api(server.client).read_namespaced_deployment
    assert [pods(f"handbook-{slot}", server.namespace).spec.replicas for slot in SLOTS] == [0, 2]


def test_a_train_job_is_taken_where_kubeflow_trainer_is_installed(cluster):
    nodes = Nodes(cluster.namespace, "raftops-store", "r/t:1", Resources())
    body = train_job(Train(audience=("all",), nodes=2), nodes, Path("/app/.raftops/x"), Path("/app/.raftops"))
    body["metadata"] = {"name": f"raftops-test-{uuid.uuid4().hex[:8]}"}
    body["spec"]["suspend"] = True  # nothing starts
    try:
        made = cluster.create(body)
    except ClusterError as error:
        pytest.skip(str(error))
    assert made["spec"]["trainer"]["numNodes"] == 2
    resume(cluster, made["metadata"]["name"])
    suspend(cluster, made["metadata"]["name"])
