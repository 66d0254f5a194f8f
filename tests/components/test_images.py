"""The images' one Dockerfile: what it copies is there and is what they need, and the locks know what it installs."""

from __future__ import annotations

import hashlib
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


DOCKERFILE = (ROOT / "components" / "Dockerfile").read_text(encoding="utf-8")
LOCKS = ("requirements.lock", "models.lock", "torch.lock", "torch-cpu.lock")


def pins(name: str) -> list[str]:
    """The lines of a lock that pin, without their hashes."""
    return re.findall(r"^([^\s#][^\\]*?) *\\?$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)


def test_the_name_of_the_step_is_an_argument_that_must_be_given_and_no_step_is_named() -> None:
    assert "${STEP:?" in DOCKERFILE
    assert [step for step in STEPS if re.search(rf"raftops {step}\b|STEP={step}$", DOCKERFILE, re.MULTILINE)] == []
    stages = re.split(r"^FROM .*$", DOCKERFILE, flags=re.MULTILINE)
    assert [stage for stage in stages[1:] if "${STEP" in stage and "\nARG STEP\n" not in stage] == []


def test_everything_copied_exists_and_is_let_through_by_dockerignore() -> None:
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    ]  # fmt: skip
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"}
    assert copied and {name.split("/")[0] for name in copied} == allowed
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_a_container_does_not_run_as_root() -> None:
    last = [line for line in DOCKERFILE.splitlines() if line.startswith("USER")][-1]
    assert last == "USER 10001:10001"


def test_the_stage_that_stays_copies_libraries_and_code_apart_and_installs_nothing() -> None:
    stays = DOCKERFILE.partition(STAYS)[2]
    assert [line.split()[1] for line in re.findall(r"^COPY.*$", stays, re.MULTILINE)] == [
        "--from=environment", "--from=code",
    ]  # fmt: skip
    assert "pip install" not in stays and "apt" not in stays


def test_the_base_and_the_builder_are_arguments() -> None:
    text = DOCKERFILE
    assert text.index("ARG BASE=") < text.index("FROM ")
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE)[-1] == "${BASE}"


def test_what_changes_with_every_build_stands_last_so_that_layers_are_kept() -> None:
    stays = DOCKERFILE.partition(STAYS)[2]
    assert stays.index("ARG ") > stays.index("COPY ") and stays.index("ARG ") > stays.index("RUN ")


def test_the_labels_of_the_open_container_initiative_are_there() -> None:
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", DOCKERFILE))
    assert labels >= {"title", "description", "source", "licenses", "version", "revision", "created"}


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_hashes(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert (
        lines
        and [line for line in lines if not re.fullmatch(r"\S+==[^#]*?( +--hash=sha256:[0-9a-f]{64})+", line)] == []
    )


def test_pytorch_stands_apart_in_both_builds_with_what_that_for_cuda_takes_along_on_linux_only() -> None:
    assert pins("torch-cpu.lock") == ["torch==2.13.0+cpu"] and "torch==2.13.0" in pins("torch.lock")
    others = [pin for pin in pins("torch.lock") if not pin.startswith("torch==")]
    assert [pin for pin in others if not pin.endswith("sys_platform == 'linux'")] == []
    names = {pin.partition("=")[0] for pin in pins("torch.lock")}
    assert {"nvidia-cudnn-cu13", "nvidia-nccl-cu13", "triton"} <= names
    assert names & {pin.partition("=")[0] for pin in pins("requirements.lock")} == set()


def test_versions_come_from_the_locks_and_no_file_is_installed_that_they_do_not_know(tmp_path: Path) -> None:
    assert re.findall(r"pip download (?!.*-c pins\.txt)", DOCKERFILE) == []
    loop = re.search(r"for wheel in wheels/\*;.*?done", DOCKERFILE, re.DOTALL)
    assert loop and DOCKERFILE.index("pip install --no-index") > loop.end()
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "good-1-py3-none-any.whl").write_bytes(b"good")
    (tmp_path / "a.lock").write_text(f"good==1 --hash=sha256:{hashlib.sha256(b'good').hexdigest()}\n", encoding="utf-8")
    script = ["sh", "-c", loop[0].replace("\\\n", "")]
    assert subprocess.run(script, cwd=tmp_path, check=False).returncode == 0
    (tmp_path / "wheels" / "more-1-py3-none-any.whl").write_bytes(b"altered")
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "wheels/more-1-py3-none-any.whl: no lock knows this file\n")


@pytest.mark.parametrize(("served", "also"), [("true", []), ("false", ["torch.lock"])])
def test_setup_takes_pytorch_without_cuda_where_an_index_serves_it_and_else_all_that_cuda_needs(
    served: str, also: list[str], tmp_path: Path
) -> None:
    """PyPI's build cannot even be imported without it."""
    for name in (*LOCKS, "pyproject.toml"):
        (tmp_path / name).touch()
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> told\ncase "$*" in *torch-cpu*) {served} ;; esac\n', encoding="utf-8")
    python.chmod(0o755)
    make = ["make", "--silent", "--file", str(ROOT / "Makefile"), "setup"]
    done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    calls = [line for line in (tmp_path / "told").read_text(encoding="utf-8").splitlines() if " -r " in line]
    found = [name for line in calls for name in re.findall(r"-r (\S+)", line)]
    assert found == ["requirements.lock", "models.lock", "torch-cpu.lock", *also]
    assert all("--require-hashes" in line for line in calls)


def test_an_image_is_named_after_its_step_and_our_version() -> None:
    assert image("train", "registry.example/team") == f"registry.example/team/train:{__version__}"
