"""The README's commands, read from the README and run as a user runs them."""

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from raftops.files import read_json
from tests.local.project import BIN, ENVIRONMENT

pytestmark = [pytest.mark.local, pytest.mark.timeout(2400)]
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ASSISTANT = "my-assistant"


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


def test_the_commands_for_an_own_assistant_do_what_they_say(project, tmp_path):
    folder, _ = project
    init, enter, *within = commands("raftops init")
    assert init == f"raftops init {ASSISTANT}" and enter == f"cd {ASSISTANT}"
    sh(init, tmp_path)
    new = tmp_path / ASSISTANT
    assert "raftops.yaml" in sh("ls", new)
    checks, (run, serve, ask) = within[:-3], within[-3:]
    for command in checks:
        sh(command, new)
    assert run.startswith("raftops run") and "skipped" in sh(f"{run} -f small.yaml", folder)
    with left_running(serve, folder):
        assert "A " in sh(ask, folder)
        assert_the_snippet_answers(folder)


def assert_the_snippet_answers(folder):
    """The README's Python, with the token that it leaves open and this project's model."""
    tokens = read_json(folder / ".raftops" / "dev-tokens.json")
    token = next(user["token"] for user in tokens["users"].values())
    (snippet,) = blocks("python")
    assert '"<token>"' in snippet and 'model="handbook"' in snippet
    snippet = snippet.replace("<token>", token).replace('model="handbook"', 'model="starter"')
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_commands_for_a_cluster_do_what_they_say():
    for command in commands("--on kubeflow"):
        assert sh(command, ROOT)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))))
def test_every_chore_that_is_named_exists(target):
    sh(f"make --dry-run --no-print-directory {target}", ROOT)


def test_every_command_that_is_named_exists():
    named = sorted(set(re.findall(r"`raftops ([a-z]+)", README)))
    assert named
    for command in named:
        sh(f"raftops {command} --help", ROOT)


def test_every_path_that_the_tree_shows_exists():
    tree = next(block for block in blocks("") if "specs/        WHAT" in block)
    base = ROOT
    for line in tree.splitlines():
        name = re.match(r" *([\w./]+)", line)[1]
        base = ROOT / "src/raftops" if line.startswith("  ") else ROOT
        assert (base / name).exists(), name
