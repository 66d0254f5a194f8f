from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.images import image
from pipelines.manifests import recorded
from pipelines.wiring.code import Code
from raftops.errors import StepError
from raftops.files import write_text
from raftops.spec.model.base import STEPS
from tools.images import DIGESTS, Build, base_of, build_command, labels_of, main, record_digests
from tools.sbom import debian, interpreter

ROOT = Path(__file__).parents[2]
PINNED = "python:3.11-slim@sha256:" + "a" * 64


def arguments(command: list[str]) -> dict[str, str]:
    """The build arguments of a call."""
    words = [command[n + 1] for n, word in enumerate(command) if word == "--build-arg"]
    return dict(word.split("=", 1) for word in words)


def pin(root: Path, base: str) -> Path:
    """A folder whose Dockerfiles have this base."""
    for step in STEPS:
        write_text(root / "components" / step / "Dockerfile", f"# of {step}\nARG BASE={base}\nFROM ${{BASE}}\n")
    return root


def test_a_build_names_file_tag_and_arguments(tmp_path: Path) -> None:
    build = Build("registry.example/team", torch="cpu", more=("--network=host",))
    command = build_command("train", build, pin(tmp_path, PINNED), {"CODE": "c0de"})
    assert command[:4] == ["docker", "build", "--file", "components/train/Dockerfile"]
    assert image("train", "registry.example/team") in command and command[-2:] == ["--network=host", "."]
    assert arguments(command) == {
        "BASE": PINNED, "BUILDER": PINNED, "TORCH": "cpu", "CODE": "c0de",
    }  # fmt: skip


def test_a_step_that_no_gpu_helps_takes_pytorch_without_cuda(tmp_path: Path) -> None:
    root = pin(tmp_path, PINNED)
    assert {step: arguments(build_command(step, Build(), root, {}))["TORCH"] for step in ("index", "train")} == {
        "index": "cpu", "train": "cuda",
    }  # fmt: skip


def test_a_push_of_one_step_keeps_what_is_recorded_of_the_others(tmp_path: Path) -> None:
    path = record_digests(tmp_path / DIGESTS, {"ingest": "r/ingest@sha256:a", "train": "r/train@sha256:a"})
    assert recorded(record_digests(path, {"train": "r/train@sha256:b"})) == ["r/ingest@sha256:a", "r/train@sha256:b"]


def test_the_base_is_the_one_that_was_pinned(tmp_path: Path) -> None:
    root = pin(tmp_path, PINNED)
    assert base_of("train", Build(), root) == base_of("train", Build(release=True), root) == PINNED
    assert base_of("train", Build(base="other"), root) == "other"


def test_ours_are_pinned_to_one_base_so_that_a_release_can_be_built() -> None:
    bases = {base_of(step, Build(release=True), ROOT) for step in STEPS}
    assert len(bases) == 1 and re.fullmatch(r"python:3\.11-slim@sha256:[0-9a-f]{64}", bases.pop())


def test_what_the_registry_says_is_written_into_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new = "sha256:" + "b" * 64
    docker = tmp_path / "bin" / "docker"
    write_text(docker, f"#!/bin/sh\n[ $1 = pull ] || echo '[\"docker.io/library/python@{new}\"]'\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:/usr/bin:/bin")
    monkeypatch.chdir(pin(tmp_path / "project", PINNED))
    assert main(["base"]) == 0
    assert capsys.readouterr().out == f"python:3.11-slim@{new}\n"
    for step in STEPS:
        text = Path("components", step, "Dockerfile").read_text(encoding="utf-8")
        assert text == f"# of {step}\nARG BASE=python:3.11-slim@{new}\nFROM ${{BASE}}\n"


@pytest.mark.parametrize("base", ["", "python:3.11-slim"])
def test_a_release_without_a_digest_is_refused(tmp_path: Path, base: str) -> None:
    with pytest.raises(StepError, match="a release names its base by digest") as caught:
        base_of("train", Build(base=base, release=True), pin(tmp_path, "python:3.11-slim"))
    assert caught.value.next_step == "make base"


def test_the_label_of_the_code_is_the_part_of_the_key(tmp_path: Path) -> None:
    labels = labels_of("ingest", tmp_path, datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC))
    assert labels["CODE"] == Code().hash_of("components.ingest.component")
    assert labels["CREATED"] == "2026-05-04T03:02:01Z"
    assert labels["REVISION"] == labels["SOURCE"] == "unknown"


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        ("https://gitlab-ci-token:glcbt-64_s3cr3t@git.example/team/repo.git", "https://git.example/team/repo.git"),
        ("https://s3cr3t@github.com/team/repo", "https://github.com/team/repo"),
        ("https://me:p@ss@git.example:8443/r", "https://git.example:8443/r"),
        ("git@github.com:team/repo.git", "git@github.com:team/repo.git"),
        ("https://git.example/team/@scope/repo", "https://git.example/team/@scope/repo"),
    ],
)
def test_the_label_of_the_source_has_no_credentials(tmp_path: Path, origin: str, told: str) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", origin], check=True)
    assert labels_of("ingest", tmp_path, datetime(2026, 5, 4, tzinfo=UTC))["SOURCE"] == told


def test_an_unknown_step_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "polish"]) == 1
    assert "no such step: polish" in capsys.readouterr().err


def test_without_dockers_client_the_user_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["base"]) == 1
    assert "docker is not on the PATH" in capsys.readouterr().err


STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10
Description: GNU C Library
 Contains: things

Package: gone
Status: deinstall ok config-files
Version: 1

Package: tzdata
Status: install ok installed
Version: 1:2024b
"""


def test_installed_debian_packages_are_components_with_addresses() -> None:
    found = list(debian(STATUS))
    assert [(part["name"], part["version"]) for part in found] == [("libc6", "2.36-9+deb12u10"), ("tzdata", "1:2024b")]
    assert found[0]["purl"] == "pkg:deb/debian/libc6@2.36-9+deb12u10?arch=amd64"
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("what", ["sign", "verify"])
def test_signing_needs_a_key_a_record_and_cosign(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([what]) == 1
    assert f"{what} with which key?" in capsys.readouterr().err
    assert main([what, "--key", "cosign.key"]) == 1
    assert "make images PUSH=1" in capsys.readouterr().err
    write_text(tmp_path / DIGESTS, f"spec: {{platform: {{images: {{ingest: '{PINNED}'}}}}}}\n")
    assert main([what, "train", "--key", "cosign.key"]) == 1
    assert "records no image of train" in capsys.readouterr().err
    assert main([what, "--key", "cosign.key"]) == 1
    assert "cosign is not on the PATH" in capsys.readouterr().err


def test_a_python_that_is_no_debian_package_is_a_component() -> None:
    [python] = interpreter("/usr/local/bin/python3.11\nPython 3.11.16\n")
    assert python["cpe"] == "cpe:2.3:a:python:python:3.11.16:*:*:*:*:*:*:*" and python["version"] == "3.11.16"
    assert list(interpreter("/usr/bin/python3.11\nPython 3.11.2\n")) == []
