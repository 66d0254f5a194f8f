"""Spec to Kubeflow IR YAML: the same bytes each time. Does not run anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from pipelines.wiring.code import Code
from pipelines.wiring.data_source import sources
from pipelines.wiring.inputs import Inputs, read_inputs
from pipelines.wiring.ir_text import ir_text
from pipelines.wiring.keys import Key, step_keys
from pipelines.wiring.provenance import provenance
from pipelines.wiring.raft import raft
from pipelines.wiring.server_rules import check_accepted, check_plain
from raftops.spec.load import LoadedSpec
from raftops.spec.model.base import StepName, as_json


@dataclass(frozen=True)
class Compiled:
    """A pipeline, and the identity of its steps."""

    text: str
    """KFP IR YAML."""
    keys: dict[StepName, Key]
    inputs: Inputs
    pipeline: Mapping[str, Any]
    """What the first document of `text` says (KFP's PipelineSpec as JSON): our own YAML is never parsed again."""
    platform: Mapping[str, Any]
    """What the second one says: what only Kubernetes understands (KFP's PlatformSpec)."""


def compile_spec(loaded: LoadedSpec) -> Compiled:
    """Compile a spec: hash its inputs, key its steps, write the pipeline."""
    check_plain(as_json(loaded.assistant))
    inputs = read_inputs(loaded.assistant, loaded.root)
    code = Code(loaded.root / loaded.assistant.spec.platform.store / "cache")
    keys = step_keys(loaded.assistant, inputs, code)
    code.keep()
    origin = provenance(loaded.assistant, inputs, loaded.root)
    found = sources(loaded.assistant, inputs, loaded.root)
    with ThreadPoolExecutor(1) as apart:  # KFP looks through the whole call stack at each setting: here it is short
        built = apart.submit(raft, loaded.assistant, keys, origin, found).result()
    pipeline, platform = (json_format.MessageToDict(spec) for spec in (built.pipeline_spec, built.platform_spec))
    for executor in pipeline["deploymentSpec"]["executors"].values():
        shell, flags, call, program = executor["container"]["command"]
        # The SDK's call of its executor has seventy blanks for each task.
        executor["container"]["command"] = [shell, flags, re.sub(" {2,}", " ", call), program]
    text = ir_text([pipeline, platform])
    check_accepted(pipeline, platform, text)
    return Compiled(text, keys, inputs, pipeline, platform)
