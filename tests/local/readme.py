"""The README's commands, read from the README."""

import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

from tests.local.project import BIN, ENVIRONMENT

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """The README's blocks of code in a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


def commands(mark):
    """The lines of the block with a mark, without comments."""
    block = next(block for block in blocks("sh") if mark in block)
    return [line.partition("#")[0].strip() for line in block.splitlines()]


def sh(command, folder):
    environment = {**ENVIRONMENT, "PATH": f"{BIN.parent}:{ENVIRONMENT['PATH']}", "NO_COLOR": "1"}
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, env=environment)  # noqa: S602
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


@contextmanager
def left_running(command, folder):
    """`raftops serve` in a terminal of its own, ended when it has served."""
    words = [str(BIN), *command.split()[1:]]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as service:
        try:
            assert any("serving on http://127.0.0.1:3000" in line for line in service.stdout)
            yield
        finally:
            service.terminate()
