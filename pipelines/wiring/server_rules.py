"""What KFP's server accepts, checked before it is asked: names, documents, sizes, and no data inside the file.

Also which versions of Kubeflow Pipelines have published vulnerabilities: one line of versions for SDK and server. Knows
the newest advisories that concern us and no others; it asks no database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
FIXED = (2, 18, 1)
"""Fixes, of the SDK, the evaluation of outputs as Python by the local runner (GHSA-rhjm-6347-5x33); of servers, what
`SERVERS` says."""
SERVERS = (
    "published advisories about tenants' metadata (GHSA-j53r-x5f5-j4hr) and visualizations of other namespaces, "
    "https://github.com/kubeflow/pipelines/releases/tag/2.18.1"
)
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(.*)")


def check_accepted(pipeline: Mapping[str, Any], platform: Mapping[str, Any], text: str) -> None:
    """Raise `SpecError` with everything that a server would refuse of a compiled pipeline; `text`: its file."""
    problems = []
    if (size := len(text.encode())) > FILE_BYTES:
        problems.append(f"the file has {size} bytes, and {FILE_BYTES} are accepted")
    name = pipeline["pipelineInfo"]["name"]
    if not re.fullmatch(NAME, name):
        problems.append(f"the name {name!r} does not match {NAME}")
    workflow = sum(len(json.dumps(document)) for document in (pipeline, platform))
    if workflow > WORKFLOW_BYTES:
        problems.append(f"the workflow would have about {workflow} bytes, and {WORKFLOW_BYTES} fit")
    for task, constants in inline(pipeline):
        if constants > INLINE_BYTES:
            problems.append(f"task {task} carries {constants} bytes inline, and {INLINE_BYTES} are enough for settings")
    if problems:
        raise SpecError(
            "KFP's server would refuse this pipeline: " + "; ".join(problems),
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


def inline(pipeline: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Every task with the bytes of its constants, always in one order: protobuf's maps come in any."""
    groups = [pipeline["root"], *(component for _, component in sorted(pipeline["components"].items()))]
    for group in groups:
        for name, task in sorted(group.get("dag", {}).get("tasks", {}).items()):
            given = task.get("inputs", {}).get("parameters", {}).values()
            constants = [value["runtimeValue"]["constant"] for value in given if "runtimeValue" in value]
            yield name, len(json.dumps(constants, ensure_ascii=False).encode())


def is_vulnerable(version: str) -> bool | None:
    """Whether a version is older than the fixes; None where the text is no version."""
    match = _VERSION.fullmatch(version.strip())
    if match is None:
        return None
    number, rest = tuple(map(int, match.groups()[:3])), match[4]
    # 2.18.1-rc.1 and 2.18.1rc1 come before 2.18.1; a distribution's 2.18.1-r4 and 2.18.1+build after it
    return number < FIXED or (number == FIXED and re.match(r"[-.]?(rc|a|b|alpha|beta|dev)[\d.-]*", rest) is not None)
