"""A project as `raftops init` makes it, with budgets for a test, and the command line as a user calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from raftops.service.launch import free_port

BIN = Path(sys.executable).parent / "raftops"
SMALL = {
    "spec": {
        "prompt": {"units": 2, "evidence_tokens": 100},
        "augment": {"max_examples": 8},
        "train": {"rank": 4, "alpha": 8, "max_steps": 2, "batch_size": 1, "checkpoint_steps": 1, "plain": False},
        "evaluate": {
            "questions": 2, "unanswerable": 1, "behaviour": 1, "forgetting": 1, "bootstrap": 100, "max_new_tokens": 8,
            "arms": ["base+rag", "raft"],
        },
        "deploy": {"port": free_port()},
    }
}  # fmt: skip
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}


def raftops(folder: Path, *words: str) -> list[dict[str, Any]]:
    """What a command says, as JSON."""
    command = [str(BIN), "--output", "json", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    assert "Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def init(folder: Path) -> Path:
    """A new project with small budgets."""
    raftops(folder.parent, "init", str(folder), "--name", "starter")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    return folder


def run(folder: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """The status of each step, and the record."""
    record = raftops(folder, "run", "raftops.yaml", "-f", "small.yaml")[-1]
    return {name: step["status"] for name, step in record["steps"].items()}, record


def release(folder: Path) -> str:
    """The hash of the release that is served."""
    return str(raftops(folder, "release", "show", "raftops.yaml")[-1]["hash"])


def parts(folder: Path) -> dict[str, str]:
    """What the release that is served is made of: a hash for each part, over what it means."""
    return dict(raftops(folder, "release", "show", "raftops.yaml")[-1]["parts"])


def kill_run_at(folder: Path, step: str, whole: bool) -> None:
    """Begin a run and kill -9 it while the step is at work: the run alone, or with everything that it started."""
    command = [str(BIN), "run", "raftops.yaml", "-f", "small.yaml"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, start_new_session=True
    ) as run:
        assert run.stdout is not None
        lines = (line.split()[1:3] for line in run.stdout)
        assert next(filter([step, "running"].__eq__, lines), None), f"{step} did not run"
        next(lines, None)  # its first word about how far it is; short steps have ended by then
        (os.killpg if whole else os.kill)(run.pid, signal.SIGKILL)
