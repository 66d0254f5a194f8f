"""The commands of the docs site are run as they stand there, each page's in a project of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site.pages import HERE, PAGES, ROOT, Block, blocks, name

pytestmark = pytest.mark.slow
BIN = Path(sys.executable).parent


def by_itself(page: Path) -> list[Block]:
    """What is run or written here: commands without another runner, and files with a name."""
    return [b for b in blocks(page) if b.title or (b.language == "sh" and not b.said)]


RUN = [page for page in PAGES if any(block.language == "sh" for block in by_itself(page))]


def sh(text: str, folder: Path) -> Path:
    """Run a block of commands; returns the folder that it ends in."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1", "KFP_ENDPOINT": ""}
    read, write = os.pipe()
    command = ["bash", "-c", f"set -e\n{text}\npwd >&{write}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, pass_fds=(write,))
    os.close(write)
    with os.fdopen(read) as ended:
        where = ended.read().strip()
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr
    return Path(where)


@pytest.mark.parametrize("page", RUN, ids=name)
def test_the_commands_of_a_page_do_what_they_say(page: Path, tmp_path: Path) -> None:
    blocks_ = by_itself(page)
    folder = tmp_path
    if not any("raftops init my-assistant" in block.text for block in blocks_):
        folder = sh("raftops init my-assistant && cd my-assistant", tmp_path)
    for block in blocks_:
        if block.title:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.text.startswith(HERE):
            sh(block.text, ROOT)
        else:
            folder = sh(block.text, folder)
    assert (folder / "raftops.yaml").is_file() or HERE in page.read_text(encoding="utf-8")


def test_pages_with_commands_are_found() -> None:
    assert {"start/pip.md", "formats/overlays.md", "how-to/ci.md", "how-to/gpu-cluster.md"} <= set(map(name, RUN))


def test_a_command_that_fails_fails_its_page(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no such file"):
        sh("raftops validate nowhere.yaml", tmp_path)
