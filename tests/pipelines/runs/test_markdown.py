"""Comments on a pull request: right figures, sound Markdown, nothing that a user's text could smuggle in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.runs.markdown import plan_markdown, report_markdown
from pipelines.runs.plan import PlannedStep
from raftops.evaluation.delta import compare, read_report
from raftops.spec.model.learning import Gate

REPORT = Path(__file__).parents[3] / "docs" / "handbook-report"


def tables(text: str) -> list[list[list[str]]]:
    """The cells of every table, its rule checked."""
    found: list[list[list[str]]] = []
    for before, line in zip(["", *text.splitlines()], text.splitlines(), strict=False):
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.replace("\\|", "/").strip("|").split("|")]
        if not before.startswith("|"):
            found.append([])
        found[-1].append(cells)
    for table in found:
        assert set(table[1]) == {"---"}
        assert len({len(row) for row in table}) == 1, table
    return found


@pytest.fixture
def planned() -> list[PlannedStep]:
    return [
        PlannedStep("validate", False, (), "", None, "k1"),
        PlannedStep("ingest", True, ("documents: 2 changed",), "2 of 90 documents", 61.0, "k2"),
        PlannedStep("index", True, ("ingest runs",), "all passages to embed", None, "k3"),
    ]


def test_a_plan_says_what_runs_why_and_how_long(planned: list[PlannedStep]) -> None:
    text = plan_markdown("handbook", "", planned)
    assert "**2 of 3 steps run**, about 1 min 1 s by the last runs (1 never timed)." in text
    rows = {row[0]: row for row in tables(text)[0]}
    assert rows["`ingest`"] == ["`ingest`", "**run**", "documents: 2 changed", "2 of 90 documents", "1 min 1 s"]
    assert rows["`validate`"][1:3] == ["skip", "nothing changed"]


def test_a_plan_that_runs_nothing_says_so(planned: list[PlannedStep]) -> None:
    assert "**Nothing changed: no step runs**." in plan_markdown("handbook", "", planned[:1])


def test_gates_stand_with_their_last_figures(planned: list[PlannedStep]) -> None:
    gates = [Gate(metric="served.quote_validity", min=1), Gate(metric="served.wrong", max=0.4)]
    rows = tables(plan_markdown("handbook", "", planned, gates, {"served.wrong": 0.364}))[1][2:]
    assert rows == [
        ["`served.quote_validity`", "at least 1", "not measured yet"], ["`served.wrong`", "at most 0.4", "0.364"],
    ]  # fmt: skip


def test_text_of_users_cannot_become_markup(planned: list[PlannedStep]) -> None:
    step = PlannedStep("train", True, ("a|b <img src=x> @everyone [x](y)\n# big",), "", None, "k")
    text = plan_markdown("handbook", "", [step])
    row = tables(text)[0][2]
    assert "\\<img src=x\\>" in row[2] and "@everyone" not in text and "\n# big" not in text and "\\[x\\]" in row[2]


GATE: dict[str, Any] = {"metric": "served.wrong", "min": None, "max": 0.25, "value": 0.1}


def test_a_gate_that_was_not_judged_is_no_failed_one_and_no_passed_one(tmp_path: Path) -> None:
    body: dict[str, Any] = json.loads((REPORT / "report.json").read_text())
    gates = [GATE | {"passed": True, "verdict": "passed"}, GATE | {"passed": False, "verdict": "not judged"}]
    for count, said in ((2, "all gates passed."), (1, "no gate was judged.")):
        (tmp_path / "report.json").write_text(json.dumps(body | {"gates": gates[-count:]}))
        text = report_markdown("handbook", compare(read_report(tmp_path)))
        assert said in text and tables(text)[1][-1][-1] == "not judged"


def test_what_nobody_should_have_to_look_for_stands_in_bold(tmp_path: Path) -> None:
    body: dict[str, Any] = json.loads((REPORT / "report.json").read_text())
    alarm = {"said": "Most questions are declined: 0.62.", "advice": "more examples"}
    (tmp_path / "report.json").write_text(json.dumps(body | {"alarms": [alarm]}))
    assert f"**{alarm['said']}**" in report_markdown("handbook", compare(read_report(tmp_path)))


def test_a_first_report_has_its_figures_gates_and_winner() -> None:
    text = report_markdown("handbook", compare(read_report(REPORT)), "https://example.org/a report.html")
    assert "Winner: `raft`; all gates passed." in text
    assert "There is no earlier report" in text and "[The whole report](https://example.org/a%20report.html)" in text
    rows = {row[0]: row for row in tables(text)[0]}
    value = json.loads((REPORT / "report.json").read_text())["metrics"]["served.answer_contained"]
    assert rows["`served.answer_contained`"][1:3] == ["-", f"{value:.3f}"]


def test_a_comparison_says_what_is_worse_and_which_gate_failed(tmp_path: Path) -> None:
    body: dict[str, Any] = json.loads((REPORT / "report.json").read_text())
    body["gates"] = [{"metric": "served.quote_validity", "min": 1.0, "max": None}, GATE | {"passed": True}]
    rows = [
        {"id": f"q{i}", "arm": "served", "kind": "answerable", "question": "?", "reference": "!", "groups": [],
         "scores": {"answer_contained": 1.0}} for i in range(20)
    ]  # fmt: skip
    for name, right, winner in (("base", 1.0, "raft"), ("new", 0.0, "base+rag")):
        folder = tmp_path / name
        folder.mkdir()
        body["winner"], body["metrics"]["served.answer_contained"] = winner, right
        body["gates"][0] |= {"passed": right > 0, "value": right}
        (folder / "report.json").write_text(json.dumps(body))
        scored = [row | {"scores": {"answer_contained": right}} for row in rows]
        (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in scored))
    delta = compare(read_report(tmp_path / "new"), read_report(tmp_path / "base"))
    text = report_markdown("handbook", delta)
    assert "Winner: `base+rag` (before: `raft`); 1 of 2 gates did **not** pass." in text
    assert "Beyond chance: 0 better, 1 worse (served.answer_contained)." in text
    figures = {row[0]: row for row in tables(text)[0]}
    assert figures["`served.answer_contained`"][1:] == ["1.000", "0.000", "-1.000", "-1.000 to -1.000", "**worse**"]
    gates = {row[0]: row for row in tables(text)[1]}
    assert gates["`served.quote_validity`"][2:] == ["1.000", "0.000", "**failed**"]
    assert "paired over the 20 questions" in text


def test_no_text_of_a_question_or_a_document_stands_in_a_comment(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "report.json").write_text((REPORT / "report.json").read_text())
    said = {"question": "SECRET-QUESTION", "reference": "SECRET-ANSWER", "groups": ["managers"]}
    row = {"id": "q", "arm": "served", "kind": "answerable", **said, "scores": {"answer_contained": 1.0}}
    (folder / "answers.jsonl").write_text(json.dumps(row) + "\n")
    report = read_report(folder)
    assert "SECRET" not in report_markdown("handbook", compare(report, report))


def test_a_plan_against_a_record_knows_what_that_run_did(
    project: Any, compile_project: Callable[[Any], Any], tmp_path: Path
) -> None:
    from pipelines.runs.history import Recorded
    from pipelines.runs.plan import plan
    from raftops.files import write_json

    compiled = compile_project(project)
    steps = {
        step: {"key": key.digest, "parts": dict(key.parts), "status": "done", "seconds": 2.0}
        for step, key in compiled.keys.items()
    }
    steps["train"] |= {"key": "another", "parts": dict(steps["train"]["parts"]) | {"code": "older"}}
    steps["evaluate"] |= {"status": "failed"}
    record = {
        "run_id": "1", "name": "tiny", "spec": "", "started": "", "steps": steps,
        "documents": dict(compiled.inputs.documents), "examples": dict(compiled.inputs.examples),
    }  # fmt: skip
    write_json(tmp_path / "run.json", record)
    planned = {p.step: p for p in plan(project.load().assistant, compiled, Recorded(tmp_path / "run.json"))}
    assert [step for step, p in planned.items() if p.runs] == ["train", "evaluate"]
    assert planned["train"].reasons == ("code changed",) and planned["train"].seconds == 2.0


def test_a_record_of_another_kind_is_refused_with_its_place(tmp_path: Path) -> None:
    from pipelines.runs.history import Recorded
    from raftops.errors import RaftopsError

    (tmp_path / "run.json").write_text('{"steps": []}')
    with pytest.raises(RaftopsError, match=r"run\.json: not a run record"):
        Recorded(tmp_path / "run.json")
