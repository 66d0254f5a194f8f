from __future__ import annotations

from typing import Any

import pytest
from kfp.dsl import Dataset, Metrics
from kfp.local.cache import LocalCache

from pipelines.runs.effort import settings_of
from pipelines.runs.plan import PlannedStep, plan
from pipelines.runs.record import RunRecord, StepRecord, Store
from pipelines.wiring.compile import Compiled, compile_spec
from raftops.spec.model.base import STEPS, StepName

LAST = '{"doc_id": "managers/pay.md"}\n'
"""Documents of the last run here: the rule about this one was not mistyped."""
FIGURES = {"index": {"rows": 1200.0}, "train": {"tokens": 9000.0}}


class Past:
    """A project with runs behind it: `ran` writes what a run would have left."""

    def __init__(self, project: Any) -> None:
        self.project, self.store, self.count = project, Store(project.root / ".raftops"), 0

    def compiled(self) -> Compiled:
        return compile_spec(self.project.load())

    def plan(self) -> dict[str, PlannedStep]:
        compiled = self.compiled()
        return {p.step: p for p in plan(self.project.load().assistant, compiled, self.store)}

    def ran(self, seconds: float = 60.0) -> None:
        compiled, states = self.compiled(), {}
        for step in STEPS:
            known = self.store.result(step, compiled.keys[step].digest) is not None
            self._keep(step, compiled)
            key = compiled.keys[step]
            states[step] = StepRecord(
                key.digest, dict(key.parts), "skipped" if known else "done",
                0.0 if known else seconds, FIGURES.get(step, {}),
            )  # fmt: skip
        self.count += 1
        documents, examples = dict(compiled.inputs.documents), dict(compiled.inputs.examples)
        record = RunRecord(f"{self.count:04}", "tiny", "s", "t", states, documents, examples)
        record.settings = settings_of(self.project.load().assistant)
        self.store.write(record)

    def _keep(self, step: StepName, compiled: Compiled) -> None:
        folder = self.store.artifacts / compiled.keys[step].digest
        folder.mkdir(parents=True, exist_ok=True)
        cache = LocalCache(str(self.store.keys))
        name = cache.compute_key(f"comp-{step}", "", [], {}, custom_cache_key=compiled.keys[step].digest)
        cache.put(name, {"made": Dataset(uri=str(folder)), "metrics": Metrics(uri=str(folder))})


@pytest.fixture
def past(project: Any) -> Past:
    return Past(project)


def running(planned: dict[str, PlannedStep]) -> set[str]:
    return {step for step, p in planned.items() if p.runs}


def test_without_a_past_every_step_runs_and_no_time_is_promised(past: Past) -> None:
    planned = past.plan()
    assert running(planned) == set(STEPS)
    assert {p.reasons for p in planned.values()} == {("never run here",)}
    assert {p.seconds for p in planned.values()} == {None}


def test_nothing_runs_again_when_nothing_changed(past: Past) -> None:
    past.ran()
    assert running(past.plan()) == set()


def test_changed_added_and_deleted_documents_are_counted(past: Past) -> None:
    past.ran()
    documents = past.project.root / "data/documents"
    (documents / "managers/pay.md").unlink()
    past.project.write(".raftops/latest/tiny/validate/accepted/documents.jsonl", LAST)
    past.project.write("data/documents/leave/annual.md", "# Annual leave\n\n31 days.\n")
    past.project.write("data/documents/leave/parental.md", "# Parental leave\n\n17 weeks.\n")
    planned = past.plan()
    assert planned["ingest"].reasons == ("document policies changed", "documents: 2 changed, 1 deleted")
    assert planned["index"].reasons == ("ingest runs",)
    assert running(planned) == set(STEPS) - {"augment", "train"}


def test_a_changed_example_names_the_examples_and_what_follows(past: Past) -> None:
    past.ran()
    past.project.examples.append({**past.project.examples[0], "id": "k9", "question": "How much leave is there?"})
    planned = past.plan()
    assert planned["augment"].reasons == ("examples: 1 added",)
    assert planned["train"].reasons == ("augment runs",)
    assert not planned["index"].runs


def test_a_changed_setting_is_named_by_its_section(past: Past) -> None:
    past.ran()
    past.project.spec["spec"]["prompt"] = {"units": 4}
    planned = past.plan()
    assert planned["augment"].reasons == ("spec.prompt changed",)
    assert set(planned["deploy"].reasons) == {"evaluate runs", "spec.prompt changed", "train runs"}


def test_a_result_that_is_gone_is_said_to_be_gone(past: Past) -> None:
    past.ran()
    (past.store.artifacts / past.compiled().keys["train"].digest).rmdir()
    planned = past.plan()
    assert running(planned) == {"train"} and planned["train"].reasons == ("its result is gone",)


def test_a_step_before_that_does_not_run_is_not_said_to_run(past: Past) -> None:
    past.ran()
    old = past.compiled().keys["index"].digest
    past.project.spec["spec"]["ingest"] = {"chunk_tokens": 100}
    past.ran()
    past.project.spec["spec"].pop("ingest")
    (past.store.artifacts / old).rmdir()
    assert past.plan()["index"].reasons == ("ingest: another result",)


def test_the_work_is_that_of_the_documents_that_changed(past: Past) -> None:
    past.ran(seconds=60.0)
    past.project.write("data/documents/leave/annual.md", "# Annual leave\n\n31 days.\n")
    planned = past.plan()
    assert planned["ingest"].work == "1 of 3 documents"
    assert planned["index"].work == "about 400 of 1,200 passages to embed"
    assert (planned["index"].seconds, planned["evaluate"].seconds) == (60.0, 60.0)
    past.ran(seconds=3.0)
    past.project.write("data/documents/leave/annual.md", "# Annual leave\n\n32 days.\n")
    assert past.plan()["index"].seconds == 20.0


def test_another_chunk_size_embeds_everything(past: Past) -> None:
    past.ran()
    past.project.spec["spec"]["ingest"] = {"chunk_tokens": 100}
    planned = past.plan()
    assert planned["ingest"].work == "3 of 3 documents"
    assert planned["index"].work == "about 1,200 of 1,200 passages to embed"


def test_the_tokens_to_train_come_from_the_last_run(past: Past) -> None:
    past.ran()
    past.project.spec["spec"]["train"]["rank"] = 8
    assert past.plan()["train"].work == "about 9,000 tokens to train"


def test_candidates_are_counted_and_multiply_the_work_and_the_time(past: Past) -> None:
    past.project.spec["spec"]["train"]["candidates"] = [{"name": "a"}, {"name": "b", "rank": 8}]
    assert past.plan()["train"].work == "2 candidates, tokens to train: known after the first run"
    del past.project.spec["spec"]["train"]["candidates"]
    past.ran(seconds=60.0)
    past.project.spec["spec"]["train"]["candidates"] = [{"name": "a"}, {"name": "b", "rank": 8}]
    train = past.plan()["train"]
    assert (train.work, train.seconds) == ("2 candidates, about 18,000 tokens to train", 120.0)
    assert "spec.train.candidates changed" in train.reasons


def test_training_work_and_time_follow_the_epochs(past: Past) -> None:
    past.ran(seconds=60.0)
    past.project.spec["spec"]["train"]["epochs"] = 2
    train = past.plan()["train"]
    assert (train.work, train.seconds) == ("about 18,000 tokens to train", 120.0)


def test_a_plan_changes_nothing(past: Past) -> None:
    past.plan()
    before = sorted(past.project.root.rglob("*"))
    past.plan()
    assert sorted(past.project.root.rglob("*")) == before
    assert not past.store.runs.exists()
