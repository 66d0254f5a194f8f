"""The workflow that `raftops init --ci github` writes, run as GitHub would: install, plan, run, compare, comment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from raftops.spec.template import write_ci, write_project
from tests.ci.act import Machine, read_workflow, run_job
from tests.ci.forge import ROOT, TOKEN, Forge, forge, python
from tests.storage import KEYS, storage_fixture

__all__ = ["forge", "python", "storage_fixture"]
pytestmark = [pytest.mark.forge, pytest.mark.timeout(2400)]


def test_from_a_pull_request_to_the_comparison_of_two_releases(forge: Forge) -> None:
    keep_the_data(forge)
    first = forge.commit("a guide")
    planned = forge.event("plan", "pull_request", first)
    assert planned and planned.result == "success", planned and planned.log
    assert planned.uploaded == ["build/pipeline.yaml"] and forge.storage.names() == []
    [comment] = forge.comments()
    assert (
        comment.startswith("<!-- raftops plan guide -->\n### raftops plan: guide") and "**7 of 7 steps run**" in comment
    )
    assert "raftops plan on Kubeflow" in comment and comment in planned.summary

    forge.ends = ["0.25"]
    ran = forge.event("run", "push", first)
    assert ran and ran.result == "success", ran and ran.log
    assert ran.outcomes["Say that it failed"] == "skipped"
    assert "files sent to s3://team/data" in ran.log and len(stored(forge)) == 9, "seven files, the access file, a list"
    assert "### raftops evaluation: guide" in forge.comments()[1]
    assert "There is no earlier report" in forge.comments()[1]

    (forge.root / "data/documents/office/returns.md").write_text("# Returns\n\nReturns are taken for 60 days.\n")
    second = forge.commit("another period for returns")
    again = forge.event("plan", "pull_request", second)
    assert again and again.result == "success", again and again.log
    plan = forge.comments()[0]
    assert len(forge.comments()) == 2, "the plan's comment is edited, not written twice"
    assert "documents: 1 changed" in plan and "| `train` | skip | nothing changed |" in plan
    assert "| `ingest` | **run** |" in plan

    forge.ends = ["0.9"]
    compared = forge.event("run", "push", second)
    assert compared and compared.result == "success", compared and compared.log
    assert len(stored(forge)) == 11, "a changed document, and another list"
    report = forge.comments()[2]
    assert "| `served.answer_contained` | 0.250 | 0.900 | +0.650 |" in report and "| better |" in report
    assert "paired over the 20 questions" in report

    pipeline = (compared.workspace / "build" / "pipeline.yaml").read_text(encoding="utf-8")
    shown = [pipeline, *forge.comments()]
    shown += [text for ended in (planned, ran, again, compared) for text in (ended.log, ended.summary)]
    for secret in (TOKEN, "github-token-of-the-test", KEYS["ARTIFACTS_SECRET_KEY"]):
        assert not [text for text in shown if secret in text]


def keep_the_data(forge: Forge) -> None:
    """Name a bucket for the data, which git keeps."""
    overlay = yaml.safe_load((forge.root / "cluster.yaml").read_text())
    section = {name: value for name, value in forge.storage.section().items() if name != "push"}
    overlay["spec"]["platform"]["dvc"] = section | {"uri": "s3://team/data"}
    (forge.root / "cluster.yaml").write_text(json.dumps(overlay))


def stored(forge: Forge) -> list[str]:
    return [name for name in forge.storage.names() if name.startswith("data/files/md5/")]


def test_a_run_that_fails_fails_the_job_and_says_so_and_nothing_is_recorded(forge: Forge) -> None:
    sha = forge.commit("a guide")
    forge.ends = ["FAILED"]
    ended = forge.event("run", "push", sha)
    assert ended and ended.result == "failure"
    assert ended.outcomes["Run"] == "failure" and ended.outcomes["Evaluation"] == "skipped"
    [comment] = forge.comments()
    assert "did not succeed" in comment and "Run is finished with state FAILED." in comment
    assert "no step of ours failed; a driver pod or the workflow itself did" in " ".join(comment.split())
    assert forge.storage.names() == []


def test_a_spec_with_a_mistake_stops_before_anything_else(forge: Forge) -> None:
    spec = forge.root / "raftops.yaml"
    spec.write_text(spec.read_text().replace("rank: 16", "rank: many"))
    ended = forge.event("plan", "pull_request", forge.commit("a mistake"))
    assert ended and ended.outcomes["Data"] == "failure" and ended.outcomes["Comment"] == "skipped"
    assert "raftops.yaml:" in ended.log and "train.rank" in ended.log and forge.comments() == []


def test_an_assistant_deep_in_a_repository_has_a_workflow_of_its_own(forge: Forge) -> None:
    folder = forge.root / "services" / "help desk"
    write_project(folder, "true")
    workflow = os.path.relpath(write_ci(folder, "github", "raftops.yaml", "true")[0], forge.root)
    assert workflow == ".github/workflows/raftops-true.yml"
    sha = forge.commit("a guide and a help desk")
    planned = forge.event("plan", "pull_request", sha, workflow=workflow)
    assert planned and planned.result == "success", planned and planned.log
    assert forge.event("plan", "pull_request", sha), "the other one"
    mine, other = forge.comments()
    assert mine.startswith("<!-- raftops plan true -->") and other.startswith("<!-- raftops plan guide -->")
    forge.ends = ["FAILED"]
    ran = forge.event("run", "push", sha, workflow=workflow)
    assert ran and ran.outcomes["Run"] == "failure" and ran.outcomes["Validate and compile"] == "success"


def test_a_merge_above_the_budget_is_not_run(forge: Forge) -> None:
    overlay = forge.root / "cluster.yaml"
    overlay.write_text(overlay.read_text() + "    prices: {cpu_hour: 1.0}\n    budget: 0.5\n")
    ended = forge.event("run", "push", forge.commit("a dear guide"))
    assert ended and (ended.outcomes["Budget"], ended.outcomes["Run"]) == ("failure", "skipped"), ended and ended.log
    assert "platform.budget is 0.50 USD" in ended.log and forge.comments() == []


def test_a_pull_request_from_a_fork_gets_no_plan_and_a_push_no_plan_job(forge: Forge) -> None:
    sha = forge.commit("a guide")
    assert forge.event("plan", "pull_request", sha, head="stranger/guide") is None
    assert forge.event("plan", "pull_request", sha, actor="dependabot[bot]") is None
    assert forge.event("plan", "push", sha) is None and forge.event("run", "pull_request", sha) is None


@pytest.mark.skipif(not os.access("/usr/bin/make", os.X_OK), reason="needs make")
@pytest.mark.parametrize("name", ["checks", "images"])
def test_the_steps_of_our_own_workflows_run_with_make_told_to_say_only(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make` says what it would do; `docker` and the build folder are stand-ins: the real words run in CI itself."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool, script in {
        "make": 'mkdir -p build/sbom; touch build/x.yaml build/sbom/x.cdx.json; exec /usr/bin/make --dry-run "$@"',
        "docker": 'test "$1" != login || test "$(cat)" = job-token',
    }.items():
        (tools / tool).write_text(f"#!/bin/bash\n{script}\n")
        (tools / tool).chmod(0o755)
    source = tmp_path / "source"
    shutil.copytree(
        ROOT, source, ignore=lambda folder, names: [n for n in names if n not in _NEEDED and folder == str(ROOT)]
    )
    for words in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["-c", "user.name=t", "-c", "user.email=t@x", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *words], cwd=source, check=True, capture_output=True)
    workflow = read_workflow(ROOT / ".github" / "workflows" / f"{name}.yml")
    machine = Machine(source, Path(sys.executable).parent, tools, tmp_path / "work")
    ran = []
    for event in ("pull_request", "push"):
        github = {"event_name": event, "repository": "r/r", "sha": "0" * 40, "ref": "r", "ref_name": "v0.1.0",
                  "token": "job-token", "event": {}}  # fmt: skip
        for job in workflow["jobs"]:
            ended = run_job(workflow, job, {"github": github}, machine)
            if ended:
                assert ended.result == "success", ended.log
                ran.append(job)
    assert set(ran) == set(workflow["jobs"])


_NEEDED = {
    "Makefile",
    "pyproject.toml",
    "requirements.lock",
    "torch.lock",
    "torch-cpu.lock",
    "models.lock",
    "specs",
    "components",
    "benchmarks",
    "README.md",
}
