"""What guards a commit: hooks, ours and those for users; what Dependabot watches; what each tier of tests runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from pre_commit.languages import pygrep

from tests.conftest import TinyProject, pytest_ignore_collect

ROOT = Path(__file__).parents[2]


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_hook_for_users_is_a_real_command_that_refuses_a_wrong_spec(project: TinyProject) -> None:
    [hook] = read(".pre-commit-hooks.yaml")
    command, *words = shlex.split(hook["entry"])
    script = Path(sys.executable).parent / command
    assert script.is_file() and hook["language"] == "python" and re.search(hook["files"], "guide/raftops.yaml")
    assert subprocess.run([script, *words, project.path], capture_output=True, check=False).returncode == 0
    project.spec["spec"]["train"]["lora_rnak"] = 8
    project.save()
    refused = subprocess.run([script, *words, project.path], capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "lora_rnak" in refused.stderr


def test_the_hook_for_users_checks_every_spec_that_a_commit_changes(
    project: TinyProject, new_project: Callable[[str], TinyProject]
) -> None:
    [hook] = read(".pre-commit-hooks.yaml")
    command, *words = shlex.split(hook["entry"])
    hooked, other = [Path(sys.executable).parent / command, *words], new_project("other")
    assert hook.get("pass_filenames", True), "pre-commit gives the names of all files at once"
    both = [*hooked, other.path, project.path]
    assert subprocess.run(both, capture_output=True, check=False).returncode == 0
    other.spec["spec"]["train"]["lora_rnak"] = 8
    other.save()
    refused = subprocess.run(both, capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "lora_rnak" in refused.stderr and "is valid" in refused.stdout


@pytest.mark.parametrize(
    ("message", "good"),
    [
        ("fix: a release without a report is no release\n\nWhy it matters.\n", True),
        ("feat(cli)!: one file a group of commands", True),
        ("Merge branch 'house'\n", True),
        (f"docs: {'x' * 66}\n", True),
        (f"docs: {'x' * 67}\n", False),
        ("Log of this round\n", False),
        ("wip\n\nfix: only in the body\n", False),
    ],
)
def test_the_subject_of_a_commit_is_conventional_and_short(message: str, good: bool, tmp_path: Path) -> None:
    hooks = read(".pre-commit-config.yaml")["repos"][0]["hooks"]
    [hook] = [hook for hook in hooks if hook.get("stages") == ["commit-msg"]]
    (tmp_path / "message").write_text(message)
    assert (pygrep.main([*hook["args"], hook["entry"], str(tmp_path / "message")]) == 0) is good


def test_dependabot_watches_folders_that_have_what_it_watches() -> None:
    watched = {update["package-ecosystem"]: update for update in read(".github/dependabot.yml")["updates"]}
    assert set(watched) == {"pip", "github-actions", "docker"}
    for folder in watched["docker"]["directories"]:
        assert list(ROOT.glob(f"{folder.strip('/')}/*Dockerfile")), folder
    for folder in watched["github-actions"]["directories"]:
        assert folder == "/" or list((ROOT / folder.strip("/")).glob("*.yml")), folder


@pytest.mark.parametrize("tier", ["test", "test-quick", "test-all"])
def test_a_tier_of_tests_has_a_rule_that_starts_pytest(tier: str) -> None:
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "--dry-run", tier], cwd=ROOT, capture_output=True, text=True, check=True, env=alone)
    assert "-m pytest" in done.stdout.splitlines()[-1] and " or true" not in done.stdout


def test_every_target_that_is_no_file_has_a_rule() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    [names] = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert [name for name in names.split() if not re.search(rf"^{name}:", text, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("chosen", "left_out"),
    [("not slow and not local", True), ("not docker", None), ("", None), ("slow or not slow", None)],
)
def test_a_module_that_a_tier_leaves_out_whole_is_not_imported(
    chosen: str, left_out: bool | None, tmp_path: Path
) -> None:
    module = tmp_path / "test_slow.py"
    module.write_text("import torch\n\npytestmark = [pytest.mark.slow, pytest.mark.timeout(9)]\n")
    config: Any = SimpleNamespace(option=SimpleNamespace(markexpr=chosen))
    assert pytest_ignore_collect(module, config) is left_out
