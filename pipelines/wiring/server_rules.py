"""What KFP's server accepts, checked before it is asked: names, documents, sizes, and no data inside the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
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
_PLACEHOLDER = re.compile(
    r"\{\{(\$|=|channel:|\s*(inputs|outputs|workflow|tasks|steps|item|pod|node|retries|lastRetry)\b)"
)
"""Of KFP's compiler, its launcher, and Argo."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_accepted(text: str) -> None:
    """Raise `SpecError` with everything that a server would refuse."""
    found = list(_problems(text))
    if found:
        raise SpecError(
            "KFP's server would refuse this pipeline: " + "; ".join(found),
            next_step="shorten the spec: what is long belongs in a file that data names",
        )


def check_plain(spec: Mapping[str, Any]) -> None:
    """Raise `SpecError` where a text holds a placeholder: Kubeflow and Argo would put something else in its place."""
    for path, text in _texts(spec):
        if found := _PLACEHOLDER.search(text):
            raise SpecError(
                f"{path.removeprefix('.')}: {found[0]}... is a placeholder, which Kubeflow would replace",
                next_step="write it in other words, or put a blank between the two braces",
            )


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text below a value, with its place."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{path}.{name}")
    elif isinstance(value, Sequence):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{index}]")


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
