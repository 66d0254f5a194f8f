from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from components.images import image
from pipelines.wiring.code import Code
from raftops.errors import StepError
from raftops.files import write_text
from tools.images import DIGESTS, DOCKERFILE, Build, base_of, build_command, labels_of, main, record_digests

ROOT = Path(__file__).parents[2]
PINNED = "python:3.11-slim@sha256:" + "a" * 64


def arguments(command: list[str]) -> dict[str, str]:
    """The build arguments of a call."""
    words = [command[n + 1] for n, word in enumerate(command) if word == "--build-arg"]
    return dict(word.split("=", 1) for word in words)


def pin(root: Path, base: str) -> Path:
    """A folder whose Dockerfile has this base."""
    write_text(root / DOCKERFILE, f"# of a step\nARG BASE={base}\nFROM ${{BASE}}\n")
    return root


def test_a_build_names_file_tag_and_arguments(tmp_path: Path) -> None:
    build = Build("registry.example/team", torch="cpu", more=("--network=host",))
    command = build_command("train", build, pin(tmp_path, PINNED), {"CODE": "c0de"})
    assert command[:4] == ["docker", "build", "--file", "components/Dockerfile"]
    assert image("train", "registry.example/team") in command and command[-2:] == ["--network=host", "."]
    assert arguments(command) == {
        "STEP": "train", "BASE": PINNED, "BUILDER": PINNED, "TORCH": "cpu", "CODE": "c0de",
    }  # fmt: skip


def test_a_build_for_a_gpu_names_the_extra_that_brings_pytorch(tmp_path: Path) -> None:
    command = build_command("deploy", Build(extras=("generation", "onnxruntime")), pin(tmp_path, PINNED), {})
    assert arguments(command)["EXTRAS"] == "generation onnxruntime"
    assert "components/requirements.py" in (ROOT / DOCKERFILE).read_text(encoding="utf-8").partition("${EXTRAS}")[0]


def test_a_push_of_one_step_keeps_what_is_recorded_of_the_others(tmp_path: Path) -> None:
    path = record_digests(tmp_path / DIGESTS, {"ingest": "r/ingest@sha256:a", "train": "r/train@sha256:a"})
    images = yaml.safe_load(record_digests(path, {"train": "r/train@sha256:b"}).read_text(encoding="utf-8"))
    assert images["spec"]["platform"]["images"] == {"ingest": "r/ingest@sha256:a", "train": "r/train@sha256:b"}


def test_the_base_is_the_one_that_was_pinned(tmp_path: Path) -> None:
    root = pin(tmp_path, PINNED)
    assert base_of(Build(), root) == base_of(Build(release=True), root) == PINNED
    assert base_of(Build(base="other"), root) == "other"


def test_ours_is_pinned_so_that_a_release_can_be_built() -> None:
    assert re.fullmatch(r"python:3\.11-slim@sha256:[0-9a-f]{64}", base_of(Build(release=True), ROOT))


def test_what_the_registry_says_is_written_into_the_file(
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
    assert DOCKERFILE.read_text(encoding="utf-8") == f"# of a step\nARG BASE=python:3.11-slim@{new}\nFROM ${{BASE}}\n"


@pytest.mark.parametrize("base", ["", "python:3.11-slim"])
def test_a_release_without_a_digest_is_refused(tmp_path: Path, base: str) -> None:
    with pytest.raises(StepError, match="a release names its base by digest") as caught:
        base_of(Build(base=base, release=True), pin(tmp_path, "python:3.11-slim"))
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


def make(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Make's answer beside two recorded digests, where cosign, syft and Python say what they are asked for."""
    for tool in ("bin/cosign", ".venv/bin/syft", ".venv/bin/python"):
        write_text(place / tool, f'#!/bin/sh\n[ "$2" = --help ] && echo --use-signing-config || echo {tool} "$@"\n')
        (place / tool).chmod(0o755)
    for step in ("deploy", "ingest", "train"):
        write_text(place / "components" / step / "component.py", "")
    write_text(place / "pyproject.toml", 'version = "1.2.3"\n')
    record_digests(place / DIGESTS, {step: f"r/{step}@sha256:{step[0]}" for step in ("ingest", "deploy")})
    command = ["make", "--silent", "--file", str(ROOT / "Makefile"), "-o", "setup", *words]
    environment = {"PATH": f"{place}/bin:/usr/bin:/bin"}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def test_recorded_images_are_signed_and_verified_by_digest_and_no_log_is_asked(tmp_path: Path) -> None:
    signed = make(tmp_path, "sign-images", "KEY=cosign.key").stdout
    assert "sign --yes --key cosign.key --tlog-upload=false --use-signing-config=false" in signed
    assert signed.endswith(" r/deploy@sha256:d r/ingest@sha256:i\n")
    verified = make(tmp_path, "verify-images", "STEPS=ingest", "KEY=cosign.pub").stdout
    assert verified == "bin/cosign verify --key cosign.pub --insecure-ignore-tlog=true r/ingest@sha256:i\n"


@pytest.mark.parametrize("what", ["sign-images", "verify-images"])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no KEY"),
        (["KEY=k", "STEPS=ingest train"], "build/images.yaml records no image of train"),
        (["KEY=k", "ALL_STEPS=train"], "no DIGESTS: KEY names a key of cosign, and `make images PUSH=1` records"),
        (["KEY=k", "ALL_STEPS=train index"], "no DIGESTS: KEY names a key of cosign, and `make images PUSH=1` records"),
    ],
)
def test_signing_needs_a_key_and_a_record(what: str, words: list[str], told: str, tmp_path: Path) -> None:
    done = make(tmp_path, what, *words)
    assert (done.returncode, done.stdout) == (2, "") and told in done.stderr


def test_every_image_gets_its_bill_of_materials(tmp_path: Path) -> None:
    lines = make(tmp_path, "sbom", "REGISTRY=r").stdout.splitlines()
    assert [re.findall(r"docker:\S+|build/\S+", line) for line in lines] == [
        [f"docker:r/{step}:1.2.3", f"build/sbom/{step}.cdx.json"] for step in ("deploy", "ingest", "train")
    ]
