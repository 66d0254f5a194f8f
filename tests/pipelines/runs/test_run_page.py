"""The page of a run: what changed since the run before, in spec and data, and where each step's page is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.runs.record import RunRecord, StepRecord, Store
from pipelines.runs.run_page import keep_spec, write_page
from raftops.spec.load import load_spec

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / ".raftops")


def ran(store: Store, run_id: str, rank: int = 16, status: str = "done", **data: dict[str, str]) -> RunRecord:
    """A run of the sample spec, with another rank, that left a report and a record."""
    loaded = load_spec(ROOT / "specs" / "handbook.yaml")
    report = store.artifacts / run_id / "evaluate" / "report"
    report.mkdir(parents=True)
    (report / "report.html").write_text("<h1>report</h1>", encoding="utf-8")
    steps: Any = {
        "train": StepRecord("k", {}, "skipped", metrics={"tokens": 12345.0}),
        "evaluate": StepRecord("k", {}, "done", 61.2, {"served.right": 0.75}, {"report": str(report)}),
    }
    given = {"documents": {"a.md": "1", "b.md": "1"}, "examples": {"k1": "1"}} | data
    record = RunRecord(run_id, "handbook", "specs/handbook.yaml", "2026-01-01", steps, **given, seconds=75.0)
    record.status = status
    train = loaded.assistant.spec.train.model_copy(update={"rank": rank})
    spec = loaded.assistant.spec.model_copy(update={"train": train})
    keep_spec(store, record, loaded.assistant.model_copy(update={"spec": spec}))
    store.write(record)
    store.link(record)
    return record


def test_a_first_run_has_nothing_to_compare_with_and_every_link_leads_somewhere(store: Store) -> None:
    path = write_page(store, ran(store, "1"))
    page = path.read_text(encoding="utf-8")
    links = re.findall(r'href="([^"]+)"', page)
    assert path == store.latest / "handbook" / "index.html"
    assert "evaluate/report/report.html" in links and any(link.endswith("/run.json") for link in links)
    assert [link for link in links if not (path.parent / link).is_file() and "pipeline.yaml" not in link] == []
    assert "there is nothing to compare with" in page and "1 min 15 s, done" in page
    assert "tokens 12,345" in page and "served.right 0.75" in page


def test_a_changed_setting_and_changed_data_are_named(store: Store) -> None:
    ran(store, "1", documents={"a.md": "1", "old.md": "1"}, examples={"k1": "1"})
    ran(store, "2", rank=64, status="failed")
    last = ran(store, "3", rank=8, documents={"a.md": "2", "<new>.md": "1"}, examples={"k1": "1"})
    page = write_page(store, last).read_text(encoding="utf-8")
    assert re.search(r'class="minus">- +rank: 16<', page) and re.search(r'class="plus">\+ +rank: 8<', page)
    assert "rank: 64" not in page, "a run that failed is no yardstick"
    assert "1 new: &lt;new&gt;.md" in page and "1 changed: a.md" in page and "1 gone: old.md" in page
    assert page.partition("Examples: 1")[2].count("<p>Nothing.</p>") == 1


def test_the_same_again_says_that_nothing_changed(store: Store) -> None:
    ran(store, "1")
    page = write_page(store, ran(store, "2")).read_text(encoding="utf-8")
    assert "Nothing since run 1." in page and page.count("<p>Nothing.</p>") == 2


def test_the_spec_of_an_older_version_was_not_kept(store: Store) -> None:
    ran(store, "1")
    (store.runs / "1" / "spec.yaml").unlink()
    assert "The spec of run 1 was not kept" in write_page(store, ran(store, "2")).read_text(encoding="utf-8")
