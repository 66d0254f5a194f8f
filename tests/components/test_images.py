"""Images: one shape, differing in the step's name; what they copy is there and is what they need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from components.images import image
from raftops import __version__
from raftops.spec.model import STEPS

ROOT = Path(__file__).parents[2]


def dockerfile(step: str) -> str:
    return (ROOT / "components" / step / "Dockerfile").read_text(encoding="utf-8")


def test_the_dockerfiles_differ_in_the_name_of_the_step_only() -> None:
    shapes = {re.sub(rf"(?<=components/){step}(?=/)|(?<=\[){step}(?=\])", "STEP", dockerfile(step)) for step in STEPS}
    assert len(shapes) == 1
    assert shapes.pop().count("STEP") == 2


@pytest.mark.parametrize("step", STEPS)
def test_everything_copied_exists_and_is_let_through_by_dockerignore(step: str) -> None:
    copied = [name for line in re.findall(r"^COPY (.*)$", dockerfile(step), re.MULTILINE) for name in line.split()[:-1]]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"}
    assert copied and set(copied) == allowed
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_a_container_does_not_run_as_root() -> None:
    last = [line for line in dockerfile("train").splitlines() if line.startswith("USER")][-1]
    assert last == "USER 10001"


def test_versions_come_from_the_lock() -> None:
    assert "-c requirements.lock" in dockerfile("train")
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert all("==" in line for line in locked.splitlines() if line and not line.startswith("#"))


def test_an_image_is_named_after_its_step_and_our_version() -> None:
    assert image("train", "registry.example/team") == f"registry.example/team/train:{__version__}"
