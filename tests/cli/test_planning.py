from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from raftops.spec.model.base import STEPS

Run = Callable[..., Any]


def test_a_plan_says_what_would_run_and_why(raftops: Run, project: Any) -> None:
    project.save()
    ended = raftops("plan", project.path)
    assert ended.code == 0
    assert all(step in ended.out for step in STEPS)
    assert "never run here" in ended.out and "7 of 7 steps run" in ended.out


def test_a_plan_as_json_has_every_step_with_key_and_reasons(raftops: Run, project: Any) -> None:
    project.save()
    plan = json.loads(raftops("--output", "json", "plan", project.path).out)
    assert [step["step"] for step in plan["steps"]] == list(STEPS)
    assert all(step["runs"] and step["reasons"] == ["never run here"] and step["key"] for step in plan["steps"])


def test_the_compiled_file_stands_where_it_was_asked_for(raftops: Run, project: Any, tmp_path: Path) -> None:
    project.save()
    out = tmp_path / "deep" / "pipeline.yaml"
    ended = raftops("compile", project.path, "-o", out)
    assert ended.code == 0 and str(out) in ended.out.replace("\n", "")
    assert next(yaml.safe_load_all(out.read_text(encoding="utf-8")))["pipelineInfo"]["name"] == "tiny"


def test_without_a_name_it_is_written_below_build(
    raftops: Run, project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.save()
    monkeypatch.chdir(tmp_path)
    keys = json.loads(raftops("--output", "json", "compile", project.path).out)["keys"]
    assert set(keys) == set(STEPS)
    assert (tmp_path / "build" / "tiny.yaml").is_file()
