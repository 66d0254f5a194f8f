from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from raftops.spec.repository import main_branch, top_of


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git(tmp_path, "init", "--quiet", "--initial-branch", "trunk", "origin")
    git(tmp_path / "origin", "-c", "user.name=t", "-c", "user.email=t@x", "commit", "-qm", "x", "--allow-empty")
    return tmp_path / "origin"


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def test_the_top_is_where_git_is(repository: Path) -> None:
    (repository / "a" / "b").mkdir(parents=True)
    assert top_of(repository / "a" / "b") == top_of(repository) == repository
    assert top_of(repository.parent) == repository.parent


def test_merges_go_to_the_default_branch_of_the_remote_whatever_is_checked_out(repository: Path) -> None:
    git(repository.parent, "clone", "--quiet", "origin", "mine")
    git(repository.parent / "mine", "switch", "--quiet", "--create", "fix")
    assert main_branch(repository.parent / "mine") == "trunk"


def test_without_a_remote_it_is_the_present_branch_and_outside_of_git_main(repository: Path) -> None:
    assert (main_branch(repository), main_branch(repository.parent)) == ("trunk", "main")
