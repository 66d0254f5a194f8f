"""The same deploy against a real API server: `KUBECONFIG=... RAFTOPS_TEST_NAMESPACE=... pytest -m cluster`.

No pod has to start: every object is taken by a dry run, conflicts and versions are the server's own. What it makes is
named raftops-test-... and left there: raftops deletes nothing.
"""

import os
import uuid
from pathlib import Path

import pytest

from raftops.cluster.api import ApiRefused, Cluster
from raftops.cluster.resources import SLOTS, Serving, config_map, deployment, replicas, service
from raftops.cluster.switch import SCALER
from raftops.cluster.train_job import Nodes, resume, suspend, train_job
from raftops.errors import ClusterError
from raftops.spec.model.learning import Train
from raftops.spec.model.platform import Resources
from raftops.spec.model.serving import Kubernetes

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster():
    if not os.environ.get("RAFTOPS_TEST_NAMESPACE"):
        pytest.skip("set KUBECONFIG and RAFTOPS_TEST_NAMESPACE")
    return Cluster(os.environ["RAFTOPS_TEST_NAMESPACE"])


@pytest.fixture(scope="module")
def serving():
    name, told = f"raftops-test-{uuid.uuid4().hex[:8]}", {"RAFTOPS_HOST": "0.0.0.0"}
    return Serving(name, "aaaa", "r/d:1", "raftops-store", "/app/.raftops", told, Kubernetes())


def test_a_server_takes_every_object(cluster, serving):
    for slot in SLOTS:
        for body in (config_map(serving, slot), deployment(serving, slot), service(serving.name, slot, "aaaa")):
            assert cluster.apply(body, dry_run=True)["metadata"]["name"] == body["metadata"]["name"]


def test_the_same_again_changes_nothing_and_another_manager_is_a_conflict(cluster, serving):
    body = config_map(serving, "blue")
    first = cluster.apply(body)
    assert cluster.apply(body)["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    with pytest.raises(ApiRefused, match='conflict with "raftops"'):
        cluster.apply(body | {"data": {"RAFTOPS_HOST": "::"}}, manager="somebody")
    body["metadata"]["resourceVersion"] = "1"
    with pytest.raises(ApiRefused, match="409"):
        cluster.apply(body | {"data": {"RAFTOPS_HOST": "::"}})


def test_the_number_of_pods_is_applied_apart(cluster, serving):
    cluster.apply(deployment(serving, "blue"))
    none = cluster.apply(replicas(serving.name, "blue", 0), manager=SCALER, force=True)
    assert none["spec"]["replicas"] == 0
    assert cluster.apply(deployment(serving, "blue"))["spec"]["replicas"] == 0


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
