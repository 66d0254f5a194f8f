"""With 200 questions of one's own, imported from SQuAD's format: one run of untouched defaults, and what it answers.

No bar of rightness stands here: one document answers a question of PolicyQA in several places, few of them marked. The
figures are printed beside what the same release quotes with no model.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.journeys.policies import HANDBOOK, POLICIES, ROWS, policies, squad_rows, write_policies
from tests.journeys.stranger import arrive, environment_of_the_wheel

absent = [str(path) for path in (POLICIES, HANDBOOK / "question_headings.jsonl") if not path.is_file()]
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(bool(absent), reason=f"the data of PolicyQA is not here: {', '.join(absent)}"),
]
SHOWN = ("served.right", "served.wrong", "served.over_refusal", "extract.right")


def test_two_hundred_imported_questions_make_a_release(tmp_path: Path) -> None:
    corpus = policies()
    asked = {row["question"] for row in corpus.questions}
    rows = [qa for site in squad_rows(corpus)["data"] for part in site["paragraphs"] for qa in part["qas"]]
    assert len(rows) == ROWS and asked.isdisjoint(qa["question"] for qa in rows)
    here = arrive(environment_of_the_wheel(tmp_path / "wheel"), tmp_path / "policies")
    write_policies(here.folder, corpus)
    imported = here.raftops("examples", "import", "squad.json", "-o", "data/examples/imported.jsonl")
    assert f"{ROWS} of {ROWS} rows imported" in imported
    here.raftops("validate", "raftops.yaml")
    here.run()
    latest = here.folder / ".raftops/latest/policies"
    assert (latest / "deploy/release/release.json").is_file()
    record = json.loads(here.raftops("--output", "json", "runs", "latest"))
    figures = {name: record["steps"]["evaluate"]["metrics"][name] for name in SHOWN}
    print(json.dumps(figures))  # noqa: T201  read by whoever runs it with -s
    assert record["status"] == "done" and all(0 <= value <= 1 for value in figures.values())
