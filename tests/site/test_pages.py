"""What the pages of the docs site say is so: commands, options, fields, messages and tests that they name exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from pipelines.cli.app import app
from tests.site.pages import PAGES, ROOT, blocks, commands, mentions, name
from tools.site import fields_of, shown_tables

SOURCES = [path for top in ("src/raftops", "pipelines") for path in sorted((ROOT / top).rglob("*.py"))]
STEP_TESTS = re.compile(r"^(?P<file>tests/[\w/]+\.py)::(?P<test>test_\w+)$")


@cache
def front() -> tuple[Any, Any]:
    """The command line, as it stands before a command is named."""
    group: Any = typer.main.get_group(app)
    return group, group.make_context("raftops", ["--output", "json"], resilient_parsing=True)


def mistake(words: list[str]) -> str:
    """What the command line has against a command, which is not run."""
    group, context = front()
    while words and words[0].startswith("--"):
        known = [option for param in group.params for option in param.opts]
        if words[0] not in known:
            return f"no option {words[0]}"
        words = words[2 if words[0] == "--output" else 1 :]
    try:
        while hasattr(group, "resolve_command"):
            if not words:
                return ""
            _, command, rest = group.resolve_command(context, words)
            if hasattr(command, "resolve_command"):
                context = command.make_context(words[0], rest, parent=context, resilient_parsing=True)
            else:
                command.make_context(words[0], rest, parent=context)
            group, words = command, rest
    except typer.Exit:
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize(("page", "words"), [pytest.param(p, w, id=f"{name(p)}:{' '.join(w)}") for p, w in commands()])
def test_every_command_is_one_that_the_command_line_takes(page: Path, words: list[str]) -> None:
    assert mistake(words) == ""


@pytest.mark.parametrize(("page", "words"), [pytest.param(p, w, id=f"{name(p)}:{' '.join(w)}") for p, w in mentions()])
def test_every_command_that_a_sentence_names_exists(page: Path, words: list[str]) -> None:
    said = mistake(words)
    assert said == "" or said.startswith("MissingParameter")


@pytest.mark.parametrize(
    "words", [["traain"], ["run", "x", "--epochs", "3"], ["release", "forget", "x"], ["plan"], ["--colour", "run", "x"]]
)
def test_a_command_that_there_is_not_is_seen(words: list[str]) -> None:
    assert mistake(words)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    for block in blocks(page):
        if not block.said or block.unrun:
            continue
        found = STEP_TESTS.match(block.runner)
        assert found, block.said
        tree = ast.parse((ROOT / found["file"]).read_text(encoding="utf-8"))
        assert found["test"] in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, block.said


def test_little_is_left_that_no_test_runs() -> None:
    unrun = [(name(page), block.unrun) for page in PAGES for block in blocks(page) if block.unrun]
    assert {page for page, _ in unrun} <= {"how-to/air-gapped.md"}, unrun


@pytest.mark.parametrize(
    ("model", "fields"), [pytest.param(m, f, id=m) for page in PAGES for m, f in shown_tables(page.read_text("utf-8"))]
)
def test_a_table_of_fields_names_no_field_that_there_is_not(model: str, fields: list[str]) -> None:
    known = fields_of(model)
    assert fields and set(fields) <= set(known)
    assert [field for field, said in known.items() if field not in fields and not said] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_measured_figure_is_one_of_the_log(page: Path) -> None:
    log = (ROOT / "docs" / "LOG.md").read_text(encoding="utf-8") + (ROOT / "README.md").read_text(encoding="utf-8")
    figures = set(re.findall(r"\b0\.\d{3}\b", re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.S | re.M)))
    assert [figure for figure in sorted(figures) if figure not in log] == []


def messages() -> list[str]:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    return re.findall(r"^### `(.*)`$", page, re.MULTILINE)


@cache
def texts() -> list[str]:
    """Every text of the code, with … for what is put in."""
    return [" ".join(text.split()) for path in SOURCES for text in _texts(ast.parse(path.read_text(encoding="utf-8")))]


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"\{\w+\}", "…", node.value)


@pytest.mark.parametrize("message", messages())
def test_every_message_that_the_page_explains_is_one_of_the_code(message: str) -> None:
    wanted = re.compile(".*".join(re.escape(part) for part in message.split("…")))
    assert [text for text in texts() if wanted.search(text)]


def test_a_message_that_nobody_says_is_seen() -> None:
    assert len(messages()) > 30 and not [text for text in texts() if "the moon is not full" in text]


def test_the_answer_of_the_picture_stands_in_its_document() -> None:
    picture = (ROOT / "docs" / "answer.svg").read_text(encoding="utf-8")
    [doc_id], [quote] = re.findall(r"([\w/-]+\.md) ·", picture), re.findall(r'>"(.*?)"<', picture)
    questions = (ROOT / "data" / "examples" / "knowledge-company.jsonl").read_text(encoding="utf-8")
    assert quote in (ROOT / "data" / "documents" / doc_id).read_text(encoding="utf-8")
    assert re.findall(r"</tspan> (How .*?)</text>", picture)[0] in questions
