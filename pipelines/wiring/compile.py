"""Spec to Kubeflow IR YAML: the same bytes each time. Does not run anything."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from google.protobuf import json_format

from pipelines.wiring.code import Code
from pipelines.wiring.data_source import Sources, sources
from pipelines.wiring.inputs import Inputs, read_inputs
from pipelines.wiring.ir_text import ir_text
from pipelines.wiring.keys import Key, step_keys
from pipelines.wiring.provenance import Provenance, provenance
from pipelines.wiring.raft import raft
from pipelines.wiring.server_rules import check_accepted, check_plain
from raftops.spec.load import LoadedSpec
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.base import STEPS, StepName, as_json


@dataclass(frozen=True)
class Compiled:
    """A pipeline, and the identity of its steps."""

    text: str
    """KFP IR YAML."""
    keys: dict[StepName, Key]
    inputs: Inputs


def compile_spec(loaded: LoadedSpec) -> Compiled:
    """Compile a spec: hash its inputs, key its steps, write the pipeline."""
    check_plain(as_json(loaded.assistant))
    inputs = read_inputs(loaded.assistant, loaded.root)
    code = Code(loaded.root / loaded.assistant.spec.platform.store / "cache")
    keys = step_keys(loaded.assistant, inputs, code)
    code.keep()
    origin = provenance(loaded.assistant, inputs, loaded.root)
    with ThreadPoolExecutor(1) as apart:  # KFP looks through the whole call stack at each setting: here it is short
        text = apart.submit(
            _text, loaded.assistant, keys, origin, sources(loaded.assistant, inputs, loaded.root)
        ).result()
    check_accepted(text)
    return Compiled(text, keys, inputs)


def _text(assistant: Assistant, keys: Mapping[StepName, Key], origin: Provenance, found: Sources) -> str:
    pipeline = raft(assistant, keys, origin, found)
    documents = [json_format.MessageToDict(spec) for spec in (pipeline.pipeline_spec, pipeline.platform_spec)]
    for executor in documents[0]["deploymentSpec"]["executors"].values():
        shell, flags, call, program = executor["container"]["command"]
        executor["container"]["command"] = [shell, flags, _BLANKS.sub(" ", call), program]
    return ir_text(documents)


_BLANKS = re.compile(r" {2,}")
"""The SDK's call of its executor has seventy of them for each task."""


def downstream(steps: Sequence[StepName]) -> frozenset[StepName]:
    """The steps themselves and every step that reads what they make."""
    reads: dict[StepName, tuple[StepName, ...]] = {
        "validate": (), "ingest": ("validate",), "index": ("ingest",), "augment": ("validate", "index"),
        "train": ("augment",), "evaluate": ("validate", "index", "train"), "deploy": ("evaluate",),
    }  # fmt: skip
    again = set(steps)
    for step in STEPS:
        if again & set(reads[step]):
            again.add(step)
    return frozenset(again)
