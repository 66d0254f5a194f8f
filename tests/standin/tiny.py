"""A compiled pipeline of our seven steps, small enough to read: no work in it."""

from __future__ import annotations

import copy
from typing import Any

import yaml

from raftops.spec.model.base import STEPS


def pipeline(**parameters: str) -> dict[str, Any]:
    """Seven steps in a row; parameters of the pipeline by name and type."""
    tasks: dict[str, Any] = {}
    for before, step in zip(("", *STEPS), STEPS, strict=False):
        tasks[step] = {
            "cachingOptions": {"enableCache": True, "cacheKey": f"key of {step}"},
            "componentRef": {"name": f"comp-{step}"}, "taskInfo": {"name": step},
        } | ({"dependentTasks": [before]} if before else {})  # fmt: skip
    inputs = {"inputDefinitions": {"parameters": {n: {"parameterType": t} for n, t in parameters.items()}}}
    return copy.deepcopy({
        "pipelineInfo": {"name": "tiny"}, "schemaVersion": "2.1.0", "sdkVersion": "kfp-2.17.0",
        "components": {f"comp-{step}": {"executorLabel": f"exec-{step}"} for step in STEPS},
        "deploymentSpec": {"executors": {f"exec-{step}": {"container": {"image": "x"}} for step in STEPS}},
        "root": {"dag": {"tasks": tasks}} | (inputs if parameters else {}),
    })  # fmt: skip


def compiled(**parameters: str) -> str:
    """The same as a file."""
    return yaml.safe_dump(pipeline(**parameters))


DONE = [{"run": "RUNNING", STEPS[0]: "RUNNING"}] + [
    {step: "SUCCEEDED"} | ({STEPS[n + 1]: "RUNNING"} if n < len(STEPS) - 1 else {"run": "SUCCEEDED"})
    for n, step in enumerate(STEPS)
]  # fmt: skip
"""A script in which every step ends well."""
