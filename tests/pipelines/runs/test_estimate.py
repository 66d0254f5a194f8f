"""What a first run takes, in words, and specs with a smaller evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.runs.estimate import estimate, quick
from pipelines.wiring.compile import compile_spec
from raftops.spec.load import load_spec
from raftops.spec.model.base import STEPS
from raftops.spec.template import write_project

MEASURED = {"train": 148.2, "validate": 6.6, "ingest": 2.3, "index": 5.4, "augment": 3.6}
"""Seconds of `raftops run --quick` on the starter on two cores at load 5, 2026-11-30."""


@pytest.fixture
def starter(tmp_path: Path) -> Path:
    write_project(tmp_path, "shop")
    return tmp_path / "raftops.yaml"


@pytest.mark.model
def test_the_estimate_of_the_starter_is_within_three_times_of_what_was_measured(starter: Path) -> None:
    loaded = load_spec(starter)
    made = estimate(loaded, compile_spec(loaded))
    for step, seconds in MEASURED.items():
        told = made.seconds[step]  # type: ignore[index]
        assert told and seconds / 3 <= told <= seconds * 3, step
    assert made.memory and 2.5 * 2**30 < made.memory < 4 * 2**30, "2,646 MiB were measured"
    first, few = made.lines()
    assert "min on two quiet cores, 3." in first and "no download" in first
    assert "optimiser steps teach an adapter little" in few
    assert len(made.lines(["validate", "index"])) == 1, "nothing is trained"


def test_of_a_model_of_the_hub_it_says_what_it_does_not_know(project: Any) -> None:
    source = "hf://org/large@0123456789abcdef"
    project.spec["spec"]["models"] = {"base": source, "embedder": project.spec["spec"]["models"]["embedder"]}
    loaded = project.load()
    [said, _] = estimate(loaded, compile_spec(loaded)).lines()
    assert f"downloads: {source} (size unknown here)" in said and "memory unknown" in said
    assert "beside train, evaluate, whose base has a size that only the hub knows" in said


def test_a_quick_run_measures_less_and_trains_the_same(project: Any) -> None:
    project.spec["spec"]["evaluate"] = {"gates": [{"metric": "base.right", "max": 1}]}
    loaded = project.load()
    small = quick(loaded)
    config = small.assistant.spec.evaluate
    assert config.questions == 8 and config.probe_questions == 0 and config.arms == ("base", "base+rag", "raft")
    many, few = compile_spec(loaded).keys, compile_spec(small).keys
    assert [step for step in STEPS if many[step].digest != few[step].digest] == ["evaluate", "deploy"]
