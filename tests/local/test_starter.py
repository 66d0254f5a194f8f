"""The whole pipeline by KFP's local runner on what `raftops init` writes: run, skip, kill, change, ask. Minutes."""

import pytest

from raftops.spec.model.base import STEPS
from tests.local.project import init, kill_run_at, raftops, release, run

pytestmark = [pytest.mark.local, pytest.mark.timeout(2400)]


def test_a_run_ends_with_a_release_that_has_all_parts(project):
    folder, _ = project
    shown = raftops(folder, "release", "show", "raftops.yaml")[-1]
    assert {"adapter", "index", "prompt", "router", "policies", "report"} <= set(shown["parts"])


def test_the_same_spec_again_runs_no_step(project):
    statuses, _ = run(project[0])
    assert set(statuses.values()) == {"skipped"}


def test_a_run_that_was_killed_at_every_step_ends_with_the_same_release(unbroken, tmp_path):
    folder = init(tmp_path / "killed")
    for number, step in enumerate(STEPS):
        kill_run_at(folder, step, whole=number % 2 == 0)
    run(folder)
    assert release(folder) == unbroken


def test_a_changed_document_does_not_retrain(project):
    folder, before = project
    document = next((folder / "data").rglob("*.md"))
    document.write_text(document.read_text(encoding="utf-8") + "\nA new closing sentence stands here.\n", "utf-8")
    planned = raftops(folder, "plan", "raftops.yaml", "-f", "small.yaml")[-1]["steps"]
    assert "documents: 1 changed" in next(s for s in planned if s["step"] == "ingest")["reasons"]
    statuses, record = run(folder)
    assert {name for name, status in statuses.items() if status == "skipped"} == {"augment", "train"}
    assert record["steps"]["ingest"]["metrics"]["parsed"] == 1
    assert record["steps"]["index"]["metrics"]["embedded"] < before["steps"]["index"]["metrics"]["embedded"]


def test_the_service_answers_and_says_who_may_read(project):
    folder, _ = project
    answers = raftops(folder, "demo", "raftops.yaml", "-f", "small.yaml")
    assert answers and all(a["choices"] and "citations" in a and a["release"] for a in answers)
