"""The pages for people: what they name is there, what the code reads is named, and nothing from outside is needed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["CONTRIBUTING.md", "SECURITY.md", "docs/ARCHITECTURE.md", "docs/STYLE.md"]
ROOMS = r"(?:src|pipelines|components|tests|tools|manifests|docs|schema|specs|benchmarks|\.github|\.ci)/[\w./-]*"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_is_there_and_none_lies_outside(page: str) -> None:
    text = read(page)
    named = set(re.findall(rf"`({ROOMS})`", text))
    named |= {str(Path(page).parent / link) for link in re.findall(r"\]\(([^)#:]+)\)", text)}
    assert named and [name for name in sorted(named) if not (ROOT / name).exists()] == []
    assert "shared/" not in text


@pytest.mark.parametrize("page", PAGES)
def test_every_make_word_of_a_page_has_a_rule(page: str) -> None:
    rules = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", read(page))) <= rules


def test_every_room_of_the_code_is_in_the_table_of_rooms() -> None:
    text = read("docs/ARCHITECTURE.md")
    rooms = [
        path.parent.relative_to(ROOT)
        for top in ("src/raftops", "pipelines")
        for path in (ROOT / top).glob("*/__init__.py")
    ]
    assert len(rooms) > 10 and [f"{room}" for room in rooms if f"`{room}/`" not in text] == []


def test_the_layers_of_the_library_are_those_that_the_tool_holds() -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    [layers] = [c["layers"] for c in contracts if c.get("containers") == ["raftops"]]
    assert "; ".join(f"`{layer}`" for layer in layers) in " ".join(read("docs/ARCHITECTURE.md").split())


def test_every_variable_of_the_environment_that_the_code_names_is_listed() -> None:
    sources = [path for top in ("src", "pipelines", "components", "tools") for path in (ROOT / top).rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    named = set(re.findall(r"environ(?:ment)?(?:\.get\(|\[)\"([A-Z_]+)\"|\b(RAFTOPS_[A-Z_]+)\b", code))
    named = {name for pair in named for name in pair if name}
    text = read("docs/ARCHITECTURE.md")
    assert len(named) > 10 and [name for name in sorted(named) if f"`{name}`" not in text] == []
