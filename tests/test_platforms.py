"""Linux and macOS, for everything that needs no GPU. What types cannot see of a system is looked for here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = [
    path for room in ("src", "components", "pipelines", "tools", "benchmarks") for path in ROOT.glob(f"{room}/**/*.py")
]
OF_THE_KERNEL = re.compile(r"^/(proc|sys)/\w")
"""Files that only Linux has."""
OF_GNU = re.compile(
    r"sed -i |cp --|date -d|readlink -f|stat -c|grep -P|xargs -r|mktemp --|find -printf|sort -V|\btac\b"
)
"""Words that the tools of macOS do not know."""


def test_no_module_reads_files_of_the_kernel() -> None:
    assert len(CODE) > 200
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and OF_THE_KERNEL.match(node.value)
    ]
    assert found == []


def test_the_makefile_asks_no_tool_for_what_only_gnu_has() -> None:
    assert OF_GNU.findall((ROOT / "Makefile").read_text(encoding="utf-8")) == []


def test_types_are_checked_as_macos_has_them() -> None:
    """`mypy --platform darwin` knows each name of the standard library that is absent there: os.sched_getaffinity."""
    check = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert check and "mypy --platform darwin" in check[1]
