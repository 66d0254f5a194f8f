"""The command line in this process (fast) and as a process of its own (exit codes, imports, signals)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

MAIN = "from pipelines.cli import main; main()"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def raftops(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command here."""
    from pipelines.cli.app import main
    from pipelines.cli.screen import screen

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["raftops", *map(str, arguments)])
        screen.configure()
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return Ended(int(end.value.code or 0), out, err)

    return run


@pytest.fixture
def raftops_process() -> Callable[..., Ended]:
    """Run a command in a process of its own."""

    def run(*arguments: object, cwd: Path | None = None, **environment: str) -> Ended:
        command = [sys.executable, "-c", MAIN, *map(str, arguments)]
        env = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", **environment}
        done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=120, check=False)
        return Ended(done.returncode, done.stdout, done.stderr)

    return run
