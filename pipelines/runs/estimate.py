"""What a first run takes, before anything was measured here: minutes, memory, downloads. An estimate: say "about".

The rates are those of two quiet cores (AVX-512 with bf16) in docs/LOG.md, 2026-11-22, and of the runs of the starter
and the sample; a machine with other work takes three to five times as long. From the second run on, a plan knows the
times of this machine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipelines.runs.effort import settings_of
from pipelines.wiring.compile import Compiled
from pipelines.wiring.steps import TABLE, Unit
from raftops.models import resolve
from raftops.spec.load import LoadedSpec
from raftops.spec.model.base import STEPS, StepName

TOKENS_PER_SECOND = 100.0
"""Trained by QLoRA on the sample's base of 135 million parameters; a larger one is slower in proportion."""
SAMPLE_PARAMETERS = 135e6
CONVERSATION_TOKENS, CONVERSATIONS, REHEARSED = 270, 2, 16
"""Tokens of a conversation; conversations of an example, and those that every run has: of the sample's runs."""
PASSAGE_BYTES, PASSAGES_PER_SECOND = 350, 10.0
"""Of text, to a passage; embedded with their evidence units."""
ANSWER_SECONDS = 0.7
PROBES = 7
"""Answers that a probed question costs."""
BASE_MEMORY, PARAMETER_BYTES = 2.2 * 2**30, 8
"""Of training, beside the parameters; and of each of them: measured 3.3 GiB for the sample's base."""
TEXT_SHARE = {".pdf": 0.1, ".docx": 0.1, ".html": 0.5, ".htm": 0.5}
"""Of a file's bytes, those that are text."""
FEW_STEPS = 50
"""Optimiser steps below which an adapter that starts from nothing learns little."""


@dataclass(frozen=True)
class Estimate:
    """What a first run takes."""

    seconds: Mapping[StepName, float | None]
    """None where the size of the base is not known."""
    memory: float | None
    """Bytes at the peak, in training."""
    downloads: tuple[str, ...]
    """Models that come from the hub, whose sizes only the hub knows."""
    optimiser_steps: int
    continues: bool
    """Whether training goes on from an adapter."""

    def lines(self, steps: Collection[StepName] = STEPS) -> list[str]:
        """The estimate in words, of the steps that run."""
        times = [self.seconds[step] for step in STEPS if step in steps]
        known = sum(time for time in times if time is not None)
        minutes = f"about {max(1, round(known / 60))} min"
        if None in times:
            unknown = ", ".join(step for step in STEPS if step in steps and self.seconds[step] is None)
            minutes = f"{minutes} beside {unknown}, whose base has a size that only the hub knows"
        memory = f"{self.memory / 2**30:.1f} GiB of memory" if self.memory else "memory unknown"
        fetched = f"downloads: {', '.join(self.downloads)} (size unknown here)" if self.downloads else "no download"
        said = [f"no run was measured here yet: {minutes} on two quiet cores, {memory}, {fetched}"]
        if "train" in steps and self.optimiser_steps < FEW_STEPS and not self.continues:
            said.append(
                f"few examples: {self.optimiser_steps} optimiser steps teach an adapter little (below {FEW_STEPS}); "
                "train.init_from continues from one, more examples or epochs help"
            )
        return said


