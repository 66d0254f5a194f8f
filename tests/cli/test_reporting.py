from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
REPORT = Path(__file__).parents[2] / "docs" / "handbook-report"


def test_a_report_is_shown_as_text_as_json_and_as_a_comment(raftops: Run, project: Any) -> None:
    project.save()
    text = raftops("report", project.path, "--of", REPORT)
    assert text.code == 0 and "raft.answer_contained" in text.out and "winner: raft" in text.out
    found = json.loads(raftops("--output", "json", "report", project.path, "--of", REPORT).out)
    assert found["winner"] == "raft" and found["changes"][0]["before"] is None
    comment = raftops(
        "report", project.path, "--of", REPORT, "--against", REPORT, "--markdown", "--link", "https://x/y"
    )
    assert comment.out.startswith("### raftops evaluation: tiny") and "[The whole report](https://x/y)" in comment.out


def test_the_last_evaluation_of_the_store_is_what_is_shown(raftops: Run, project: Any) -> None:
    project.save()
    shutil.copytree(REPORT, project.root / ".raftops/latest/tiny/evaluate/report")
    assert raftops("report", project.path).code == 0


def test_without_an_evaluation_it_says_where_one_comes_from(raftops: Run, project: Any) -> None:
    project.save()
    ended = raftops("report", project.path)
    assert ended.code == 1 and "no evaluation" in ended.err and "raftops run" in ended.err


def test_a_plan_as_a_comment_names_gates_and_every_step(raftops: Run, project: Any) -> None:
    project.spec["spec"]["evaluate"] = {"gates": [{"metric": "served.wrong", "max": 0.5}]}
    project.save()
    ended = raftops("plan", project.path, "--markdown")
    assert ended.code == 0 and ended.out.startswith("### raftops plan: tiny")
    assert "**7 of 7 steps run**" in ended.out and "| `served.wrong` | at most 0.5 | not measured yet |" in ended.out
