from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipelines.kubeflow.client import Endpoint, Server, Unreachable
from pipelines.kubeflow.run_state import steps_of
from pipelines.kubeflow.watch import PATIENCE, failure, watch
from raftops.spec.model.base import STEPS
from tests.pipelines.conftest import Heard
from tests.standin.runs import Run, node, scripted
from tests.standin.server import Cluster
from tests.standin.server import Server as StandIn
from tests.standin.tiny import DONE, pipeline

PROGRESS = 'a bar raftops-progress {"step": "train", "done": 3, "total": 9, "note": "loss 2.1"}'
FAILURE = 'raftops-error {"type": "DataRejected", "message": "row k7 has no evidence", "next": "mend examples.jsonl"}'


@dataclass
class Watched:
    """A run on the stand-in that follows a script."""

    server: Server
    cluster: Cluster
    run_id: str
    heard: Heard = field(default_factory=Heard)

    def to_its_end(self) -> dict[str, Any]:
        return watch(self.server, self.run_id, self.heard, pause=0)

    def of(self, step: str) -> list[tuple[Any, ...]]:
        return [event for event in self.heard.events if event[1] == step]


Script = Callable[..., Watched]


@pytest.fixture
def script() -> Iterator[Script]:
    cluster = Cluster(scripted())
    with StandIn(cluster) as standin:
        server = Server(Endpoint(standin.url))

        def begin(*frames: dict[str, str], **logs: str) -> Watched:
            cluster.start = scripted(*frames, logs=logs)
            return Watched(server, cluster, server.create_run({"display_name": "x", "pipeline_spec": pipeline()}))

        yield begin


def test_every_step_is_heard_to_start_and_to_end(script: Script) -> None:
    run = script(*DONE)
    ended = run.to_its_end()
    assert ended["state"] == "SUCCEEDED"
    assert run.heard.events == [event for step in STEPS for event in (("started", step), ("done", step))]
    assert failure(run.server, ended) is None


def test_a_cached_step_is_heard_as_skipped(script: Script) -> None:
    run = script({"run": "RUNNING", "validate": "CACHED", "ingest": "RUNNING"}, {"run": "SUCCEEDED"})
    assert steps_of(run.to_its_end())["validate"].status == "skipped"
    assert run.of("validate") == [("skipped", "validate")]


def test_progress_comes_from_the_marked_lines_of_the_log_once_each(script: Script) -> None:
    running = {"run": "RUNNING", "train": "RUNNING"}
    run = script(running, {}, {}, {"train": "SUCCEEDED", "run": "SUCCEEDED"}, train=f"{PROGRESS}\nsomething else\n")
    run.to_its_end()
    assert run.of("train") == [("started", "train"), ("progressed", "train", 3, 9, "loss 2.1"), ("done", "train")]


FAILED = [{"run": "RUNNING", "train": "RUNNING"}, {"train": "FAILED", "evaluate": "SKIPPED", "run": "FAILED"}]


@pytest.mark.parametrize(
    ("log", "pod", "says", "next_step"),
    [
        (FAILURE, "", "train: row k7 has no evidence", "mend examples.jsonl"),
        ("Traceback (most recent call last):\n  File\nKeyError: 'x'\n", "", "train failed: KeyError: 'x'", "logs"),
        ("step 1\nKilled\n", "out of memory (OOMKilled, limit 2Gi)",
         "train failed: out of memory (OOMKilled, limit 2Gi); it was killed, perhaps because memory ran out",
         "raftops logs"),
        ("", "ImagePullBackOff: no such image", "train failed: ImagePullBackOff: no such image", "platform.registry"),
        ("", "", "train failed and left no log: its pod may never have started", "kubectl get events"),
    ],
)  # fmt: skip
def test_a_failure_names_the_step_why_and_what_next(
    script: Script, log: str, pod: str, says: str, next_step: str
) -> None:
    run = script(*FAILED, train=log)
    error = failure(run.server, run.to_its_end(), lambda name: pod)
    assert error is not None and str(error) == says
    assert next_step in error.next_step
    assert run.of("train")[-1] == ("failed", "train")
    assert run.of("evaluate") == []


@pytest.mark.parametrize(
    ("pod", "log", "next_step"),
    [
        ("out of memory (OOMKilled, limit 2Gi)", "", "raise platform.resources.train.memory and submit again"),
        ("out of memory (OOMKilled)", "step 3", "submit again; raftops logs"),
        ("ErrImagePull: not found", "", "check platform.registry, images and image_pull_secrets"),
        ("ImagePullBackOff: Back-off", "", "check platform.registry, images and image_pull_secrets"),
        ('CreateContainerConfigError: secret "raftops-artifacts" not found', "", "make the secret or the config map"),
        ("no node takes it: 0/3 nodes are available", "", "lower platform.resources.train, or mend its node_selector"),
        ("exit code 3", "step 3", "raftops logs"),
    ],
)
def test_what_kubernetes_says_of_a_pod_has_its_cure(script: Script, pod: str, log: str, next_step: str) -> None:
    run = script({"run": "RUNNING", "train": "RUNNING"}, {"train": "FAILED", "run": "FAILED"}, train=log)
    error = failure(run.server, run.to_its_end(), lambda _: pod)
    assert error is not None and pod in str(error)
    assert error.next_step.startswith(next_step) or next_step in error.next_step


