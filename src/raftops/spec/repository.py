"""What git knows of the folder that a project lies in: the top of its repository, the branch that merges go to."""

from __future__ import annotations

import subprocess
from pathlib import Path

SECONDS = 10
MAIN = "main"


def top_of(folder: Path) -> Path:
    """The folder with `.git` that this one lies in; the folder itself outside of git."""
    here = folder.resolve()
    return next((place for place in (here, *here.parents) if (place / ".git").exists()), here)


def main_branch(folder: Path) -> str:
    """The branch that merges go to: the remote's default, the present one of a repository without remote, or main."""
    remote = _git(folder, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/")
    if remote or _git(folder, "remote"):
        return remote or MAIN
    return _git(folder, "symbolic-ref", "--short", "HEAD") or MAIN


def _git(folder: Path, *words: str) -> str:
    """What git says; nothing where it knows nothing, or is not there."""
    command = ["git", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
