"""How much there is to train, from the last run and from what the spec asks for now. An estimate: say "about".

Candidates are trained each by its own settings; the plain adapter, trained once, is counted as a part of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from pipelines.runs.record import RunRecord
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.learning import Train

Settings = Mapping[str, float]


def settings_of(assistant: Assistant) -> dict[str, float]:
    """What decides the amount of training, kept in a run's record. What is not limited is left out."""
    augment, train, splits = assistant.spec.augment, assistant.spec.train, assistant.spec.data.splits
    named = {"max_examples": augment.max_examples, "train_share": splits.train} | _of(train)
    for candidate in train.candidates:
        named |= {f"{candidate.name}/{name}": value for name, value in _of(train.tried(candidate)).items()}
    return {name: float(value) for name, value in named.items() if value is not None}


def _of(train: Train) -> dict[str, float | None]:
    return {"epochs": train.epochs, "max_steps": train.max_steps, "batch_size": train.batch_size}


def _each(settings: Settings) -> list[Settings]:
    """The settings of each candidate, or those of the one training where there are none."""
    candidates: dict[str, dict[str, float]] = {}
    for key, value in settings.items():
        candidate, found, name = key.partition("/")
        if found:
            candidates.setdefault(candidate, {})[name] = value
    return list(candidates.values()) or [settings]


def rounds(candidates: int, at_once: int) -> int:
    """Trainings one after the other."""
    return max(1, ceil(candidates / at_once))


def growth(assistant: Assistant, rows: int, before: RunRecord) -> tuple[float, float]:
    """How many times as many (examples, trained conversations) as in an earlier run; `rows`: rows of examples now."""
    then = before.settings or settings_of(assistant)
    now = settings_of(assistant)
    examples = _examples(now, rows) / max(1.0, _examples(then, len(before.examples)))
    made = before.steps["augment"].metrics.get("conversations", 0.0) if "augment" in before.steps else 0.0
    if not made:
        epochs = [sum(one["epochs"] for one in _each(settings)) for settings in (now, then)]
        return examples, examples * epochs[0] / epochs[1]
    return examples, _trained(now, made * examples) / max(1.0, _trained(then, made))


def _examples(settings: Settings, rows: int) -> float:
    """Examples that are used: the training share of the rows, down to the limit."""
    return min(settings.get("max_examples", float("inf")), rows * settings["train_share"])


def _trained(settings: Settings, conversations: float) -> float:
    """Conversations that are trained on, repeats and candidates counted: by epochs, or less where steps are limited."""
    trained = 0.0
    for one in _each(settings):
        limit = one["max_steps"] * one["batch_size"] if "max_steps" in one else float("inf")
        trained += min(conversations * one["epochs"], limit)
    return max(1.0, trained)
