from __future__ import annotations

from typing import Any

import pytest

from pipelines.runs.effort import growth, settings_of
from pipelines.runs.record import RunRecord, StepRecord


class Before:
    """A project that was trained once, on 16 examples drawn from 100, as 20 conversations."""

    def __init__(self, project: Any) -> None:
        self.project = project
        project.spec["spec"] |= {"augment": {"max_examples": 16}}
        augment = StepRecord("k", {}, "done", metrics={"conversations": 20.0, "examples": 16.0})
        rows = {str(n): "x" for n in range(100)}
        self.record = RunRecord("1", "tiny", "s", "t", {"augment": augment}, {}, rows)
        self.record.settings = settings_of(self.assistant)

    @property
    def assistant(self) -> Any:
        return self.project.load().assistant

    def growth(self, rows: int = 100, **train: Any) -> tuple[float, float]:
        self.project.spec["spec"]["train"] |= train
        return growth(self.assistant, rows, self.record)

    def examples(self, count: int | None) -> None:
        self.project.spec["spec"]["augment"] = {"max_examples": count} if count else {}


@pytest.fixture
def before(project: Any) -> Before:
    return Before(project)


def test_the_same_spec_is_the_same_work(before: Before) -> None:
    assert before.growth() == (1.0, 1.0)


def test_more_examples_are_more_work(before: Before) -> None:
    before.examples(32)
    assert before.growth() == (2.0, 2.0)


def test_no_limit_takes_the_training_share(before: Before) -> None:
    before.examples(None)
    assert before.growth() == (pytest.approx(70 / 16), pytest.approx(70 / 16))


def test_a_limit_above_what_there_is_changes_nothing_more(before: Before) -> None:
    before.examples(70)
    whole = before.growth()
    before.examples(4000)
    assert before.growth() == whole


def test_epochs_multiply_what_is_trained(before: Before) -> None:
    assert before.growth(epochs=3) == (1.0, 3.0)


def test_limited_steps_limit_what_is_trained(before: Before) -> None:
    before.examples(64)
    assert before.growth(max_steps=5, batch_size=2) == (4.0, 0.5)


def test_candidates_multiply_what_is_trained_each_by_its_own_settings(before: Before) -> None:
    candidates = [{"name": "a"}, {"name": "b", "epochs": 2}, {"name": "c", "max_steps": 2, "batch_size": 5}]
    assert before.growth(candidates=candidates) == (1.0, 1.0 + 2.0 + 0.5)


def test_one_candidate_more_is_measured_against_those_of_the_last_run(before: Before) -> None:
    candidates = [{"name": "a"}, {"name": "b", "rank": 8}]
    before.project.spec["spec"]["train"]["candidates"] = candidates
    before.record.settings = settings_of(before.assistant)
    assert before.growth(candidates=[*candidates, {"name": "c", "rank": 32}]) == (1.0, 1.5)
    before.record.steps["augment"].metrics = {}
    assert before.growth() == (1.0, 1.5)


def test_a_run_that_was_limited_is_the_base_of_one_that_is_not(before: Before) -> None:
    before.record.settings = {**before.record.settings, "max_steps": 2.0, "batch_size": 5.0}
    assert before.growth() == (1.0, 2.0)


def test_a_record_of_an_earlier_version_counts_as_this_spec(before: Before) -> None:
    before.record.settings = {}
    assert before.growth() == (1.0, 1.0)
