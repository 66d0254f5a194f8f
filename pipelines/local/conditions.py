"""Conditions of a pipeline under KFP's local runner: a task's output stays data.

KFP below 2.18.1 puts the output into the condition's text and evaluates that as Python, in this process
(GHSA-rhjm-6347-5x33). Our one condition compares a word, so anything else ends the run before KFP sees it: an output
may come from a container, or from a cache that a container could write. Newer versions are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any

from pipelines.wiring.server_rules import is_vulnerable
from raftops.errors import StepError

Resolve = Callable[[str, Any], Any]
"""Name of a parameter and KFP's values to its value."""
Evaluate = Callable[[str, Any], bool]
_PARAMETER = re.compile(r"inputs\.parameter_values\['([^']+)'\]")
_WORD = re.compile(r"[A-Za-z0-9_]*")


@contextmanager
def words_only() -> Iterator[None]:
    """Let KFP's local orchestration compare words only, until the block ends."""
    if is_vulnerable(version("kfp")) is False:
        yield
        return
    evaluator = import_module("kfp.local.orchestrator.enhanced_dag_orchestrator").ConditionEvaluator
    theirs = evaluator.evaluate_condition
    evaluator.evaluate_condition = staticmethod(partial(compare, evaluator._resolve_pipeline_channel, theirs))
    try:
        yield
    finally:
        evaluator.evaluate_condition = staticmethod(theirs)


def compare(resolve: Resolve, evaluate: Evaluate, condition: str, values: Any) -> bool:
    """Whether a condition holds. Raises `StepError` where an output that it names is no word."""
    for name in _PARAMETER.findall(condition or ""):
        value = resolve(name, values)
        if not isinstance(value, str) or not _WORD.fullmatch(value):
            shown = name.removeprefix("pipelinechannel--")
            advice = "raftops run SPEC --force evaluate; if it comes again, do not trust the step's image"
            raise StepError(f"the output {shown} is not a word of ours, so no branch is taken", next_step=advice)
    return evaluate(condition, values)
