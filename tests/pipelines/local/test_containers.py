"""The runner of containers with an engine of a few lines; the real one is in tests/docker."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from docker.errors import DockerException, ImageNotFound

from pipelines.local.containers import CODE_LABEL, STEP_LABEL, Engine, TaskContainer, in_containers
from pipelines.local.handler import Ending
from pipelines.local.limits import Limits
from pipelines.local.sandbox import Site
from pipelines.wiring.keys import Key
from raftops.errors import StepError


@dataclass
class Box:
    """A container that prints what it is given to print and ends as it is given to end."""

    prints: tuple[bytes, ...] = ()
    state: dict[str, Any] = field(default_factory=lambda: {"ExitCode": 0})
    calls: list[str] = field(default_factory=list)
    attrs: dict[str, Any] = field(default_factory=dict)
    works: threading.Event | None = None
    """Where there is one: it is at work until it is killed."""

    def start(self) -> None:
        self.calls.append("start")

    def logs(self, **_: object) -> Any:
        return iter(self.prints)

    def wait(self) -> None:
        if self.works:
            self.works.wait()
        self.calls.append("wait")

    def kill(self) -> None:
        self.calls.append("kill")
        if self.works:
            self.works.set()

    def reload(self) -> None:
        self.attrs = {"State": self.state}

    def remove(self, **_: object) -> None:
        self.calls.append("remove")

    def create(self, **_: object) -> Box:
        return self

    @property
    def containers(self) -> Box:
        return self


@dataclass
class Asked:
    """What the handler of a task asks to run, and what it hears."""

    name: str = "train"
    image: str = "one"
    command: tuple[str, ...] = ("sh",)
    environment: dict[str, str] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    heard: list[bytes] = field(default_factory=list)

    def hear(self, chunk: bytes) -> None:
        self.heard.append(chunk)


def ran(box: Any, asked: Any = None, **limit: Any) -> Ending:
    return TaskContainer(box, {}, Limits("image", **limit)).run(asked or Asked())


@pytest.mark.parametrize("code", [0, 1, 2, 3, 125, 255])
def test_the_exit_code_is_the_containers(code: int) -> None:
    assert ran(Box(state={"ExitCode": code})) == Ending(code)


def test_a_container_is_removed_after_its_code_was_read_and_also_when_reading_fails() -> None:
    box = Box()
    ran(box)
    assert box.calls == ["start", "wait", "remove"]
    broken = Box(state={})
    with pytest.raises(KeyError):
        ran(broken)
    assert broken.calls[-1] == "remove"


@pytest.mark.parametrize(
    ("state", "reason", "advice"),
    [
        ({"ExitCode": 137}, "it was killed, perhaps because the machine's memory ran out", "make room"),
        ({"ExitCode": 137, "OOMKilled": True}, "it was killed: it needed more than its 512 MiB", "raise memory of"),
        ({"ExitCode": 1, "OOMKilled": True}, "it was killed: it needed more than its 512 MiB", "raise memory of"),
    ],
)
def test_a_kill_is_told_with_what_to_do(state: dict[str, Any], reason: str, advice: str) -> None:
    ending = ran(Box(state=state), memory=2**29)
    assert ending.message.startswith(reason)
    assert ending.next_step.startswith(advice) and "platform.resources.train" in ending.next_step


def test_a_container_that_ran_out_of_memory_in_a_child_and_went_on_did_well() -> None:
    assert ran(Box(state={"ExitCode": 0, "OOMKilled": True}), memory=2**29) == Ending(0)


def test_a_container_that_takes_too_long_is_killed_and_has_failed_whatever_its_code() -> None:
    box = Box(works=threading.Event())
    ending = ran(box, seconds=0.01)
    assert "it ran longer than" in ending.message and "timeout_minutes" in ending.next_step
    assert box.calls == ["start", "kill", "wait", "remove"]


def test_a_run_that_is_ended_kills_the_container_at_work() -> None:
    box, asked = Box(works=threading.Event()), Asked()
    asked.stopped.set()
    assert ran(box, asked) == Ending(0), "nobody is told of it"
    assert box.calls == ["start", "kill", "wait", "remove"]


def test_what_it_prints_is_handed_on_as_it_comes() -> None:
    asked = Asked()
    ran(Box((b"one\ntw", b"o\n", b"three")), asked)
    assert asked.heard == [b"one\ntw", b"o\n", b"three"]


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


def test_an_engine_that_fails_in_the_middle_is_a_failure_of_the_step(tmp_path: Any) -> None:
    class Broken:
        def create(self, **_: object) -> Any:
            raise DockerException("no space left on device")

    failing = engine({"one": OURS})
    failing._client.containers = Broken()
    failing.site = Site(tmp_path, tmp_path, "1:1", cores=1)
    asked: Any = Asked()
    with pytest.raises(StepError, match="train: the Docker engine failed: no space left on device"):
        failing.launch(asked)


def test_without_an_engine_the_next_step_is_said(tiny_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/docker.sock")
    with (
        pytest.raises(StepError, match="no Docker engine answers") as caught,
        in_containers(tiny_run.loaded, tiny_run.compiled(), tiny_run.store),
    ):
        pass
    assert "--in" in caught.value.next_step
