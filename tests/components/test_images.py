"""Images: one shape, differing in the step's name; what they copy is there and is what they need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from components.images import image
from raftops import __version__
from raftops.spec.model.base import STEPS

ROOT = Path(__file__).parents[2]
STAYS = "\nFROM ${BASE}\n"
"""Where the stage begins that stays."""


def dockerfile(step: str) -> str:
    return (ROOT / "components" / step / "Dockerfile").read_text(encoding="utf-8")


def test_the_dockerfiles_differ_in_the_name_of_the_step_only() -> None:
    shapes = {dockerfile(step).replace(step, "STEP") for step in STEPS}
    assert len(shapes) == 1
    assert shapes.pop().count("STEP") == 5


@pytest.mark.parametrize("step", STEPS)
def test_everything_copied_exists_and_is_let_through_by_dockerignore(step: str) -> None:
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile(step), re.MULTILINE)
        for name in line.split()[:-1]
    ]  # fmt: skip
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"}
    assert copied and {name.split("/")[0] for name in copied} == allowed
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_a_container_does_not_run_as_root() -> None:
    last = [line for line in dockerfile("train").splitlines() if line.startswith("USER")][-1]
    assert last == "USER 10001:10001"


def test_the_stage_that_stays_copies_libraries_and_code_apart_and_installs_nothing() -> None:
    stays = dockerfile("train").partition(STAYS)[2]
    assert [line.split()[1] for line in re.findall(r"^COPY.*$", stays, re.MULTILINE)] == [
        "--from=environment", "--from=code",
    ]  # fmt: skip
    assert "pip install" not in stays and "apt" not in stays


def test_the_base_and_the_builder_are_arguments() -> None:
    text = dockerfile("train")
    assert text.index("ARG BASE=") < text.index("FROM ")
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE)[-1] == "${BASE}"


def test_what_changes_with_every_build_stands_last_so_that_layers_are_kept() -> None:
    stays = dockerfile("train").partition(STAYS)[2]
    assert stays.index("ARG ") > stays.index("COPY ") and stays.index("ARG ") > stays.index("RUN ")


def test_the_labels_of_the_open_container_initiative_are_there() -> None:
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", dockerfile("train")))
    assert labels >= {"title", "description", "source", "licenses", "version", "revision", "created"}


def test_versions_come_from_the_lock() -> None:
    assert "-c requirements.lock" in dockerfile("train")
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert all("==" in line for line in locked.splitlines() if line and not line.startswith("#"))


def test_an_image_is_named_after_its_step_and_our_version() -> None:
    assert image("train", "registry.example/team") == f"registry.example/team/train:{__version__}"
