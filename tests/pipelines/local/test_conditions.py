"""A task's output in a condition is data, under every KFP that we allow (GHSA-rhjm-6347-5x33)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp.local import io
from kfp.local.orchestrator.enhanced_dag_orchestrator import ConditionEvaluator

from pipelines.local import conditions as ours
from pipelines.local.conditions import words_only
from raftops.errors import StepError

GOLDEN = Path(__file__).parents[1] / "golden" / "quickstart.yaml"
NAME = "pipelinechannel--evaluate-Output"


def conditions() -> list[str]:
    """Those of the compiled pipeline."""
    pipeline = next(yaml.safe_load_all(GOLDEN.read_text(encoding="utf-8")))
    dags = (component.get("dag", {}) for component in pipeline["components"].values())
    tasks = [task for dag in dags for task in dag.get("tasks", {}).values()]
    return [task["triggerPolicy"]["condition"] for task in tasks if "condition" in task.get("triggerPolicy", {})]


def store(value: Any) -> io.IOStore:
    made = io.IOStore()
    made.put_parent_input("evaluate-Output", value)
    made.put_task_output("evaluate", "Output", value)
    return made


@pytest.mark.parametrize(("word", "taken"), [("passed", [True, False]), ("held", [False, True])])
def test_one_of_the_two_branches_is_taken(word: str, taken: list[bool]) -> None:
    with words_only():
        assert [ConditionEvaluator.evaluate_condition(condition, store(word)) for condition in conditions()] == taken


@pytest.mark.parametrize(
    "hostile",
    [
        "' or ().__class__.__base__.__subclasses__() or '",
        "passed' or 'x",
        "held\\",
        "passed\n",
        "paßed",
        {"a": 1},
        ["passed"],
        True,
        1.0,
        None,
    ],
)
def test_what_is_no_word_takes_no_branch_and_is_never_evaluated(hostile: Any) -> None:
    for condition in conditions():
        with words_only(), pytest.raises(StepError, match="evaluate-Output is not a word of ours"):
            ConditionEvaluator.evaluate_condition(condition, store(hostile))


def test_kfp_is_as_before_when_a_run_ended() -> None:
    theirs = ConditionEvaluator.evaluate_condition
    with words_only():
        assert ConditionEvaluator.evaluate_condition is not theirs
    assert ConditionEvaluator.evaluate_condition is theirs


def test_a_kfp_that_is_mended_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "version", lambda name: "2.18.1")
    theirs = ConditionEvaluator.evaluate_condition
    with words_only():
        assert ConditionEvaluator.evaluate_condition is theirs


def test_our_conditions_compare_one_parameter_with_one_word() -> None:
    assert len(conditions()) == 2
    for condition in conditions():
        assert re.fullmatch(rf"(!\()?inputs\.parameter_values\['{NAME}'\] == 'passed'\)?", condition)
