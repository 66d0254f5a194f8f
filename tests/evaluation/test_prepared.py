"""The specs on real data beside the project: their preparation runs, they are valid and compile, and what they hold
right passes. Skipped where the data is not on this machine."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pytest

from pipelines.wiring.compile import compile_spec
from raftops.answer.filling import format_of
from raftops.data.records import Example
from raftops.files import read_jsonl
from raftops.forms.checking import failed_checks
from raftops.forms.values import differences
from raftops.spec.load import load_spec

ROOT = Path(__file__).parents[2]
PREPARED = {"discharge": 300, "sql": 100}
"""Least requests about form of each."""


@pytest.mark.parametrize("name", PREPARED)
def test_a_spec_on_real_data_is_prepared_valid_and_right_by_its_own_checks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = importlib.import_module(f"benchmarks.prepare_{name}")
    source = ROOT / script.SOURCE
    if not source.is_dir():
        pytest.skip(f"{script.SOURCE} is not on this machine: it is public data that is read where it lies")
    monkeypatch.chdir(tmp_path)
    script.main(source)
    (tmp_path / "specs").mkdir()
    spec = Path(shutil.copyfile(ROOT / "specs" / f"{name}.yaml", tmp_path / "specs" / f"{name}.yaml"))
    loaded = load_spec(spec)
    assert len(compile_spec(loaded).text) < 60_000

    rows = [Example.model_validate(row) for _, row in read_jsonl(tmp_path / "build" / name / "examples.jsonl")]
    asked = [e for e in rows if e.kind == "behaviour"]
    assert len(asked) >= PREPARED[name]
    for example in asked:
        assert example.checks and failed_checks(example.answer, example.checks) == []
        assert not differences(example.answer, example.answer, example.checks)
        assert format_of(example.asked, loaded.assistant.spec.prompt.formats)


@pytest.mark.parametrize("name", PREPARED)
def test_without_its_data_a_preparation_says_where_it_comes_from(name: str, tmp_path: Path) -> None:
    script = importlib.import_module(f"benchmarks.prepare_{name}")
    with pytest.raises(SystemExit, match="github.com"):
        script.main(tmp_path / "absent")