def estimate(loaded: LoadedSpec, compiled: Compiled) -> Estimate:
    """The estimate of a spec, whichever of its steps run."""
    spec, documents = loaded.assistant.spec, len(compiled.inputs.documents)
    parameters = _parameters(loaded)
    scale = parameters / SAMPLE_PARAMETERS if parameters else None
    rows, share = len(compiled.inputs.examples), spec.data.splits
    examples = min(rows * share.train, spec.augment.max_examples or rows)
    conversations = examples * CONVERSATIONS + min(REHEARSED, spec.augment.rehearsal)
    steps = settings_of(loaded.assistant).get("max_steps", conversations * spec.train.epochs / spec.train.batch_size)
    tokens = steps * spec.train.batch_size * CONVERSATION_TOKENS * max(1, len(spec.train.candidates))
    passages = sum(_text_bytes(loaded, name) for name in compiled.inputs.documents) / PASSAGE_BYTES
    work: dict[Unit, float] = {
        "documents": 0.05 * documents, "passages": passages / PASSAGES_PER_SECOND, "examples": 0.2 * examples,
        "tokens": tokens / TOKENS_PER_SECOND, "questions": _answers(loaded, rows) * ANSWER_SECONDS, "releases": 0.0,
    }  # fmt: skip
    seconds = dict[StepName, float | None]()
    for step in STEPS:
        row = TABLE[step]
        larger = scale if row.unit in ("tokens", "questions") else 1.0  # the base model is at work there
        seconds[step] = row.starts + work[row.unit] * larger if larger else None
    hub = tuple(source for source in (spec.models.base, spec.models.embedder) if source.startswith("hf://"))
    memory = BASE_MEMORY + parameters * PARAMETER_BYTES if parameters else None
    return Estimate(seconds, memory, hub, round(steps), spec.train.init_from is not None)


def _answers(loaded: LoadedSpec, rows: int) -> float:
    """Answers that the evaluation generates: of the arms, the dev split, the probes and the tests of form."""
    config, splits = loaded.assistant.spec.evaluate, loaded.assistant.spec.data.splits
    arms = sum(arm != "extract" for arm in config.arms)
    asked = min(rows * splits.test, (config.questions or rows) + (config.unanswerable or rows))
    dev = 2 * min(config.dev_questions, rows * splits.dev)
    return arms * asked + dev + PROBES * min(config.probe_questions, asked) + 3 * config.forgetting


def _text_bytes(loaded: LoadedSpec, doc_id: str) -> float:
    path = loaded.root / loaded.assistant.spec.data.documents.path / doc_id
    return path.stat().st_size * TEXT_SHARE.get(path.suffix.lower(), 1.0)


def _parameters(loaded: LoadedSpec) -> float | None:
    """Of the base, by the size of its weights; None for a model of the hub."""
    source = loaded.assistant.spec.models.base
    if source.startswith("hf://"):
        return None
    path = resolve(source, loaded.root / loaded.assistant.spec.platform.store / "cache", loaded.root).path
    if path.is_file():  # GGUF; the packaged one has 4 bits and scales: 5.8 bits a parameter with its embeddings
        return path.stat().st_size * 8 / (5.8 if "Q4" in path.name.upper() else 16)
    return sum(file.stat().st_size for file in path.glob("*.safetensors")) / 2


def quick(loaded: LoadedSpec, questions: int = 8) -> LoadedSpec:
    """A spec with a small evaluation: few questions, RAFT against its rival, no probes. Training stays as it is."""
    config = loaded.assistant.spec.evaluate
    named = {gate.metric.partition(".")[0] for gate in config.gates}
    arms = tuple(arm for arm in config.arms if arm in ("base+rag", "raft") or arm in named)
    few = {
        "questions": min(config.questions or questions, questions),
        "unanswerable": min(config.unanswerable if config.unanswerable is not None else 2, 2),
        "behaviour": min(config.behaviour if config.behaviour is not None else 2, 2),
        "forgetting": min(config.forgetting, 4), "dev_questions": min(config.dev_questions, 2 * questions),
        "probe_questions": 0, "canaries": min(config.canaries, questions), "arms": arms or config.arms,
    }  # fmt: skip
    return _measured(loaded, few)


def with_questions(loaded: LoadedSpec, questions: int) -> LoadedSpec:
    """A spec whose evaluation asks so many questions."""
    return _measured(loaded, {"questions": questions})


def _measured(loaded: LoadedSpec, changed: Mapping[str, Any]) -> LoadedSpec:
    """A spec with other settings of its evaluation; nothing else of it changes, and no other step runs again."""
    assistant = loaded.assistant
    measured = {"evaluate": assistant.spec.evaluate.model_copy(update=dict(changed))}
    return replace(loaded, assistant=assistant.model_copy(update={"spec": assistant.spec.model_copy(update=measured)}))
