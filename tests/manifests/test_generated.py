"""What the deploy step writes on a cluster passes too, beside what we ship."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.manifests import MINORS, Resource, check
from raftops.cluster.resources import SLOTS, Serving, config_map, deployment, service
from raftops.spec.model.base import SecretRef
from raftops.spec.model.serving import Kubernetes
from tests.manifests.samples import DIGEST, everything


def generated(**changes: Any) -> list[Resource]:
    """Both slots of an assistant, in our namespace."""
    settings: dict[str, Any] = {
        "name": "handbook", "release": "0123456789ab", "image": f"ghcr.io/raftops/deploy@{DIGEST}",
        "claim": "raftops-store", "store": "/app/.raftops", "environment": {"RAFTOPS_HOST": "0.0.0.0"},
        "settings": Kubernetes(),
    } | changes  # fmt: skip
    serving = Serving(**settings)
    bodies = [make(serving, slot) for slot in SLOTS for make in (config_map, deployment)]
    bodies.append(service(serving.name, "blue", serving.release))
    return [Resource(body | {"metadata": body["metadata"] | {"namespace": "raftops"}}, "generated") for body in bodies]


@pytest.mark.parametrize("minor", MINORS)
def test_slots_and_service_of_an_assistant_pass(minor: str) -> None:
    assert check([*everything(), *generated()], minor, production=True) == []


def test_a_secret_that_is_not_there_is_found_for_each_slot() -> None:
    token = SecretRef(secret="none", key="token", env="MILVUS_TOKEN")  # noqa: S106  a name
    found = check([*everything(), *generated(secrets=(token,))], production=True)
    path = "spec.template.spec.containers[0].env[0].valueFrom.secretKeyRef.name"
    assert {(f.resource, f.path) for f in found} == {(f"Deployment raftops/handbook-{slot}", path) for slot in SLOTS}


def test_the_autoscalers_of_the_slots_are_for_these_deployments() -> None:
    names = {resource.name for resource in generated() if resource.kind == "Deployment"}
    targets = {
        resource.body["spec"]["scaleTargetRef"]["name"]
        for resource in everything()
        if resource.kind == "HorizontalPodAutoscaler" and resource.name != "raftops-service"
    }
    assert targets == names
