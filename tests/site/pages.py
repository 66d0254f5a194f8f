"""The pages of the docs site as tests read them: their blocks of code, and what is said above each.

A block of `sh` is run by `test_commands.py`, in a project of its own for each page, unless a comment above it names the
test that runs it (`<!-- run by tests/x.py::test_y -->`) or what it needs that no test has (`<!-- not run: why -->`). A
block with a title is a file of that project. A first line `# in the repository` says where the block is run.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOGS = ("LOG.md", "STYLE.md", "ARCHITECTURE.md", "scale.md")
"""Pages of the repository that are shown on the site, and are held by `tests/test_docs.py`."""
PAGES = [path for path in sorted((ROOT / "docs").rglob("*.md")) if path.name not in LOGS]
HERE = "# in the repository"
_BLOCK = re.compile(
    r"^(?P<margin> *)(?:<!-- (?P<said>[^\n]*) -->\n+ *)?```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n"
    r"(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A block of code."""

    page: Path
    language: str
    title: str
    said: str
    """The comment above it."""
    text: str

    @property
    def lines(self) -> list[str]:
        """Its commands."""
        return [line for line in self.text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]

    @property
    def runner(self) -> str:
        """The test that the page names; none where the block is run by itself."""
        return self.said.removeprefix("run by ") if self.said.startswith("run by ") else ""

    @property
    def unrun(self) -> str:
        """Why no test runs it."""
        return self.said.removeprefix("not run: ") if self.said.startswith("not run: ") else ""


def name(page: Path) -> str:
    """A page as a test is called by it."""
    return page.relative_to(ROOT / "docs").as_posix()


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        text = textwrap.dedent(found["text"])
        yield Block(page, found["language"], found["title"] or "", found["said"] or "", text)


def commands() -> Iterator[tuple[Path, list[str]]]:
    """The words of each raftops command of a block of code."""
    for page in PAGES:
        for block in blocks(page):
            for line in block.lines if block.language == "sh" else ():
                for part in re.split(r"&&|\|", line):
                    words = shlex.split(part, comments=True)
                    if words[:1] == ["raftops"]:
                        yield page, words[1:]


def mentions() -> Iterator[tuple[Path, list[str]]]:
    """The words of each raftops command inside a sentence; what stands for something (SPEC, ...) is left in."""
    for page in PAGES:
        text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for said in re.findall(r"`raftops ([^`]+)`", text):
            yield page, [word for word in shlex.split(said) if word != "..."]
