"""Every workflow file, ours and those `raftops init --ci` writes: parsed, known keys, least rights, sound shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from raftops.spec.template import CI, write_ci
from tests.ci.repository import read_workflow

ROOT = Path(__file__).parents[2]
OURS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TOP = {"name", "on", "permissions", "concurrency", "env", "defaults", "jobs"}
JOB = {"name", "if", "needs", "runs-on", "timeout-minutes", "permissions", "environment", "env", "steps", "strategy"}
STEP = {"name", "id", "if", "uses", "with", "run", "env"}
RIGHTS = {"contents", "pull-requests", "packages", "id-token"}
GITLAB_JOB = {
    "stage", "timeout", "interruptible", "rules", "before_script", "script", "after_script", "artifacts",
    "resource_group",
    "environment", "needs", "image",
}  # fmt: skip


@pytest.fixture(params=[*OURS, "written"], ids=lambda p: getattr(p, "name", p))
def workflow(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    if request.param == "written":
        write_ci(tmp_path, "github", "raftops.yaml", "guide")
        return read_workflow(tmp_path / CI["github"])
    return read_workflow(request.param)


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_are_workflows_of_our_own() -> None:
    assert {path.stem for path in OURS} >= {"checks", "images"}


def test_every_key_is_one_that_github_knows(workflow: dict[str, Any]) -> None:
    assert set(workflow) <= TOP and set(workflow["on"]) <= {"push", "pull_request"}
    for job in workflow["jobs"].values():
        assert set(job) <= JOB
    for step in steps(workflow):
        assert set(step) <= STEP and ("uses" in step) != ("run" in step)


def test_what_a_job_needs_is_a_job_and_what_a_step_asks_of_is_a_step(workflow: dict[str, Any]) -> None:
    for job in workflow["jobs"].values():
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= set(workflow["jobs"])
        seen: set[str] = set()
        for step in job["steps"]:
            assert set(re.findall(r"steps\.([\w-]+)\.", yaml.safe_dump(step))) <= seen
            seen |= {step["id"]} if "id" in step else set()


ACTIONLINT = shutil.which("actionlint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.skipif(not ACTIONLINT, reason="needs actionlint (make workflows): its package fetches it from GitHub")
def test_actionlint_has_nothing_to_say_of_any_workflow(tmp_path: Path) -> None:
    write_ci(tmp_path, "github", "raftops.yaml", "guide")
    done = subprocess.run(
        [str(ACTIONLINT), "-no-color", *OURS, tmp_path / CI["github"]], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_rights_are_the_least_and_named_by_each_job(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert set(job["permissions"]) <= RIGHTS and job["permissions"]["contents"] == "read", name
        writes = {right for right, level in job["permissions"].items() if level == "write"}
        comments = any("gh pr comment" in step.get("run", "") for step in job["steps"])
        pushes = any("PUSH=1" in step.get("run", "") for step in job["steps"])
        assert writes == ({"pull-requests"} if comments else set()) | ({"packages"} if pushes else set()), name


def test_every_action_is_pinned_by_commit_with_its_version_beside_it(tmp_path: Path) -> None:
    write_ci(tmp_path, "github", "raftops.yaml", "guide")
    lines = [line for path in [*OURS, tmp_path / CI["github"]] for line in path.read_text().splitlines()]
    uses = [line for line in lines if re.match(r"\s*(- )?uses:", line)]
    assert uses and all(re.search(r"uses: actions/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", line) for line in uses), uses
    assert len({line.strip().removeprefix("- ") for line in uses}) == len({u.split("@")[0].split()[-1] for u in uses})


def test_no_job_runs_for_ever_keeps_credentials_or_caches(workflow: dict[str, Any]) -> None:
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 360 and not job["runs-on"].endswith("latest")
    for step in steps(workflow):
        uses = step.get("uses", "")
        assert "actions/cache@" not in uses and "cache" not in step.get("with", {})
        if uses.startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_nothing_from_outside_is_pasted_into_a_shell(workflow: dict[str, Any]) -> None:
    for step in steps(workflow):
        assert "${{" not in step.get("run", ""), "pass it by env"
        assert "pull_request_target" not in workflow["on"]


def test_a_step_has_only_the_secrets_that_it_uses(workflow: dict[str, Any]) -> None:
    for job in workflow["jobs"].values():
        assert not [k for k, v in workflow.get("env", {}).items() if "secrets." in str(v)]
        for step in job["steps"]:
            for name, value in step.get("env", {}).items():
                if "secrets.KFP" in str(value) or "github.token" in str(value):
                    asks = re.search(r"raftops (plan|status|kfp-run)", step["run"])
                    assert f"${name}" in step["run"] or asks or name == "GH_TOKEN"


def test_every_shell_step_is_sound_bash(workflow: dict[str, Any], tmp_path: Path) -> None:
    scripts = [step["run"] for step in steps(workflow) if "run" in step]
    assert scripts
    for text in scripts:
        checked = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, f"{text}\n{checked.stderr}"


def test_every_make_word_of_ours_is_a_target() -> None:
    words = {
        word
        for path in OURS
        for step in steps(read_workflow(path))
        for word in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))
    }
    assert {"check", "compile", "test", "images"} <= words
    for word in words:
        done = subprocess.run(["make", "--dry-run", word], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_gitlabs_file_has_known_keys_stages_and_sound_bash(tmp_path: Path) -> None:
    write_ci(tmp_path, "gitlab", "specs/guide.yaml", "guide")
    body = yaml.safe_load((tmp_path / CI["gitlab"]).read_text())
    jobs = {name: job for name, job in body.items() if isinstance(job, dict) and "script" in job}
    assert set(jobs) == {"plan", "run"} == set(body["stages"])
    assert body["variables"]["SPEC"] == "specs/guide.yaml" and "cache" not in body
    for job in jobs.values():
        assert set(job) <= GITLAB_JOB and job["stage"] in body["stages"]
        text = "\n".join([*job["before_script"], *job["script"], *job.get("after_script", ())])
        checked = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr
    assert not re.search(r":latest", body["default"]["image"])


@pytest.mark.parametrize("forge", CI)
def test_names_and_paths_are_text_whatever_yaml_makes_of_them(forge: str, tmp_path: Path) -> None:
    spec = "specs/a: b #c/'q'.yaml"
    body = yaml.safe_load(write_ci(tmp_path, forge, spec, "true")[0].read_text(encoding="utf-8"))
    given = body["env"] if forge == "github" else body["variables"]
    assert (given["SPEC"], given["EXPERIMENT"], given["MODELS"]) == (spec, "true", "requirements-models.txt")


@pytest.mark.parametrize(("forge", "name"), [("github", "raftops-guide.yml"), ("gitlab", ".gitlab-ci.yml")])
def test_below_the_top_of_a_repository_it_stands_at_the_top_and_watches_the_folder(
    forge: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "trunk", str(tmp_path)], check=True)
    workflow, models = write_ci(tmp_path / "services" / "guide", forge, "raftops.yaml", "guide")
    path = tmp_path / ".github" / "workflows" / name if forge == "github" else tmp_path / name
    assert workflow.resolve() == path and models.resolve() == tmp_path / "services/guide/requirements-models.txt"
    text = path.read_text(encoding="utf-8")
    assert '"services/guide/raftops.yaml"' in text and '"services/guide/requirements-models.txt"' in text
    body = read_workflow(path)
    if forge == "github":
        assert body["on"]["push"] == {"branches": ["trunk"], "paths": body["on"]["pull_request"]["paths"]}
        assert body["on"]["push"]["paths"] == ["services/guide/**", ".github/workflows/raftops-guide.yml"]
    else:
        changes = ["services/guide/**/*", ".gitlab-ci.yml"]
        assert [rule["changes"] for job in ("plan", "run") for rule in body[job]["rules"]] == [changes, changes]


def test_no_placeholder_is_left_in_what_is_written(tmp_path: Path) -> None:
    for forge in CI:
        for path in write_ci(tmp_path / forge, forge, "raftops.yaml", "guide"):
            assert not re.search(r"(?<!\$)\{\{", path.read_text()), path


def manifests_step(forge: str, folder: Path) -> str:
    body = read_workflow(write_ci(folder, forge, "raftops.yaml", "guide")[0])
    given = body["env"] if forge == "github" else body["variables"]
    assert given["MANIFESTS"] == "manifests"
    scripts = steps(body) if forge == "github" else [{"run": text} for text in body["plan"]["script"]]
    [script] = [step["run"] for step in scripts if "kubeconform" in step.get("run", "")]
    return script


@pytest.mark.parametrize("forge", CI)
@pytest.mark.parametrize(
    ("folder", "network", "code"),
    [(False, False, 0), (True, False, 0), (True, True, 1)],
    ids=["none", "alone", "forged"],
)
def test_manifests_are_held_against_schemas_by_the_kubeconform_that_was_pinned(
    forge: str, folder: bool, network: bool, code: int, tmp_path: Path
) -> None:
    """No folder: nothing is fetched. No network: it is told. Another archive than the pinned one never runs."""
    script, tools = manifests_step(forge, tmp_path), tmp_path / "tools"
    tools.mkdir()
    fetch = f"echo fetched >> {tmp_path}/log; {'echo forged > build/kubeconform.tar.gz' if network else 'exit 6'}"
    (tools / "curl").write_text(f"#!/bin/sh\n{fetch}\n", encoding="utf-8")
    (tools / "curl").chmod(0o755)
    if folder:
        (tmp_path / "manifests").mkdir()
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, text=True, check=False, capture_output=True,
        env={"PATH": f"{tools}:/usr/bin:/bin", "MANIFESTS": "manifests"},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert (tmp_path / "log").exists() == folder
    assert ("manifests are not checked" in done.stdout) == (folder and not network)
    assert not (tmp_path / "build" / "kubeconform").exists()
