"""lint over a small project on disk, and its judge beside Great Expectations."""

import json
from pathlib import Path

import pytest

from raftops.access import AccessPolicies
from raftops.spec.model.assistant import Spec
from raftops.validation.expectations import Judge
from raftops.validation.lint import judged, lint
from raftops.validation.nearest import nearest
from raftops.validation.rows import Check, Row

LEAVE = "# Leave\n\nEmployees receive 26 days of annual leave per calendar year. Ask in Rota.\n"
GOOD = {
    "id": "a", "kind": "knowledge", "question": "How many days?", "answer": "26 days.",
    "evidence": [{"doc_id": "leave.md", "quote": "Employees receive 26 days of annual leave per calendar year."}],
}  # fmt: skip
WRONG = {
    "no id": ({**GOOD, "id": None}, "id must be text"),
    "unknown key": ({**GOOD, "evidences": []}, "evidences: unknown key, did you mean evidence?"),
    "another quote": (
        {**GOOD, "evidence": [{"doc_id": "leave.md", "quote": "Employees receive 25 days of annual leave per year."}]},
        'nearest there: "Employees receive 26 days of annual leave per calendar year." (there "26", in the quote "25")',
    ),
    "misattributed": (
        {**GOOD, "evidence": [{"doc_id": "pay.md", "quote": "Ask in Rota."}]},
        "it does not stand in pay.md but in leave.md",
    ),
    "unknown document": (
        {**GOOD, "evidence": [{"doc_id": "leaves.md", "quote": "Ask in Rota."}]},
        "there is no document leaves.md, did you mean leave.md?",
    ),
    "no answer": ({k: v for k, v in GOOD.items() if k != "answer"}, "needs an answer, or unanswerable: true"),
    "accepted as text": ({**GOOD, "accepted": "x"}, "accepted must be a list, in [brackets]"),
    "must of nothing": (
        {"id": "a", "kind": "knowledge", "question": "Pets?", "unanswerable": True, "must": ["x"]},
        "only a question with an answer has accepted answers or facts (must)",
    ),
    "another format": ({"messages": [{"role": "user", "content": "hi"}]}, "raftops examples import FILE"),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/leave.md").write_text(LEAVE)
    (tmp_path / "docs/pay.md").write_text("# Pay\n\nThe budget is 3 percent.\n")
    return tmp_path


def linted(root: Path, *rows: object, access: AccessPolicies | None = None):
    """The rows as a file of examples, linted."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (root / "examples.jsonl").write_text("".join(f"{line}\n" for line in lines))
    data = {"documents": {"path": "docs"}, "access": "access.yaml", "examples": ["examples.jsonl"]}
    return lint(Spec.model_validate({"data": data, "train": {"audience": ["staff"]}}), root, access=access)


def test_good_examples_are_no_mistake_and_few_of_them_are_said(project: Path) -> None:
    found = linted(project, GOOD)
    assert (found.rows, [e.id for e in found.examples], list(found.mistakes)) == (1, ["a"], [])
    assert found.notes == ["none of 1 answerable examples is held out (data.splits): nothing can be measured"]


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_named_at_its_file_and_line(project: Path, name: str) -> None:
    row, said = WRONG[name]
    (bad,) = linted(project, "", row).mistakes
    assert bad.where.endswith("examples.jsonl:2") and said in bad.reason


def test_all_mistakes_are_shown_at_once_and_a_repeated_id_is_one(project: Path) -> None:
    found = linted(project, GOOD, "{broken", {**GOOD, "question": "And now?"}, WRONG["no answer"][0])
    assert [bad.where.rpartition(":")[2] for bad in found.mistakes] == ["2", "3", "4"]
    assert "has the same id as" in found.mistakes[1].reason and len(found.examples) == 1


def test_a_document_that_cannot_be_read_is_a_mistake_of_its_own(project: Path) -> None:
    (project / "docs/broken.pdf").write_bytes(b"no pdf")
    row = {**GOOD, "evidence": [{"doc_id": "broken.pdf", "quote": "Some words."}]}
    places = [bad.where for bad in linted(project, row).mistakes]
    assert places[-1].endswith("docs/broken.pdf") and len(places) == 2


def test_an_unreadable_document_that_no_example_is_about_is_not_the_examples_fault(project: Path) -> None:
    (project / "docs/broken.pdf").write_bytes(b"no pdf")
    assert list(linted(project, GOOD).mistakes) == []


def test_an_empty_file_and_examples_that_nothing_is_trained_on_are_said(project: Path) -> None:
    assert linted(project).notes[0].endswith("examples.jsonl: holds no example")
    access = AccessPolicies.model_validate(
        {"groups": {"staff": ""}, "policies": {"none": {}}, "documents": [{"match": "**", "policy": "none"}]}
    )
    assert "1 examples, such as a, rest on documents" in linted(project, GOOD, access=access).notes[-1]


def test_what_is_judged_here_is_judged_alike_by_great_expectations(tmp_path: Path) -> None:
    cells = [True, False, None, 3, 0, "a", "b", "a", 7]
    rows = [Row(f"r{n}", "", {"x": value, "n": n % 4 or None, "t": "ab"[n % 2]}) for n, value in enumerate(cells)]
    checks = [
        Check("n", "not_null", "critical", ""), Check("n", "unique", "critical", ""),
        Check("n", "between", "critical", "", (2, None)), Check("n", "zero", "critical", ""),
        Check("t", "in_set", "critical", "", ("a", "c")), Check("t", "regex", "critical", "", ("^b",)),
    ]  # fmt: skip
    theirs = Judge().judge("t", rows, checks)
    assert [judged(rows, check) for check in checks] == theirs
    assert any(outcome.failed for outcome in theirs)


def test_nothing_near_is_not_guessed_at() -> None:
    assert nearest("Dogs may come along on Fridays.", LEAVE) == ""
