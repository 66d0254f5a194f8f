"""What the stand-in refuses, as the real server does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
import yaml

from raftops.spec.model.base import STEPS
from tests.standin import rules
from tests.standin.rules import Refused, read_file, read_struct
from tests.standin.runs import scripted
from tests.standin.server import Cluster, Server
from tests.standin.tiny import DONE, pipeline


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(Cluster(scripted(*DONE))) as server:
        yield server


Post = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def post(server: Server) -> Post:
    """Create a run with a changed body."""

    def send(**changes: Any) -> tuple[int, dict[str, Any]]:
        body = {"display_name": "x", "pipeline_spec": pipeline(), "runtime_config": {}} | changes
        answer = urllib3.request("POST", f"{server.url}/apis/v2beta1/runs", json=body)
        return answer.status, json.loads(answer.data)

    return send


def without_root(spec: dict[str, Any]) -> None:
    del spec["root"]


CHANGES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda p: p.update(schemaVersion="2.0.0"), "only supports schema version 2.1.0"),
    (lambda p: p["pipelineInfo"].update(name="Tiny"), "name should consist of"),
    (lambda p: p["pipelineInfo"].update(name=""), "name should consist of"),
    (lambda p: p.update(surprise=1), 'no field named "surprise"'),
    (lambda p: p["root"]["dag"]["tasks"]["train"].update(gpus=1), 'no field named "gpus"'),
    (lambda p: p["deploymentSpec"]["executors"]["exec-train"]["container"].update(priority=1), '"priority"'),
    (lambda p: p["deploymentSpec"]["executors"].pop("exec-train"), "executor exec-train not found"),
    (lambda p: p["components"].pop("comp-train"), "component comp-train not found"),
    (lambda p: p["root"]["dag"]["tasks"]["train"].update(dependentTasks=["x"]), "depends on unknown task x"),
    (without_root, "root component is empty"),
]


@pytest.mark.parametrize(("change", "says"), CHANGES, ids=[says[:30].replace(" ", "-") for _, says in CHANGES])
def test_a_pipeline_that_the_server_cannot_use_is_refused(post: Post, change: Any, says: str) -> None:
    spec = pipeline()
    change(spec)
    status, answer = post(pipeline_spec=spec)
    assert (status, answer["code"]) == (400, 3)
    assert says in answer["message"]


def test_the_platform_document_is_strict_too() -> None:
    wanted = {"executors": {"exec-train": {"nodeSelektor": {}}}}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": wanted}}}
    with pytest.raises(Refused, match="nodeSelektor"):
        read_struct({"pipeline_spec": pipeline(), "platform_spec": platform})


def test_a_file_holds_one_pipeline_and_at_most_one_platform() -> None:
    platform = {"platforms": {"kubernetes": {}}}
    with pytest.raises(Refused, match="multiple pipeline specs"):
        read_file(yaml.safe_dump_all([pipeline(), pipeline()]).encode())
    with pytest.raises(Refused, match="multiple platform specs"):
        read_file(yaml.safe_dump_all([pipeline(), platform, platform]).encode())
    assert read_file(yaml.safe_dump_all([pipeline(), platform]).encode()).platform == platform


def test_size_has_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    text = yaml.safe_dump(pipeline()).encode()
    monkeypatch.setattr(rules, "LARGEST_WORKFLOW", 100)
    with pytest.raises(Refused, match="request is too large") as refused:
        read_file(text)
    assert refused.value.status == 500
    monkeypatch.setattr(rules, "LARGEST_FILE", 100)
    with pytest.raises(Refused, match="File size too large"):
        read_file(text)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "parameter rank is not optional"),
        ({"rank": "8"}, "requires type number_integer"),
        ({"rank": True}, "requires type number_integer"),
        ({"rank": 8, "alpha": 1}, "not required by pipeline: alpha"),
    ],
)
def test_parameters_are_those_that_the_pipeline_names(post: Post, given: dict[str, Any], says: str) -> None:
    spec = pipeline(rank="NUMBER_INTEGER")
    status, answer = post(pipeline_spec=spec, runtime_config={"parameters": given})
    assert status == 400 and says in answer["message"]
    assert post(pipeline_spec=spec, runtime_config={"parameters": {"rank": 8}})[0] == 200


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"experiment_id": "nowhere"}, 404, "Experiment nowhere not found"),
        ({"display_name": ""}, 400, "run name is empty"),
        ({"colour": "red"}, 400, 'unknown field "colour"'),
        ({"runtime_config": {"params": {}}}, 400, 'unknown field "runtime_config.params"'),
        ({"pipeline_spec": None}, 400, "no pipeline spec is provided"),
        ({"pipeline_version_reference": {"pipeline_version_id": "x"}}, 404, "PipelineVersion x not found"),
    ],
)
def test_a_request_is_read_strictly(post: Post, changes: dict[str, Any], status: int, says: str) -> None:
    found, answer = post(**changes)
    assert found == status and says in answer["message"]


def test_every_time_that_a_client_parses_is_there(post: Post) -> None:
    run = post()[1]
    assert run["state"] == "PENDING"
    assert all(run[name].endswith("Z") for name in ("created_at", "scheduled_at", "finished_at"))


def test_an_unknown_route_is_404(server: Server) -> None:
    assert urllib3.request("GET", f"{server.url}/apis/v2beta1/nothing").status == 404


def test_tasks_stand_in_the_order_in_which_they_can_run() -> None:
    assert [name for name, _ in read_struct(pipeline()).tasks()] == list(STEPS)
