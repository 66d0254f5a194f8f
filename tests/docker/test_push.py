"""Images in a registry: what `make images PUSH=1` records is what a cluster pulls. Needs docker-registry (Debian)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.images import image
from pipelines.manifests import pin, recorded
from pipelines.wiring.compile import compile_spec
from raftops.spec.load import load_spec
from tools.images import push_images

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def record(
    registry: str, engine: Any, built: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The overlay that a push writes."""
    [name] = built("ingest")
    for step in ("ingest", "deploy"):
        engine.images.get(name).tag(image(step, registry))
    return push_images(["ingest", "deploy"], registry, tmp_path_factory.mktemp("root"))


def test_a_compiled_pipeline_names_the_digests_that_the_registry_gave(record: Path, registry: str) -> None:
    digests = yaml.safe_load(record.read_text(encoding="utf-8"))["spec"]["platform"]["images"]
    text = compile_spec(load_spec(ROOT / "specs" / "quickstart.yaml", [record])).text
    assert digests["ingest"].startswith(f"{registry}/ingest@sha256:")
    assert f"image: {digests['ingest']}" in text


def test_the_digest_is_what_is_pulled(record: Path, registry: str, engine: Any) -> None:
    [digest, *_] = recorded(record)
    before = engine.images.get(image("ingest", registry)).id
    engine.images.remove(image("ingest", registry))
    assert engine.images.pull(*digest.split("@")[:1], tag=digest.split("@")[1]).id == before


def test_an_overlay_that_was_pinned_names_them_too(record: Path, registry: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    pinned = pin(tmp_path / "manifests" / "overlays" / "production", recorded(record))
    assert json.dumps(dict(pinned.images)).count(f"{registry}/deploy@sha256:") == 1
