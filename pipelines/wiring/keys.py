"""The identity of each step: a hash of its sections, its code and the content of its inputs.

A key is known before anything runs, on a laptop and on a cluster alike. Two dependencies are left out on purpose:
a changed document does not retrain (the report says which share of the training rows went stale), but one that is gone
does, where an example quotes it; and a changed example does not re-index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.wiring.code import Code
from pipelines.wiring.config import PLACES, SOURCES, configs
from pipelines.wiring.inputs import Inputs
from pipelines.wiring.steps import LEARNED, TABLE
from raftops.files import sha256_json
from raftops.spec.model.assistant import Assistant, Spec
from raftops.spec.model.base import STEPS, Mark, Section, StepName, marked

Keys = Mapping[StepName, "Key"]


@dataclass(frozen=True)
class Key:
    """What a step's result depends on, part by part, so that a change can be named."""

    parts: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The key itself."""
        return sha256_json(dict(self.parts))

    def without(self, part: str) -> str:
        """The key without one part and the parts of that part, for work whose arguments name them."""
        kept = {name: value for name, value in self.parts.items() if name != part and not name.startswith(f"{part}.")}
        return sha256_json(kept)

    def changed(self, before: Mapping[str, str]) -> list[str]:
        """The parts that are not as they were."""
        names = self.parts.keys() | before.keys()
        return sorted(name for name in names if self.parts.get(name) != before.get(name))


def step_keys(assistant: Assistant, inputs: Inputs, code: Code) -> dict[StepName, Key]:
    """The key of every step."""
    config, keys = configs(assistant), dict[StepName, Key]()
    content = _content(assistant, inputs)
    for step in STEPS:
        parts = {f"spec.{name}": sha256_json(value) for name, value in _sections(config[step]).items()}
        parts |= {name: content[name] for name in TABLE[step].content}
        parts |= {f"step {name}": keys[name].digest for name in TABLE[step].follows}
        keys[step] = Key(parts | {"code": code.hash_of(f"components.{step}.component")})
    return keys


def with_keys(
    config: Mapping[StepName, dict[str, Any]], digests: Mapping[StepName, str]
) -> dict[StepName, dict[str, Any]]:
    """The steps' arguments with the first digits of their keys, enough to keep those of one assistant apart.

    Servers of Kubeflow before 2.18 read no cache key: they compare a task by its arguments, its image and the ids of
    its artifacts. Code and data are in none of these, and a result of other data would be taken from the cache.
    """
    return {step: one | {"key": digests[step][:16]} for step, one in config.items()}


def _sections(config: Mapping[str, Any]) -> dict[str, Any]:
    """A step's settings as parts of its key: without what says only where, and without sources known by digest.

    Candidates are a part of their own, so that a plan can name one more of them.
    """
    sections = {name: value for name, value in config.items() if name not in PLACES | SOURCES}
    for name in sections.keys() & _WHERE.keys():
        sections[name] = {key: value for key, value in sections[name].items() if key not in _WHERE[name]}
    if "train" in sections:
        sections.pop("cluster", None)  # where nodes train together; the one of deploy is where its result is
        if "candidates" in sections["train"]:
            sections["train.candidates"] = sections["train"].pop("candidates")
    return sections


_WHERE = {
    field.alias or name: marked(field.annotation, Mark.PLACE)
    for name, field in Spec.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
"""Settings of each section that only say where, or how fast, the work is done."""


def _content(assistant: Assistant, inputs: Inputs) -> dict[str, str]:
    """The parts of keys that are not settings, by the names that the rows of the table give them."""
    spec, access = assistant.spec, inputs.access
    readable = access.readable_by_all(spec.train.audience)
    named = {
        "documents": dict(inputs.documents),
        "document policies": dict(inputs.rules),
        "examples": dict(inputs.examples),
        "access": access.model_dump(mode="json"),
        # Rules and not documents: a new document under an old rule retrains nothing, but a document that moves to a
        # policy that the audience may not read does, for the adapter may have learned it.
        "readable by the audience": [(rule.match, rule.policy in readable) for rule in access.documents],
        LEARNED: sorted(name for name in inputs.cited if inputs.rules.get(name) not in readable),
        "spec.data.documents.uri": spec.data.documents.uri,
        "spec.data.splits": spec.data.splits.model_dump(mode="json"),
        "spec.validate": spec.validate_.model_dump(mode="json"),
        "spec.ingest": spec.ingest.model_dump(mode="json"),
        "spec.index": spec.index.model_dump(mode="json"),
        "model base": inputs.models["base"],
        "model embedder": inputs.models["embedder"],
        "model init_from": inputs.models["init_from"],
    }
    return {name: sha256_json(value) for name, value in named.items()}
