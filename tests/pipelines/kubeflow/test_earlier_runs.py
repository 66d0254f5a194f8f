from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipelines.kubeflow.client import Endpoint, Server
from pipelines.kubeflow.earlier_runs import cache_keys, past_steps
from tests.standin.runs import scripted
from tests.standin.server import Cluster
from tests.standin.server import Server as StandIn
from tests.standin.tiny import pipeline


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(scripted())


@pytest.fixture
def server(cluster: Cluster) -> Iterator[Server]:
    with StandIn(cluster) as standin:
        yield Server(Endpoint(standin.url))


def test_good_steps_are_remembered_with_key_and_time(cluster: Cluster, server: Server) -> None:
    cluster.start = scripted({"run": "RUNNING", "validate": "CACHED", "ingest": "SUCCEEDED", "train": "FAILED"})
    experiment = server.make_experiment("handbook")
    server.create_run({"experiment_id": experiment, "display_name": "x", "pipeline_spec": pipeline()})
    found = {step.step: step for step in past_steps(server, "handbook")}
    assert set(found) == {"validate", "ingest"}
    assert found["ingest"].key == "key of ingest" and found["ingest"].seconds is not None
    assert found["validate"].seconds is None


def test_an_experiment_that_is_not_there_remembers_nothing(server: Server) -> None:
    assert past_steps(server, "nothing") == []


@pytest.mark.parametrize(("at_once", "rounds"), [(1, 3), (2, 2), (4, 1)])
def test_the_time_of_candidates_is_remembered_with_how_many_followed_each_other(
    cluster: Cluster, server: Server, at_once: int, rounds: int
) -> None:
    cluster.start = scripted({"run": "RUNNING", "train": "SUCCEEDED"})
    candidates = {"candidates": [{"name": name} for name in "abc"], "candidates_at_once": at_once}
    spec = pipeline()
    config = {"runtimeValue": {"constant": {"train": candidates}}}
    spec["root"]["dag"]["tasks"]["train"]["inputs"] = {"parameters": {"config": config}}
    spec["components"]["comp-train"]["inputDefinitions"] = {"parameters": {"config": {"parameterType": "STRUCT"}}}
    server.create_run({"experiment_id": server.make_experiment("handbook"), "display_name": "x", "pipeline_spec": spec})
    [train] = [step for step in past_steps(server, "handbook") if step.step == "train"]
    assert train.rounds == rounds


def test_the_plain_adapter_beside_is_no_second_round(cluster: Cluster, server: Server) -> None:
    cluster.start = scripted({"run": "RUNNING", "train": "SUCCEEDED"})
    spec = pipeline()
    config = {"runtimeValue": {"constant": {"train": {"plain_beside": True}}}}
    spec["root"]["dag"]["tasks"]["train"]["inputs"] = {"parameters": {"config": config}}
    spec["components"]["comp-train"]["inputDefinitions"] = {"parameters": {"config": {"parameterType": "STRUCT"}}}
    server.create_run({"experiment_id": server.make_experiment("handbook"), "display_name": "x", "pipeline_spec": spec})
    [train] = [step for step in past_steps(server, "handbook") if step.step == "train"]
    assert train.rounds == 1 and train.seconds is not None


def test_keys_are_found_however_deep_a_task_lies() -> None:
    spec = pipeline()
    tasks = spec["root"]["dag"]["tasks"]
    spec["components"]["comp-condition-1"] = {"dag": {"tasks": {"deploy": tasks.pop("deploy")}}}
    tasks["condition-1"] = {"componentRef": {"name": "comp-condition-1"}}
    keys = cache_keys({"pipeline_spec": spec, "platform_spec": {}})
    assert keys["deploy"] == "key of deploy" and len(keys) == 7
    assert cache_keys(spec) == keys
