from __future__ import annotations

from typing import Any

import pytest

from pipelines.kubeflow.run_state import steps_of
from raftops.spec.model.base import StepName
from tests.standin.runs import node


def state_of(step: StepName, *nodes: Any, run: str = "RUNNING") -> Any:
    return steps_of({"state": run, "run_details": {"task_details": list(nodes)}})[step]


def test_time_is_that_of_the_task() -> None:
    assert state_of("train", node("train", "SUCCEEDED", "w-1")).seconds == 90.0


def test_what_has_not_ended_still_counts() -> None:
    assert state_of("train", node("train", "RUNNING", "w-1")).seconds > 90.0


def test_a_retried_step_has_the_pods_of_all_tries() -> None:
    nodes = [
        node("train", "RUNNING", "w-1", "w-22"), node("executor", "RUNNING", "w-impl-22", "w-33", "w-44"),
        node("executor(0)", "FAILED", "w-impl-33"), node("executor(1)", "RUNNING", "w-impl-44"),
    ]  # fmt: skip
    state = state_of("train", *nodes)
    assert (state.status, state.pods) == ("running", ("w-impl-33", "w-impl-44"))


def test_shards_belong_to_their_step() -> None:
    shards = [node("ingest-shard", "SUCCEEDED", "w-1"), node("ingest-shard", "RUNNING", "w-2")]
    assert state_of("ingest", *shards).status == "running"
    assert state_of("ingest", *shards, node("ingest", "SUCCEEDED", "w-3")).status == "running"
    done = [node("ingest-shard", "SUCCEEDED", "w-1"), node("ingest", "SUCCEEDED", "w-3")]
    assert state_of("ingest", *done).status == "done"


def test_the_task_that_lists_what_shards_share_out_is_none_of_those_that_are_counted() -> None:
    nodes = [
        node("ingest-documents", "SUCCEEDED", "w-1", "w-11"), node("ingest-shard", "RUNNING", "w-2", "w-22"),
        node("executor", "SUCCEEDED", "w-impl-11"), node("executor", "RUNNING", "w-impl-22"),
    ]  # fmt: skip
    ingest = state_of("ingest", *nodes)
    assert (ingest.status, dict(ingest.states)) == ("running", {"w-impl-22": "RUNNING"})
    assert state_of("ingest", node("ingest-documents", "FAILED", "w-1")).status == "failed"


def test_time_of_tasks_is_counted_once_where_they_overlap_and_not_where_none_works() -> None:
    def of(name: str, start: str, end: str) -> Any:
        return node(name, "SUCCEEDED", name) | {
            "start_time": f"2026-11-21T{start}Z", "end_time": f"2026-11-21T{end}Z"
        }  # fmt: skip

    apart = state_of("train", of("train-plain", "10:00:00", "10:10:00"), of("train", "11:00:00", "11:05:00"))
    assert (apart.seconds, apart.work) == (900.0, 900.0)
    beside = state_of("train", of("train-plain", "10:00:00", "10:10:00"), of("train", "10:05:00", "10:20:00"))
    assert (beside.seconds, beside.work) == (1200.0, 1500.0)


@pytest.mark.parametrize(("state", "status"), [("FAILED", "failed"), ("RUNNING", "running")])
def test_of_candidates_side_by_side_the_one_that_failed_or_works_is_asked(state: str, status: str) -> None:
    nodes = [
        node("train-candidate", state, "w-1", "w-11"), node("train-candidate", "SUCCEEDED", "w-2", "w-22"),
        node("executor", state, "w-impl-11"), node("executor", "SUCCEEDED", "w-impl-22"),
    ]  # fmt: skip
    train = state_of("train", *nodes)
    assert (train.status, train.pods[-1]) == (status, "w-impl-11")


def test_a_step_whose_parts_are_done_and_whose_end_was_left_out_is_left_out() -> None:
    nodes = [node("index-shard", "SUCCEEDED", "w-1"), node("index", "SKIPPED", "w-2")]
    assert state_of("index", *nodes, run="FAILED").status == "left out"


def test_a_driver_is_nobodys_work() -> None:
    assert state_of("train", node("train-driver", "RUNNING", "w-1")).status == "waiting"


def test_a_step_at_work_when_the_run_ended_was_canceled() -> None:
    assert state_of("index", node("index", "RUNNING", "w-1"), run="FAILED").status == "canceled"
