"""A tiny project on disk, and ways to load a spec in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from raftops.errors import SpecError
from raftops.spec.load import LoadedSpec, load_spec
from tests.spec.wrong_specs import ACCESS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one document, one example file, an access file; the current folder."""
    (tmp_path / "specs" / "env").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n", encoding="utf-8")
    (tmp_path / "docs" / "closed").mkdir()
    (tmp_path / "docs" / "closed" / "b.md").write_text("# B\n", encoding="utf-8")
    (tmp_path / "access.yaml").write_text(ACCESS, encoding="utf-8")
    (tmp_path / "examples.jsonl").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def load(folder: Path) -> Callable[..., LoadedSpec]:
    """Load a spec given as text (or bytes), with overlays given as text."""

    def loaded(text: str | bytes, *overlays: str) -> LoadedSpec:
        path = Path("specs/x.yaml")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        over = [Path(f"specs/env/o{i}.yaml") for i in range(len(overlays))]
        for file, content in zip(over, overlays, strict=True):
            file.write_text(content, encoding="utf-8")
        return load_spec(path, over)

    return loaded


@pytest.fixture
def refused(load: Callable[..., LoadedSpec]) -> Callable[..., str]:
    """The report on a spec that must be refused."""

    def report(text: str | bytes, *overlays: str) -> str:
        with pytest.raises(SpecError) as caught:
            load(text, *overlays)
        return str(caught.value)

    return report
