"""What a rollout is judged by: the pods that are wanted now, and a status that is about them."""

import pytest

from raftops.cluster.resources import Serving, deployment, labels
from raftops.cluster.rollout import RolloutFailed, wait_for
from raftops.spec.model.serving import Kubernetes

SLOT = labels("handbook", "blue")


def wanted(release="aaaa"):
    environment = {"RAFTOPS_RELEASE": f"/app/.raftops/releases/handbook/{release}"}
    return deployment(
        Serving("handbook", release, "r/d:1", "store", "/app/.raftops", environment, Kubernetes()), "blue"
    )


def stuck(reason):
    return {"containerStatuses": [{"name": "service", "state": {"waiting": {"reason": reason}}}]}


def pod(body, **metadata):
    template = body["spec"]["template"]
    return {"metadata": template["metadata"] | metadata, "spec": template["spec"]}


def failure(cluster):
    with pytest.raises(RolloutFailed) as it:
        wait_for(cluster, "handbook-blue", SLOT, 0, lambda ready, pods: None)
    return str(it.value)


def test_pods_of_an_earlier_try_that_are_still_there_do_not_count(cluster, api):
    cluster.apply(wanted())
    api.put("Pod", "other", pod(wanted("bbbb")), stuck("ImagePullBackOff"))
    api.put("Pod", "ending", pod(wanted(), deletionTimestamp="2026-01-01T00:00:00Z"), stuck("CrashLoopBackOff"))
    assert "not within" in (said := failure(cluster)) and "BackOff" not in said
    api.put("Pod", "mine", pod(wanted()), stuck("InvalidImageName"))
    assert "pod mine: InvalidImageName" in failure(cluster)


def test_a_status_of_what_was_wanted_before_does_not_count(cluster, api):
    generation = cluster.apply(wanted())["metadata"]["generation"]
    failed = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    api.put("Deployment", "handbook-blue", status={"observedGeneration": generation - 1, "conditions": [failed]})
    assert "exceeded quota" not in failure(cluster)
    api.put("Deployment", "handbook-blue", status={"observedGeneration": generation, "conditions": [failed]})
    assert "exceeded quota" in failure(cluster)
