"""Signatures of images, by the real cosign in a real registry. Needs cosign and docker-registry, and no engine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from raftops.files import write_text
from tools.images import DIGESTS

pytestmark = pytest.mark.docker
ROOT = Path(__file__).parents[2]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


def _put(address: str, content: bytes, kind: str) -> None:
    headers = {"Content-Type": kind}
    with urllib.request.urlopen(urllib.request.Request(address, content, headers, method="PUT"), timeout=30):
        pass


def pushed(registry: str, step: str) -> str:
    """An image without layers, in the registry; its name with its digest."""
    host, _, team = registry.partition("/")
    api = f"http://{host}/v2/{team}/{step}"
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    known = {"mediaType": CONFIG, "digest": f"sha256:{hashlib.sha256(config).hexdigest()}", "size": len(config)}
    with urllib.request.urlopen(urllib.request.Request(f"{api}/blobs/uploads/", method="POST"), timeout=30) as begun:
        place = begun.headers["Location"]
    _put(f"{place}&digest={known['digest']}", config, "application/octet-stream")
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": known, "layers": [], "annotations": {"step": step}}
    )
    _put(f"{api}/manifests/0.1", manifest.encode(), MANIFEST)
    return f"{registry}/{step}@sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"


@pytest.fixture
def images(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two images and the record of their push, in the working directory; a pair of keys beside it."""
    if not shutil.which("cosign"):
        pytest.skip("no cosign (Debian 13 has it)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COSIGN_PASSWORD", "secret")
    subprocess.run(["cosign", "generate-key-pair"], check=True, capture_output=True)
    names = [pushed(f"{registry}/{tmp_path.name}", step) for step in ("ingest", "deploy")]
    steps = "".join(f"      {step}: {name}\n" for step, name in zip(("ingest", "deploy"), names, strict=True))
    write_text(tmp_path / DIGESTS, f"spec:\n  platform:\n    images:\n{steps}")
    return names


def make(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--silent", "--file", str(ROOT / "Makefile"), *words, "STEPS=ingest deploy"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_signed_images_are_verified(images: list[str]) -> None:
    assert make("sign-images", "KEY=cosign.key").returncode == 0
    done = make("verify-images", "KEY=cosign.pub")
    assert done.returncode == 0, done.stderr
    assert all(name.partition("@")[2] in done.stdout for name in images)


@pytest.mark.usefixtures("images")
def test_images_that_nobody_signed_are_refused() -> None:
    done = make("verify-images", "KEY=cosign.pub")
    assert done.returncode == 2 and "no signatures found" in done.stderr


@pytest.mark.usefixtures("images")
def test_a_signature_by_another_key_is_none(tmp_path: Path) -> None:
    assert make("sign-images", "KEY=cosign.key").returncode == 0
    (tmp_path / "other").mkdir()
    subprocess.run(["cosign", "generate-key-pair"], check=True, capture_output=True, cwd=tmp_path / "other")
    assert make("verify-images", "KEY=other/cosign.pub").returncode == 2


@pytest.mark.usefixtures("images")
def test_a_wrong_password_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "COSIGN_PASSWORD", "wrong")
    done = make("sign-images", "KEY=cosign.key")
    assert done.returncode == 2 and "decrypt" in done.stderr
