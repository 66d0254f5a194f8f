"""The commands about examples, as somebody types them in a fresh project."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raftops.examples.foreign import COLUMNS
from raftops.spec.template import write_project

Run = Callable[..., Any]
ROW = {
    "id": "new", "kind": "knowledge", "question": "How many days?", "answer": "25 days.",
    "evidence": [{
        "doc_id": "people/annual-leave.md",
        "quote": "Employees of Fernhill Books receive 25 days of annual leave per calendar year.",
    }],
}  # fmt: skip


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path, "books")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def add(books: Path, *rows: Any) -> None:
    with (books / "data/examples/examples.jsonl").open("a") as file:
        file.writelines(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


def test_validate_and_lint_name_every_mistake_of_the_examples_at_its_line(raftops: Run, books: Path) -> None:
    assert raftops("validate", "raftops.yaml").code == 0 and raftops("examples", "lint").code == 0
    rows = len((books / "data/examples/examples.jsonl").read_text().splitlines())
    add(books, ROW, "{broken")
    for command in (("validate", "raftops.yaml"), ("examples", "lint", "raftops.yaml")):
        ended = raftops(*command)
        assert ended.code == 2 and "is valid" not in ended.out
        assert f"examples.jsonl:{rows + 1}: evidence 1: the quote does not stand" in ended.err
        assert (
            'there "26", in the quote "25"' in ended.err
            and f"examples.jsonl:{rows + 2}: is not valid JSON" in ended.err
        )


def test_examples_that_their_document_went_on_without_are_told_and_stop_nothing(raftops: Run, books: Path) -> None:
    (books / "data/documents/office/returns.md").write_text("# Returns\n\nReturns are taken for 60 days.\n")
    ended = raftops("validate", "raftops.yaml")
    assert ended.code == 0 and "is valid" in ended.out
    assert "the quote does not stand (or no longer stands) in office/returns.md" in ended.out + ended.err
    assert raftops("examples", "lint").code == 2
    spec = books / "raftops.yaml"
    spec.write_text(spec.read_text().replace("on_bad_row: reject", "on_bad_row: fail"))
    assert raftops("validate", "raftops.yaml").code == 2


def test_a_project_without_examples_is_valid_and_says_what_that_means(
    raftops: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert raftops("init", "--no-examples", "fresh").code == 0
    monkeypatch.chdir(tmp_path / "fresh")
    assert not (tmp_path / "fresh/data/examples").exists()
    ended = raftops("validate", "raftops.yaml")
    assert ended.code == 0 and "note: no examples: nothing is trained or measured" in ended.out


def test_help_names_every_header_that_a_csv_may_have(raftops: Run) -> None:
    shown = re.sub(r"[\s│]+", " ", raftops("examples", "import", "--help").out)
    assert [name for names in COLUMNS.values() for name in names if not re.search(rf"\b{name}\b", shown)] == []


@pytest.mark.model
def test_import_writes_nothing_where_a_row_is_bad_and_the_rest_where_that_is_wanted(raftops: Run, books: Path) -> None:
    quote = "A lost key must be reported to Operations within 2 hours."
    text = f"question,answer,quote\nHow quickly?,Within 2 hours,{quote}\nWhat?,Nothing,No such words here.\n"
    (books / "mine.csv").write_text(text)
    ended = raftops("examples", "import", "mine.csv", "-o", "out.jsonl")
    assert ended.code == 2 and "mine.csv:3: the quote" in ended.err and not (books / "out.jsonl").exists()
    kept = raftops("examples", "import", "mine.csv", "-o", "out.jsonl", "--skip-bad")
    assert kept.code == 0 and "left out: mine.csv:3" in kept.out and "1 of 2 rows imported" in kept.out
    assert json.loads((books / "out.jsonl").read_text())["evidence"][0]["quote"] == quote
    assert "exists already" in raftops("examples", "import", "mine.csv", "-o", "out.jsonl").err


@pytest.mark.model
def test_draft_says_what_became_of_each_proposal_and_goes_on(raftops: Run, books: Path) -> None:
    ended = raftops("examples", "draft", "raftops.yaml", "-o", "drafts.jsonl", "--count", "2")
    assert ended.code == 0 and "stopped: 2 drafts are there" in ended.out and "kept" in ended.out
    assert len((books / "drafts.jsonl").read_text().splitlines()) == 2
    assert raftops("examples", "draft", "raftops.yaml", "--no-rules").err.startswith("--no-rules leaves nobody")
    money = raftops("examples", "draft", "raftops.yaml", "--most-money", "1")
    assert "--most-money needs prices" in money.err and money.code == 2


def test_drafts_begin_on_a_line_of_their_own(raftops: Run, books: Path) -> None:
    (books / "mine.jsonl").write_text('{"id": "x", "question": "Mine?"}', encoding="utf-8")
    assert raftops("examples", "draft", "raftops.yaml", "-o", "mine.jsonl", "--count", "2").code == 0
    rows = [json.loads(line) for line in (books / "mine.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 2 and rows[0] == {"id": "x", "question": "Mine?"}


def test_what_is_among_the_examples_is_not_reviewed_into_them_once_more(raftops: Run, books: Path) -> None:
    (books / "qa.csv").write_text("question,answer\nHow many days of leave do employees get?,26 days\n")
    ended = raftops("examples", "import", "qa.csv", "-o", "data/examples/imported.jsonl")
    assert ended.code == 0 and "next: raftops examples lint raftops.yaml" in ended.out and "review" not in ended.out
    ended = raftops("examples", "review", "data/examples/imported.jsonl", "--no-open")
    assert ended.code == 2 and "would stand there twice" in ended.err and "next: move the file" in ended.err
    ended = raftops("examples", "draft", "raftops.yaml", "-o", "data/examples/drafts.jsonl", "--count", "1")
    assert ended.code == 0 and "would be trained on unread" in ended.out


def test_an_import_of_nothing_writes_nothing(raftops: Run, books: Path) -> None:
    for text, said in (("question,answer\n", "holds no row"), ("question,answer\nWho?,\n", "1 of 1 rows cannot")):
        (books / "qa.csv").write_text(text)
        ended = raftops("examples", "import", "qa.csv", "-o", "new.jsonl", "--skip-bad")
        assert ended.code == 2 and said in ended.err and not (books / "new.jsonl").exists()


def test_where_no_draft_is_kept_there_is_nothing_to_review(raftops: Run, books: Path) -> None:
    for document in (books / "data/documents").rglob("*.md"):
        document.write_text("# Hello\n\nHello there.\n", encoding="utf-8")
    ended = raftops("examples", "draft", "raftops.yaml", "-o", "none.jsonl", "--teacher", "none")
    assert ended.code == 0 and "next: a teacher that writes better" in ended.out and "review" not in ended.out
