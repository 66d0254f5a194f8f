"""What KFP's server accepts, checked before it is asked: names, documents, sizes, and no data inside the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from raftops.errors import SpecError

NAME = r"[a-z0-9][a-z0-9-]{0,127}"
FILE_BYTES = 32 * 2**20
"""Largest pipeline file."""
WORKFLOW_BYTES = 700_000
"""Largest workflow that still fits into etcd with its status; it holds the pipeline as JSON."""
INLINE_BYTES = 64 * 1024
"""Largest set of constants of one task: what is bigger is data, and data is an artifact."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_accepted(text: str) -> None:
    """Raise `SpecError` with everything that a server would refuse."""
    found = list(_problems(text))
    if found:
        raise SpecError(
            "KFP's server would refuse this pipeline: " + "; ".join(found),
            next_step="shorten the spec: what is long belongs in a file that data names",
        )


def _problems(text: str) -> Iterator[str]:
    if len(text.encode()) > FILE_BYTES:
        yield f"the file has {len(text.encode())} bytes, and {FILE_BYTES} are accepted"
        return
    documents = list(yaml.load_all(text, _LOADER))
    pipelines = [document for document in documents if "pipelineInfo" in document]
    platforms = [document for document in documents if "platforms" in document]
    if len(pipelines) != 1 or len(platforms) > 1 or len(documents) != len(pipelines) + len(platforms):
        yield f"{len(documents)} documents, where one pipeline and at most one platform are accepted"
        return
    name = pipelines[0]["pipelineInfo"]["name"]
    if not re.fullmatch(NAME, name):
        yield f"the name {name!r} does not match {NAME}"
    size = sum(len(json.dumps(document)) for document in documents)
    if size > WORKFLOW_BYTES:
        yield f"the workflow would have about {size} bytes, and {WORKFLOW_BYTES} fit"
    for task, constants in inline(pipelines[0]):
        if constants > INLINE_BYTES:
            yield f"task {task} carries {constants} bytes inline, and {INLINE_BYTES} are enough for settings"


def inline(pipeline: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Every task with the bytes of its constants."""
    groups = [pipeline["root"], *pipeline["components"].values()]
    for group in groups:
        for name, task in group.get("dag", {}).get("tasks", {}).items():
            given = task.get("inputs", {}).get("parameters", {}).values()
            constants = [value["runtimeValue"]["constant"] for value in given if "runtimeValue" in value]
            yield name, len(json.dumps(constants, ensure_ascii=False).encode())
