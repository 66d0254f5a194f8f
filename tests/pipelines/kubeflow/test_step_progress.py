from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.kubeflow.run_state import part_count
from pipelines.kubeflow.step_progress import NAMED, READ, Progress, StepProgress
from pipelines.wiring.pods import Message
from raftops.progress import PROGRESS


def said(done: int, total: int, note: str) -> str:
    return PROGRESS + json.dumps({"step": "train", "done": done, "total": total, "note": note}) + "\n"


def look(parts: StepProgress, states: dict[str, str], expected: int, **logs: str) -> Progress | None:
    return parts.look(states, expected, lambda pod: logs.get(pod, ""))


def test_one_pod_says_it_in_its_own_words() -> None:
    log = said(1, 9, "loss 3") + "a line\n" + said(2, 9, "loss 2") + "and another\n"
    assert look(StepProgress(), {"a": "RUNNING"}, 0, a=log) == Progress(2, 9, "loss 2")


def test_a_step_that_says_nothing_is_nowhere() -> None:
    assert look(StepProgress(), {"a": "RUNNING", "b": "PENDING"}, 2, a="loading\n") is None
    assert look(StepProgress(), {}, 0) is None


def test_candidates_side_by_side_are_all_told_and_summed() -> None:
    logs = {"a": said(3, 9, "raft (brisk) loss 2.1"), "b": said(4, 9, "raft (wide) loss 1.9")}
    assert look(StepProgress(), {"a": "RUNNING", "b": "RUNNING"}, 3, **logs) == Progress(
        7, 27, "0 of 3 done; raft (brisk) loss 2.1 (3/9); raft (wide) loss 1.9 (4/9)"
    )


def test_what_ended_counts_in_full_and_stays_counted() -> None:
    parts = StepProgress()
    look(parts, {"a": "RUNNING", "b": "RUNNING"}, 3, a=said(3, 9, "brisk"), b=said(4, 9, "wide"))
    found = look(parts, {"a": "SUCCEEDED", "b": "RUNNING", "c": "RUNNING"}, 3, b=said(8, 9, "wide"), c=said(1, 9, "x"))
    assert found == Progress(18, 27, "1 of 3 done; wide (8/9); x (1/9)")


def test_parts_from_the_cache_are_no_work_left() -> None:
    states = {"a": "SKIPPED", "b": "SKIPPED", "c": "RUNNING"}
    assert look(StepProgress(), states, 3, c=said(1, 4, "page")) == Progress(1, 4, "2 of 3 done; page (1/4)")


def test_a_try_that_failed_does_not_count() -> None:
    parts = StepProgress()
    look(parts, {"a": "RUNNING"}, 0, a=said(5, 9, "first"))
    assert look(parts, {"a": "FAILED", "b": "RUNNING"}, 0, b=said(1, 9, "second")) == Progress(1, 9, "second")


def test_of_many_shards_a_few_are_read_and_fewer_named() -> None:
    read: list[str] = []

    def log(pod: str) -> str:
        read.append(pod)
        return said(1, 2, f"shard {pod}")

    found = StepProgress().look({str(n): "RUNNING" for n in range(64)}, 256, log)
    assert found and (found.done, found.total) == (READ, 512) and len(read) == READ
    assert found.note == f"0 of 256 done; {'; '.join(f'shard {n} (1/2)' for n in range(NAMED))}; 61 more at work"


def test_how_many_parts_a_step_has_is_in_the_pipeline_that_the_server_kept(project: Any, compiled_run: Any) -> None:
    project.spec["spec"]["platform"] = {"shards": 5}
    run = compiled_run(project)
    assert [part_count(run, step) for step in ("ingest", "index", "train", "evaluate")] == [5, 5, 0, 0]
    assert part_count({}, "ingest") == 0


@pytest.fixture
def compiled_run(compile_project: Callable[[Any], Any]) -> Callable[[Any], Message]:
    """A run as the server answers it."""
    from pipelines.kubeflow.submit import as_struct

    def run(project: Any) -> Message:
        compiled = compile_project(project)
        return {"pipeline_spec": as_struct(compiled.pipeline, compiled.platform)}

    return run