def test_kubernetes_is_asked_about_the_pod_that_worked(script: Script) -> None:
    run = script(*FAILED)
    asked: list[str] = []
    failure(run.server, run.to_its_end(), lambda pod: asked.append(pod) or "")  # type: ignore[func-returns-value]
    assert asked and asked[0].startswith("tiny-") and "-system-container-impl-" in asked[0]


def test_steps_after_a_failure_are_left_out_and_not_skipped(script: Script) -> None:
    run = script(*FAILED)
    states = {step: state.status for step, state in steps_of(run.to_its_end()).items()}
    assert (states["train"], states["evaluate"], states["deploy"]) == ("failed", "left out", "left out")


def test_a_failure_of_the_run_itself_says_what_kubeflow_says(script: Script) -> None:
    run = script({"run": "FAILED"})
    error = failure(run.server, run.to_its_end() | {"error": {"message": "exceeded quota"}})
    assert error is not None and str(error) == f"run {run.run_id} failed: exceeded quota"
    assert run.run_id in error.next_step


def test_what_kubeflow_says_of_a_run_is_one_plain_line(script: Script) -> None:
    run = script({"run": "FAILED"})
    said = "  File 'x'\n    raise\nRuntimeError: \x1b[95mmine\x1b[0m failed\n"
    error = failure(run.server, run.to_its_end() | {"error": {"message": said}})
    assert str(error) == f"run {run.run_id} failed: RuntimeError: mine failed"


def test_a_canceled_run_is_said_to_be_canceled(script: Script) -> None:
    run = script({"run": "RUNNING", "train": "RUNNING"}, {"train": "CANCELED", "run": "CANCELED"})
    error = failure(run.server, run.to_its_end())
    assert error is not None and "was canceled" in str(error)
    assert steps_of(run.server.run(run.run_id))["train"].status == "canceled"


class Flaky:
    """A server that is away for some requests."""

    def __init__(self, server: Server, away: int) -> None:
        self.server, self.away = server, away

    def run(self, run_id: str) -> dict[str, Any]:
        self.away -= 1
        if self.away >= 0:
            raise Unreachable("gone")
        return self.server.run(run_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.server, name)


def test_a_server_that_is_away_for_a_while_ends_nothing(script: Script) -> None:
    run = script({"run": "RUNNING"}, {"run": "SUCCEEDED"})
    flaky: Any = Flaky(run.server, PATIENCE)
    assert watch(flaky, run.run_id, run.heard, pause=0)["state"] == "SUCCEEDED"


def test_a_server_that_stays_away_is_said(script: Script) -> None:
    run = script({"run": "RUNNING"})
    flaky: Any = Flaky(run.server, PATIENCE + 1)
    with pytest.raises(Unreachable):
        watch(flaky, run.run_id, run.heard, pause=0)


def test_gates_that_did_not_pass_are_the_reason_of_a_run_that_was_held(script: Script) -> None:
    run = script({"run": "RUNNING"}, train='raftops-error {"message": "raft.f1 is 0.2", "next": "read the report"}')
    pod = run.cluster.runs[run.run_id].pod(run.cluster.runs[run.run_id].tasks["train"])
    run.server.run(run.run_id)
    run.cluster.runs[run.run_id].tasks["train"].move("FAILED")
    tail = pod.rpartition("-")[2]
    nodes = [node("hold", "FAILED", "w-1", f"w-{tail}"), node("executor", "FAILED", pod)]
    ended = {"run_id": run.run_id, "state": "FAILED", "run_details": {"task_details": nodes}}
    error = failure(run.server, ended)
    assert error is not None and str(error) == "hold: raft.f1 is 0.2" and error.next_step == "read the report"


class Answers:
    """A server whose answers are given: runs one after the other, logs by pod."""

    def __init__(self, runs: list[Any], **logs: str) -> None:
        self.runs, self.logs = runs, logs

    def run(self, run_id: str) -> Any:
        return self.runs.pop(0)

    def log(self, run_id: str, pod: str) -> str:
        return self.logs[pod.replace("-", "_")]


def test_candidates_side_by_side_are_all_heard() -> None:
    nodes = [
        node("train-candidate", "RUNNING", "w-1", "w-11"), node("train-candidate", "RUNNING", "w-2", "w-22"),
        node("executor", "RUNNING", "w-impl-11"), node("executor", "RUNNING", "w-impl-22"),
    ]  # fmt: skip
    at_work = {"run_id": "r", "state": "RUNNING", "run_details": {"task_details": nodes}}
    other = PROGRESS.replace("3", "5").replace("2.1", "1.9")
    server: Any = Answers([at_work, at_work, {"state": "SUCCEEDED"}], w_impl_11=PROGRESS, w_impl_22=other)
    heard = Heard()
    watch(server, "r", heard, pause=0)
    told = [event for event in heard.events if event[0] == "progressed"]
    assert told == [("progressed", "train", 8, 18, "loss 2.1 (3/9); loss 1.9 (5/9)")]


def test_a_pod_that_does_not_start_is_heard_with_what_kubernetes_knows(script: Script) -> None:
    run = script({"run": "RUNNING", "train": "PENDING"}, {}, {"train": "FAILED", "run": "FAILED"})
    watch(run.server, run.run_id, run.heard, 0, lambda pod: "no node takes it: 0/3 nodes are available")
    waits = ("progressed", "train", 0, 1, "waits: no node takes it: 0/3 nodes are available")
    assert run.of("train") == [("started", "train"), waits, ("failed", "train")]


def test_the_script_of_a_run_is_json_all_the_way(script: Script) -> None:
    run: Run = script(*DONE).cluster.runs.popitem()[1]
    assert json.dumps(run.as_json())
