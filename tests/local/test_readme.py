"""The README's commands for a cluster, and what it names. Those for an own assistant are run in `test_starter.py`."""

import re

import pytest

from tests.local.readme import README, ROOT, blocks, commands, sh

pytestmark = [pytest.mark.local, pytest.mark.timeout(2400)]


def test_the_commands_for_a_cluster_do_what_they_say():
    for command in commands("--on kubeflow"):
        assert sh(command, ROOT)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))))
def test_every_chore_that_is_named_exists(target):
    sh(f"make --dry-run --no-print-directory {target}", ROOT)


def test_every_command_that_is_named_exists():
    named = sorted(set(re.findall(r"`raftops ([a-z-]+)", README)))
    assert named
    for command in named:
        sh(f"raftops {command} --help", ROOT)


def test_every_path_that_the_tree_shows_exists():
    tree = next(block for block in blocks("") if "specs/        WHAT" in block)
    room = ROOT
    for line in tree.splitlines():
        name = re.match(r" *([\w./]+)", line)[1]
        room = room if line.startswith("  ") else ROOT / name
        assert room.exists() and (room / name if line.startswith("  ") else room).exists(), line
