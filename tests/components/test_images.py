"""Images: one shape, differing in the step's name; what they copy is there and is what they need."""

from __future__ import annotations

import re
import subprocess
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


def test_what_pytorch_takes_along_for_cuda_is_locked_beside_the_rest_and_for_linux_only() -> None:
    assert "-c requirements.lock -c cuda.lock -r extra.txt" in dockerfile("train")
    pins = [line for line in (ROOT / "cuda.lock").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9.]+; platform_system == \"Linux\"", pin)] == []
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert {pin.partition("=")[0] for pin in pins} & {line.partition("=")[0] for line in locked} == set()
    assert {"nvidia-cudnn-cu13", "nvidia-nccl-cu13", "triton"} <= {pin.partition("=")[0] for pin in pins}


@pytest.mark.parametrize(("served", "also"), [("torch==2.13.0", ["cuda.lock"]), ("torch==2.13.0+cpu", [])])
def test_setup_installs_it_where_the_index_served_the_build_for_cuda(
    served: str, also: list[str], tmp_path: Path
) -> None:
    """PyPI's build cannot even be imported without it."""
    for name in ("requirements.lock", "cuda.lock", "models.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\n[ "$3" = freeze ] && echo {served}\necho "$@" >> told\n', encoding="utf-8")
    python.chmod(0o755)
    make = ["make", "--silent", "--file", str(ROOT / "Makefile"), "setup"]
    done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = re.findall(r"install .*-r (\S+)", (tmp_path / "told").read_text(encoding="utf-8"))
    assert told == ["requirements.lock", *also, "models.lock"]


def test_an_image_is_named_after_its_step_and_our_version() -> None:
    assert image("train", "registry.example/team") == f"registry.example/team/train:{__version__}"
