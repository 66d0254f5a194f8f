"""The whole pipeline by KFP's local runner on what `raftops init` writes: run, skip, change, serve, ask. Minutes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.local, pytest.mark.timeout(2400)]
BIN = Path(sys.executable).parent / "raftops"
SMALL = {
    "spec": {
        "augment": {"max_examples": 8},
        "train": {"rank": 4, "alpha": 8, "max_steps": 2, "batch_size": 2},
        "evaluate": {
            "questions": 2, "unanswerable": 1, "behaviour": 1, "forgetting": 1, "bootstrap": 100, "max_new_tokens": 16
        },
    }
}  # fmt: skip


def raftops(folder, *words, code=0):
    command = [str(BIN), "--output", "json", *words]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == code, done.stderr + done.stdout[-2000:]
    assert "Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(folder):
    """The status of each step, and the record."""
    record = raftops(folder, "run", "raftops.yaml", "-f", "small.yaml")[-1]
    return {name: step["status"] for name, step in record["steps"].items()}, record


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    raftops(folder.parent, "init", str(folder), "--name", "starter")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    statuses, record = run(folder)
    assert set(statuses.values()) == {"done"}
    return folder, record


def test_a_run_ends_with_a_release_that_has_all_parts(project):
    folder, _ = project
    shown = raftops(folder, "release", "show", "raftops.yaml")[-1]
    assert {"adapter", "index", "prompt", "router", "policies", "report"} <= set(shown["parts"])


def test_the_same_spec_again_runs_no_step(project):
    statuses, _ = run(project[0])
    assert set(statuses.values()) == {"skipped"}


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
