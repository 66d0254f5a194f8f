"""The house stays liveable: files are rooms with a subject, functions are thoughts, not hops. See docs/STYLE.md, 11."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src/raftops", "components", "pipelines", "tools", "benchmarks")
SHORTEST_FILE, LONGEST_FUNCTION, LARGEST_SHARE = 30, 60, 0.20
DEBTS = {"src/raftops/evaluation": 0.33, "src/raftops/parsing": 0.36}
"""Rooms that have more one-use helpers than they should: each may only get better."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files() -> Iterator[Path]:
    return (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))


def functions(text: str) -> list[Function]:
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, Function)]


def one_use(text: str) -> list[str]:
    """Private functions of a module that it names exactly once beside their definition."""
    private = [f.name for f in functions(text) if re.match(r"_[^_]", f.name)]
    return [name for name in private if len(re.findall(rf"\b{name}\b", text)) == 2]


def rooms() -> dict[str, list[str]]:
    """The texts of each room's modules: a folder of pipelines or of the library."""
    found: dict[str, list[str]] = {}
    for path in files():
        room = path.parent.relative_to(ROOT).as_posix()
        if room.count("/") >= 1 and not room.startswith("components"):
            found.setdefault("/".join(room.split("/")[: 3 if room.startswith("src") else 2]), []).append(
                path.read_text(encoding="utf-8")
            )
    return {room: texts for room, texts in found.items() if room != "src/raftops"}


def test_no_file_is_a_room_cut_up() -> None:
    code = [path for path in files() if path.name != "__init__.py" and "components" not in path.parts]
    assert len(code) > 200
    short = [str(p.relative_to(ROOT)) for p in code if p.read_text(encoding="utf-8").count("\n") < SHORTEST_FILE]
    assert short == []


def test_no_function_is_longer_than_the_wall() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{function.name}"
        for path in files()
        for function in functions(path.read_text(encoding="utf-8"))
        if (function.end_lineno or 0) - function.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("room", sorted(rooms()))
def test_a_helper_that_is_used_once_is_the_exception(room: str) -> None:
    texts = rooms()[room]
    count, helpers = sum(len(functions(text)) for text in texts), [name for text in texts for name in one_use(text)]
    assert len(helpers) <= round(DEBTS.get(room, LARGEST_SHARE) * count) + 1, f"{room}: {len(helpers)} of {count}"


def test_the_measure_sees_a_helper_that_is_used_once() -> None:
    assert one_use("def _once(): ...\ndef _twice(): ...\n_once()\n_twice()\n_twice()\n") == ["_once"]
