from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.images import image
from pipelines.code import Code
from pipelines.images import DIGESTS, LOCK, Build, base_of, build_command, labels_of, main
from pipelines.sbom import debian
from raftops.errors import StepError
from raftops.files import write_text

PINNED = "python:3.11-slim@sha256:" + "a" * 64


def arguments(command: list[str]) -> dict[str, str]:
    """The build arguments of a call."""
    words = [command[n + 1] for n, word in enumerate(command) if word == "--build-arg"]
    return dict(word.split("=", 1) for word in words)


def test_a_build_names_file_tag_and_arguments(tmp_path: Path) -> None:
    build = Build("registry.example/team", torch="cpu", more=("--network=host",))
    command = build_command("train", build, tmp_path, {"CODE": "c0de"})
    assert command[:4] == ["docker", "build", "--file", "components/train/Dockerfile"]
    assert image("train", "registry.example/team") in command and command[-2:] == ["--network=host", "."]
    assert arguments(command) == {
        "BASE": "python:3.11-slim", "BUILDER": "python:3.11-slim", "TORCH": "cpu", "CODE": "c0de",
    }  # fmt: skip


def test_the_base_is_the_one_that_was_pinned(tmp_path: Path) -> None:
    write_text(tmp_path / LOCK, f"{PINNED}\n")
    assert base_of(Build(), tmp_path) == PINNED
    assert base_of(Build(base="other"), tmp_path) == "other"
    assert base_of(Build(release=True), tmp_path) == PINNED


@pytest.mark.parametrize("base", ["", "python:3.11-slim"])
def test_a_release_without_a_digest_is_refused(tmp_path: Path, base: str) -> None:
    with pytest.raises(StepError, match="a release names its base by digest") as caught:
        base_of(Build(base=base, release=True), tmp_path)
    assert caught.value.next_step == "make base"


def test_the_label_of_the_code_is_the_part_of_the_key(tmp_path: Path) -> None:
    labels = labels_of("ingest", tmp_path, datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC))
    assert labels["CODE"] == Code().hash_of("components.ingest.component")
    assert labels["CREATED"] == "2026-05-04T03:02:01Z"
    assert labels["REVISION"] == labels["SOURCE"] == "unknown"


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
