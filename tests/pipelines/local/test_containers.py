"""The runner of containers with an engine of a few lines; the real one is in tests/docker."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound
from kfp.local import docker_task_handler, status

from pipelines.local.containers import CODE_LABEL, STEP_LABEL, Engine, Task, in_containers, lines, task_of
from pipelines.local.limits import Limits
from pipelines.runs.events import Follower
from pipelines.runs.record import RunRecord, StepRecord
from pipelines.wiring.keys import Key
from raftops.errors import StepError
from raftops.spec.model.base import STEPS


@dataclass
class Box:
    """A container that says what it is told to say and ends as it is told to end."""

    said: tuple[bytes, ...] = ()
    state: dict[str, Any] = field(default_factory=lambda: {"ExitCode": 0})
    calls: list[str] = field(default_factory=list)
    attrs: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        self.calls.append("start")

    def logs(self, **_: object) -> Any:
        return iter(self.said)

    def wait(self) -> None:
        self.calls.append("wait")

    def reload(self) -> None:
        self.attrs = {"State": self.state}

    def remove(self, **_: object) -> None:
        self.calls.append("remove")

    def create(self, **_: object) -> Box:
        return self

    @property
    def containers(self) -> Box:
        return self


def ran(box: Box, **limit: Any) -> status.Status:
    client: Any = box
    return Task(client, "train", ["sh"], {}, Limits("image", **limit)).run()


@pytest.mark.parametrize("code", [1, 2, 3, 125, 137, 255])
def test_only_exit_code_zero_is_success(code: int) -> None:
    assert ran(Box()) == status.Status.SUCCESS
    assert ran(Box(state={"ExitCode": code})) == status.Status.FAILURE


def test_a_container_is_removed_after_its_code_was_read_and_also_when_reading_fails() -> None:
    box = Box()
    ran(box)
    assert box.calls == ["start", "wait", "remove"]
    broken = Box(state={})
    with pytest.raises(KeyError):
        ran(broken)
    assert broken.calls[-1] == "remove"


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        (Box((b"no such file\n", b"raftops-progress {}\n"), {"ExitCode": 3}), "no such file (exit code 3)"),
        (Box((), {"ExitCode": 3}), "it ended with exit code 3, without a message"),
    ],
)
def test_the_last_line_says_why_it_failed(box: Box, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran(box, memory=2**29)
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"train | {reason}")


TRACEBACK = (
    b"Traceback (most recent call last):\n",
    b'  File "a.py", line 1\n',
    b"OSError: a cache that was not there\n",
)
"""Of something that went on: the kill came later."""


@pytest.mark.parametrize(
    ("state", "reason", "advice"),
    [
        ({"ExitCode": 137}, "it was killed, perhaps because the machine's memory ran out", "make room"),
        ({"ExitCode": 137, "OOMKilled": True}, "it was killed: it needed more than its 512 MiB", "raise memory of"),
        ({"ExitCode": 1, "OOMKilled": True}, "it was killed: it needed more than its 512 MiB", "raise memory of"),
    ],
)
def test_a_kill_is_told_with_what_to_do_whatever_the_step_said_before(
    state: dict[str, Any], reason: str, advice: str, tmp_path: Path, tiny_run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(Box(TRACEBACK, state), memory=2**29)
    error = heard(capsys.readouterr().out, tmp_path, tiny_run)
    assert str(error).startswith(f"train: {reason}")
    assert error.next_step.startswith(advice) and "platform.resources.train" in error.next_step


def heard(out: str, folder: Path, tiny_run: Any) -> StepError:
    """What a run says of a task that printed this and failed."""
    steps = {step: StepRecord("key", {}) for step in STEPS}
    record = RunRecord("1", "tiny", "spec", "now", steps, documents={}, examples={})
    follower = Follower(record, folder, tiny_run.heard)
    follower.write("11:11:11.111 - INFO - Executing task 'train'\n")
    follower.write("".join(f"    {line}\n" for line in out.splitlines()))
    follower.write("11:11:11.111 - ERROR - Task 'train' finished with status FAILURE\n")
    follower.close_log()
    return follower.failure(RuntimeError())


def test_every_line_stands_behind_the_name_of_its_task(capsys: pytest.CaptureFixture[str]) -> None:
    ran(Box((b"one\ntw", b"o\n", b"three")))
    assert capsys.readouterr().out == "train | one\ntrain | two\ntrain | three\n"


def test_the_follower_hears_a_container_as_it_hears_a_process(tmp_path: Path, tiny_run: Any) -> None:
    said = ['raftops-progress {"done": 1, "total": 2, "note": "a"}', "Traceback (most recent call last):", "  File"]
    error = heard("".join(f"train | {line}\n" for line in [*said, "KeyError: 'x'"]), tmp_path, tiny_run)
    assert tiny_run.heard.events == [("started", "train"), ("progressed", "train", 1, 2, "a"), ("failed", "train")]
    assert str(error) == "train failed: KeyError: 'x'"


def test_lines_are_whole_although_letters_come_in_halves() -> None:
    text = "Größe – 1\nzwei".encode()
    assert list(lines(text[n : n + 1] for n in range(len(text)))) == ["Größe – 1", "zwei"]
    assert list(lines([b"a\xff\n"])) == ["a\\xff"]


def test_a_task_is_known_by_where_its_output_goes() -> None:
    told = json.dumps({"outputs": {"outputFile": "/store/artifacts/run-1/ingest-2/executor_output.json"}})
    assert task_of(["sh", "-ec", "text", "--executor_input", told, "--function_to_execute", "ingest"]) == "ingest-2"


class Images:
    """The images of an engine: labels by name."""

    def __init__(self, labels: dict[str, dict[str, str]]) -> None:
        self.known = labels

    def get(self, name: str) -> Any:
        if name not in self.known:
            raise ImageNotFound(name)
        return type("Image", (), {"labels": self.known[name]})


def engine(labels: dict[str, dict[str, str]], *, gpus: bool = False, **limit: Any) -> Engine:
    made: Any = object.__new__(Engine)
    made._client = type("Client", (), {"images": Images(labels)})
    made._limits, made._gpus = {"train": Limits("one", **limit)}, gpus
    made._code = {"train": Key({"code": "new"}).parts["code"]}
    return made


OURS = {STEP_LABEL: "train", CODE_LABEL: "new"}


def test_an_image_of_the_same_code_passes() -> None:
    engine({"one": OURS}).check(["train"])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({}, "train: the image one is not on this engine"),
        ({"one": {**OURS, CODE_LABEL: "old"}}, "train: the image one was not built from this code"),
        ({"one": {}}, "train: the image one was not built from this code"),
    ],
)
def test_a_missing_or_stale_image_is_told_before_anything_runs(labels: Any, message: str) -> None:
    with pytest.raises(StepError, match=message) as caught:
        engine(labels).check(["train"])
    assert "make images" in caught.value.next_step


def test_images_of_steps_that_do_not_run_are_not_asked_for() -> None:
    engine({}).check(["index"])


def test_a_step_that_asks_for_a_gpu_is_refused_where_there_is_none() -> None:
    wanted = {"accelerator": "nvidia.com/gpu", "accelerators": 1}
    engine({"one": OURS}, gpus=True, **wanted).check(["train"])
    with pytest.raises(StepError, match="train: asks for 1 nvidia.com/gpu, and this Docker engine offers no GPU"):
        engine({"one": OURS}, **wanted).check(["train"])


def test_without_an_engine_the_next_step_is_said_and_kfp_is_as_before(
    tiny_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/docker.sock")
    before = docker_task_handler.DockerTaskHandler
    with (
        pytest.raises(StepError, match="no Docker engine answers") as caught,
        in_containers(tiny_run.loaded, tiny_run.compiled(), tiny_run.store),
    ):
        pass
    assert "--in" in caught.value.next_step
    assert docker_task_handler.DockerTaskHandler is before
