"""What chooses the evidence, from choices to the folder `evidence/` of the adapters: `judgement.json`, `evidence.json`.

The user's own examples correct the general judgement of the starter (`train.init_from`), or make one where there is no
starter. What is kept is what does better on the dev split; where there are too few examples the general one is kept,
and without both there is no folder: then the thresholds of the spec decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raftops.answer.judgement import FILE as JUDGEMENT
from raftops.answer.judgement import Judgement, judgement_in
from raftops.files import read_json, read_jsonl, write_json
from raftops.raftdata.choices import FILE as CHOICES
from raftops.release.parts import EVIDENCE, EVIDENCE_ACCOUNT
from raftops.training.judgement import LEAST_EXAMPLES, Asked, Rank, asked, fit, gain, measure, today

Metrics = dict[str, float]


@dataclass(frozen=True)
class Tried:
    """A judgement that was tried, and what it does on the dev split."""

    name: str
    judgement: Judgement
    dev: Sequence[tuple[Asked, float]]

    @property
    def gained(self) -> float:
        """Right less wrong."""
        return gain(self.dev, self.judgement.threshold)

    def as_row(self) -> dict[str, Any]:
        """For evidence.json."""
        threshold = self.judgement.threshold
        figures = measure(self.dev, threshold)
        return {"name": self.name, "threshold": threshold, "right_less_wrong": round(self.gained, 4), "dev": figures}


def train_evidence(conversations: Path, start: Path | None, adapters: Path, rank: Rank = today) -> Metrics:
    """Fit, choose and write; nothing is written where there is nothing to keep.

    `conversations` holds `choices.jsonl` and, in `augment.json`, how much of them a prompt shows; one that an earlier
    version wrote has neither. `start`: the folder of adapters to continue from.
    """
    questions = _questions(conversations, rank)
    general = judgement_in(start / EVIDENCE) if start else None
    dev = [q for q in questions if q.split == "dev"]
    judgements = {"general": general} if general else {}
    examples = sum(q.answerable for q in questions if q.split == "train")
    if examples >= LEAST_EXAMPLES:
        judgements["own"] = fit(questions, start=general)
    if not judgements:
        return {}
    tried = [Tried(n, j, [(q, j.of(q.question, q.shown)) for q in dev]) for n, j in judgements.items()]
    kept = max(tried, key=lambda one: (one.gained, one.name == "own"))
    reason = _reason(kept, tried, examples, len(dev))
    write_json(adapters / EVIDENCE / JUDGEMENT, kept.judgement.as_json())
    write_json(
        adapters / EVIDENCE / EVIDENCE_ACCOUNT,
        {
            "judgement": {"kept": kept.name, "why": reason, "tried": [one.as_row() for one in tried]},
            "examples": examples, "dev": len(dev),
        },
    )  # fmt: skip
    figures = measure(kept.dev, kept.judgement.threshold)
    return {f"judgement_{name}": value for name, value in figures.items() if name.endswith(("refusal", "declined"))}


def _questions(conversations: Path, rank: Rank) -> list[Asked]:
    if not (conversations / CHOICES).is_file():
        return []
    shown = read_json(conversations / "augment.json")["shown"]
    rows = (row for _, row in read_jsonl(conversations / CHOICES))
    return asked(rows, shown["units"], shown["evidence_tokens"], rank)


def _reason(kept: Tried, tried: Sequence[Tried], examples: int, dev: int) -> str:
    """In words, for people."""
    if len(tried) == 1:
        few = f"{examples} answerable training examples are fewer than {LEAST_EXAMPLES}"
        return few if kept.name == "general" else "there is no general one to compare with"
    other = next(one for one in tried if one is not kept)
    return f"right less wrong on {dev} questions of dev: {kept.gained:.3f}, {other.name} {other.gained:.3f}"
