"""How much there is to train, from the last run and from what the spec asks for now. An estimate: say "about"."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.store import RunRecord
from raftops.spec.model.assistant import Assistant

Settings = Mapping[str, float]


def settings_of(assistant: Assistant) -> dict[str, float]:
    """What decides the amount of training, kept in a run's record. What is not limited is left out."""
    augment, train, splits = assistant.spec.augment, assistant.spec.train, assistant.spec.data.splits
    named = {
        "max_examples": augment.max_examples, "train_share": splits.train, "epochs": train.epochs,
        "max_steps": train.max_steps, "batch_size": train.batch_size,
    }  # fmt: skip
    return {name: float(value) for name, value in named.items() if value is not None}


def growth(assistant: Assistant, rows: int, before: RunRecord) -> tuple[float, float]:
    """How many times as many (examples, trained conversations) as in an earlier run; `rows`: rows of examples now."""
    then = before.settings or settings_of(assistant)
    now = settings_of(assistant)
    examples = _examples(now, rows) / max(1.0, _examples(then, len(before.examples)))
    made = before.steps["augment"].metrics.get("conversations", 0.0) if "augment" in before.steps else 0.0
    if not made:
        return examples, examples * now["epochs"] / then["epochs"]
    return examples, _trained(now, made * examples) / max(1.0, _trained(then, made))


def _examples(settings: Settings, rows: int) -> float:
    """Examples that are used: the training share of the rows, down to the limit."""
    return min(settings.get("max_examples", float("inf")), rows * settings["train_share"])


def _trained(settings: Settings, conversations: float) -> float:
    """Conversations that are trained on, repeats counted: by epochs, or less where the steps are limited."""
    limit = settings["max_steps"] * settings["batch_size"] if "max_steps" in settings else float("inf")
    return max(1.0, min(conversations * settings["epochs"], limit))
