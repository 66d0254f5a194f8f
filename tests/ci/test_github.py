"""The workflow that `raftops init --ci github` writes: its steps, one after the other, as a runner would start them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from raftops.spec.template import CI, write_ci, write_project
from tests.ci.repository import (
    ROOT,
    TOKEN,
    Repository,
    bash,
    copied,
    executable,
    named_steps,
    python,
    read_workflow,
    repository,
    with_values,
)
from tests.storage import KEYS, storage_fixture

__all__ = ["python", "repository", "storage_fixture"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
JOB_TOKEN = "github-token-of-the-test"


@dataclass
class GitHub:
    """The repository on GitHub: runs steps of its workflow, and keeps the comments of pull request 7."""

    repository: Repository
    workflow: str = CI["github"]
    sha: str = ""
    shown: str = ""
    """All that the steps printed."""

    def commit(self, message: str) -> None:
        """Commit everything; the commit belongs to pull request 7."""
        self.sha = self.repository.commit(message)
        self._state(pulls=self._state()["pulls"] | {self.sha: "7"})

    def comments(self) -> list[str]:
        return [comment["body"] for comment in self._state()["comments"]]

    def _state(self, **changes: Any) -> dict[str, Any]:
        path = self.repository.tools / "github.json"
        known = json.loads(path.read_text()) if path.exists() else {"pulls": {}, "comments": []}
        path.write_text(json.dumps(known | changes))
        return known | changes

    def run(self, job: str, names: Sequence[str] = (), installed: bool = True) -> str:
        """The named steps, or all that have no condition; where one fails, it is named and the rest is not run."""
        workflow = read_workflow(self.repository.root / self.workflow)
        steps = named_steps(workflow, job)
        values = {
            "vars.KFP_ENDPOINT": self.repository.kubeflow, "vars.KFP_NAMESPACE": "", "secrets.KFP_TOKEN": TOKEN,
            "github.token": JOB_TOKEN, "github.event.pull_request.number": "7",
            **{f"secrets.{name}": value for name, value in KEYS.items()},
        }  # fmt: skip
        summary = self.repository.scratch / "summary"
        summary.touch()
        base = self.repository.environment(GITHUB_REPOSITORY="team/guide", GITHUB_SHA=self.sha)
        base["GITHUB_STEP_SUMMARY"] = str(summary)
        base |= with_values({k: v for k, v in workflow["env"].items() if k != "PACKAGE"}, values)
        base |= {"PACKAGE": self.repository.package, "FLAGS": "-f cluster.yaml"}
        base |= with_values(workflow["jobs"][job].get("env", {}), values)
        chosen = names or [n for n, step in steps.items() if "if" not in step and not (installed and n == "Install")]
        for name in chosen:
            done = bash(
                steps[name]["run"], self.repository.root, base | with_values(steps[name].get("env", {}), values)
            )
            self.shown += f"--- {name}\n{done.stdout}{summary.read_text(encoding='utf-8')}"
            if done.returncode != 0:
                return name
        return ""


@pytest.fixture
def github(repository: Repository) -> GitHub:
    write_ci(repository.root, "github", "raftops.yaml", "guide")
    copied("gh", repository.tools)
    return GitHub(repository)


def test_from_a_pull_request_to_the_comparison_of_two_releases(github: GitHub) -> None:
    repository = github.repository
    repository.keep_data_in_the_bucket()
    github.commit("a guide")
    assert github.run("plan", installed=False) == "", github.shown
    assert repository.storage.names() == [] and (repository.root / "build/pipeline.yaml").is_file()
    assert github.run("plan", ["Comment"]) == "", github.shown
    [comment] = github.comments()
    head = "<!-- raftops plan guide -->\n### raftops plan: guide"
    assert comment.startswith(head) and "**7 of 7 steps run**" in comment and "raftops plan on Kubeflow" in comment
    assert comment in github.shown, "the summary of the job"

    repository.ends = ["0.25"]
    assert github.run("run") == "" == github.run("run", ["Comment"]), github.shown
    assert "files sent to s3://team/data" in github.shown
    assert len(stored(repository)) == 9, "seven files, the access file, a list"
    assert "### raftops evaluation: guide" in github.comments()[1]
    assert "There is no earlier report" in github.comments()[1]

    (repository.root / "data/documents/office/returns.md").write_text("# Returns\n\nReturns are taken for 60 days.\n")
    github.commit("another period for returns")
    shutil.rmtree(repository.root / "build")
    assert github.run("plan", ["What ran last", "Plan", "Comment"]) == "", github.shown
    plan = github.comments()[0]
    assert len(github.comments()) == 2, "the plan's comment is edited, not written twice"
    assert "documents: 1 changed" in plan and "| `train` | skip | nothing changed |" in plan
    assert "| `ingest` | **run** |" in plan

    repository.ends = ["0.9"]
    last = ["Validate and compile", "What ran last", "Data for the pods", "Run", "Evaluation", "Comment"]
    assert github.run("run", last) == "", github.shown
    assert len(stored(repository)) == 11, "a changed document, and another list"
    report = github.comments()[2]
    assert "| `served.answer_contained` | 0.250 | 0.900 | +0.650 |" in report and "| better |" in report
    assert "paired over the 20 questions" in report

    pipeline = (repository.root / "build" / "pipeline.yaml").read_text(encoding="utf-8")
    for secret in (TOKEN, JOB_TOKEN, KEYS["ARTIFACTS_SECRET_KEY"]):
        assert not [text for text in (pipeline, github.shown, *github.comments()) if secret in text]


def stored(repository: Repository) -> list[str]:
    return [name for name in repository.storage.names() if name.startswith("data/files/md5/")]


def test_a_run_that_fails_fails_its_step_and_says_so_and_nothing_is_recorded(github: GitHub) -> None:
    github.commit("a guide")
    github.repository.ends = ["FAILED"]
    assert github.run("run", ["Validate and compile", "Run"]) == "Run"
    assert github.run("run", ["Say that it failed", "Comment"]) == ""
    [comment] = github.comments()
    assert "did not succeed" in comment and "failed: no step of ours failed" in " ".join(comment.split())
    assert "no step of ours failed; a driver pod or the workflow itself did" in " ".join(comment.split())
    assert github.repository.storage.names() == []


def test_a_spec_with_a_mistake_stops_at_the_data(github: GitHub) -> None:
    spec = github.repository.root / "raftops.yaml"
    spec.write_text(spec.read_text().replace("rank: 16", "rank: many"))
    assert github.run("plan") == "Data"
    assert "raftops.yaml:" in github.shown and "train.rank" in github.shown


def test_a_merge_above_the_budget_is_stopped_before_the_run(github: GitHub) -> None:
    overlay = github.repository.root / "cluster.yaml"
    overlay.write_text(overlay.read_text() + "    prices: {cpu_hour: 1.0}\n    budget: 0.5\n")
    github.commit("a dear guide")
    assert github.run("run", ["Validate and compile", "Budget", "Run"]) == "Budget"
    assert "platform.budget is 0.50 USD" in github.shown


def test_an_assistant_deep_in_a_repository_has_a_workflow_of_its_own(github: GitHub) -> None:
    root = github.repository.root
    folder = root / "services" / "help desk"
    write_project(folder, "true")
    written = os.path.relpath(write_ci(folder, "github", "raftops.yaml", "true")[0], root)
    assert written == ".github/workflows/raftops-true.yml"
    other = GitHub(github.repository, workflow=written)
    other.commit("a guide and a help desk")
    assert other.run("plan", ["Validate", "Plan", "Compile", "Comment"]) == "", other.shown
    assert github.run("plan", ["Plan", "Comment"]) == "", github.shown
    first, second = github.comments()
    assert first.startswith("<!-- raftops plan true -->") and second.startswith("<!-- raftops plan guide -->")


def test_forks_dependabot_and_other_events_get_no_job_with_secrets(github: GitHub) -> None:
    jobs = read_workflow(github.repository.root / CI["github"])["jobs"]
    assert jobs["plan"]["if"].split(" && ") == [
        "github.event_name == 'pull_request'",
        "github.actor != 'dependabot[bot]'",
        "github.event.pull_request.head.repo.full_name == github.repository",
    ]
    assert jobs["run"]["if"] == "github.event_name == 'push'"
    ends = {name: step["if"] for name, step in named_steps({"jobs": jobs}, "run").items() if "if" in step}
    assert ends == {
        "Say that it failed": "failure() && steps.run.outcome == 'failure'",
        "Comment": "always() && steps.run.outcome != 'skipped'",
    }


@pytest.mark.skipif(not os.access("/usr/bin/make", os.X_OK), reason="needs make")
@pytest.mark.parametrize("name", ["checks", "images"])
def test_the_steps_of_our_own_workflows_run_with_make_told_to_say_only(name: str, tmp_path: Path) -> None:
    """`make` says what it would do and `docker` is a stand-in: the real words run in CI itself."""
    tools, source = tmp_path / "tools", tmp_path / "source"
    tools.mkdir()
    say = '#!/bin/bash\nmkdir -p build/sbom; touch build/x.yaml; exec /usr/bin/make --dry-run "$@"\n'
    executable(tools / "make", say)
    executable(tools / "docker", '#!/bin/bash\ntest "$1" != login || test "$(cat)" = job-token\n')
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    kept = ("Makefile", "pyproject.toml", "specs/", "components/", "benchmarks/")
    for path in [p for p in tracked if (p.startswith(kept) or p.endswith(".lock")) and (ROOT / p).is_file()]:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    workflow = read_workflow(ROOT / ".github" / "workflows" / f"{name}.yml")
    path = f"{tools}:{Path(sys.executable).parent}:/usr/bin:/bin"
    given = {"PATH": path, "HOME": str(tmp_path), "GITHUB_REF_NAME": "v0.1.0", "GITHUB_ACTOR": "someone"}
    known = {"github.token": "job-token", "matrix.python": "3.11"}
    known = {"github.token": "job-token", "matrix.python": "3.11"}
    ran = 0
    for job in workflow["jobs"]:
        for step in named_steps(workflow, job).values():
            done = bash(step["run"], source, given | with_values(step.get("env", {}), known))
            assert done.returncode == 0, f"{step['name']}\n{done.stdout}"
            ran += 1
    assert ran >= 3
