"""Spec to Kubeflow IR YAML: the same bytes each time. Does not run anything."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kfp import compiler

from pipelines.code import Code
from pipelines.inputs import Inputs, read_inputs
from pipelines.keys import Key, step_keys
from pipelines.provenance import Provenance, provenance
from pipelines.raft import raft
from pipelines.server_rules import check_accepted, check_plain
from pipelines.source import Sources, sources
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
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pipeline.yaml")
        compiler.Compiler().compile(pipeline, path)
        return Path(path).read_text(encoding="utf-8")


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
