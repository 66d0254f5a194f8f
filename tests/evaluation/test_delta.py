"""Two reports: paired by question, judged by interval, honest where they cannot be paired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raftops.errors import StepError
from raftops.evaluation.delta import compare, read_report


def write(folder: Path, right: list[float], *, answers: bool = True, questions: str = "q", **metrics: float) -> Path:
    """A report of one served arm, with one answer for each question."""
    folder.mkdir(parents=True)
    body: dict[str, Any] = {"metrics": {"served.answer_contained": sum(right) / len(right), **metrics}}
    (folder / "report.json").write_text(json.dumps(body))
    rows = [
        {"id": f"{questions}{i}", "arm": "served", "kind": "answerable", "question": "?", "reference": "!",
         "groups": [], "scores": {"answer_contained": r, "wrong": 1 - r}} for i, r in enumerate(right)
    ]  # fmt: skip
    if answers:
        (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_rise_on_the_same_questions_is_better_and_a_rise_of_wrong_answers_is_worse(tmp_path: Path) -> None:
    base = read_report(write(tmp_path / "a", [0.0] * 30, **{"served.wrong": 1.0}))
    new = read_report(write(tmp_path / "b", [1.0] * 25 + [0.0] * 5, **{"served.wrong": 5 / 30}))
    forth = {c.metric: c.verdict for c in compare(new, base).changes}
    back = {c.metric: c.verdict for c in compare(base, new).changes}
    assert forth == {"served.answer_contained": "better", "served.wrong": "better"}
    assert back == {"served.answer_contained": "worse", "served.wrong": "worse"}


def test_one_question_more_of_thirty_is_within_chance(tmp_path: Path) -> None:
    base = read_report(write(tmp_path / "a", [1.0, 0.0] * 15))
    new = read_report(write(tmp_path / "b", [1.0, 1.0] + [1.0, 0.0] * 14))
    change = compare(new, base).changes[0]
    assert change.verdict == "within chance" and change.paired
    assert change.paired.delta == pytest.approx(1 / 30) and change.paired.low <= 0 <= change.paired.high


def test_only_questions_of_both_reports_are_paired(tmp_path: Path) -> None:
    base = read_report(write(tmp_path / "a", [1.0] * 4))
    assert compare(read_report(write(tmp_path / "b", [1.0] * 9)), base).common == 4
    strangers = compare(read_report(write(tmp_path / "c", [0.0] * 4, questions="other")), base)
    assert strangers.common == 0 and strangers.changes[0].paired is None and strangers.changes[0].verdict == ""


def test_without_answers_figures_stand_side_by_side_without_a_verdict(tmp_path: Path) -> None:
    base = read_report(write(tmp_path / "a", [0.0] * 4, answers=False))
    change = compare(read_report(write(tmp_path / "b", [1.0] * 4)), base).changes[0]
    assert (change.before, change.after, change.paired, change.verdict) == (0.0, 1.0, None, "")


def test_a_first_report_has_figures_and_nothing_before(tmp_path: Path) -> None:
    delta = compare(read_report(write(tmp_path / "a", [1.0], **{"router.accuracy": 0.9})))
    assert [(c.metric, c.before) for c in delta.changes] == [
        ("served.answer_contained", None),
        ("router.accuracy", None),
    ]


def test_the_committed_report_is_read() -> None:
    delta = compare(read_report(Path(__file__).parents[2] / "docs" / "handbook-report"))
    assert {"raft.answer_contained", "served.quote_validity", "router.accuracy"} <= {c.metric for c in delta.changes}


@pytest.mark.parametrize("text", ["[]", "{}", '{"metrics": 3}'])
def test_another_file_is_not_taken_for_a_report(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(StepError, match="not an evaluation report"):
        read_report(tmp_path)
    with pytest.raises(StepError, match="cannot be read"):
        read_report(tmp_path / "nothing")
