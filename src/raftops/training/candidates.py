"""Several settings tried: an adapter for each, its loss on the dev split, and the one that is chosen.

A candidate is trained and measured here or by a task of its own; what it leaves in the cache is the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from raftops.errors import StepError
from raftops.files import read_json, sha256_file, write_json
from raftops.progress import progress
from raftops.spec.model.learning import Candidate, Train
from raftops.training.answer_loss import answer_loss, free_memory
from raftops.training.base import load_tokenizer
from raftops.training.dataset import Row, read_rows
from raftops.training.tune import RESULT, Adapter, Base, Job, longest, resettled, tune

DEV = "dev.jsonl"
"""Conversations that nobody trains on."""
MEASURED = "dev.json"
"""Beside an adapter in the cache: its loss on them."""
FORMAT = 1
"""Raised when the same conversations would give another loss."""


@dataclass(frozen=True)
class Dev:
    """The conversations that candidates are measured on."""

    rows: list[Row]
    digest: str

    @classmethod
    def read(cls, conversations: Path, base: Base, config: Train) -> Dev:
        """The dev split's conversations, tokenised as those for training are."""
        path = conversations / DEV
        return cls(read_rows(path, load_tokenizer(base.folder), longest(base, config)), sha256_file(path))


@dataclass(frozen=True)
class Tried:
    """A candidate that was trained and measured."""

    candidate: Candidate
    adapter: Adapter
    loss: float | None
    """On the answers of the dev split, nats per token; None where it is not finite: the training diverged."""
    loss_seconds: float

    @property
    def label(self) -> str:
        """Its name in the legend of `loss.svg`."""
        loss = "diverged" if self.loss is None else f"dev loss {self.loss:.3f}"
        return f"raft, {self.candidate.name}: {loss}, {self.adapter.figures['seconds']:.0f} s"

    def metrics(self) -> dict[str, float]:
        """Its loss under its name, if it has one."""
        return {} if self.loss is None else {f"dev_loss_{self.candidate.name}": self.loss}

    def as_row(self, chosen: bool) -> dict[str, Any]:
        """Its row in `train.json`."""
        figures, settings = self.adapter.figures, self.candidate.model_dump(mode="json", exclude_none=True)
        return figures | {
            "name": settings.pop("name"), "settings": settings, "dev_loss": self.loss,
            "dev_seconds": self.loss_seconds, "digest": self.adapter.digest, "chosen": chosen,
        }  # fmt: skip


@dataclass(frozen=True)
class Trials:
    """The candidates of a step, and which of them is chosen; empty where the spec names none."""

    tried: Sequence[Tried] = ()

    @cached_property
    def chosen(self) -> Tried:
        """The one that becomes `raft`."""
        return choose(self.tried)

    @property
    def lost(self) -> list[Tried]:
        """All the others."""
        return [one for one in self.tried if one is not self.chosen]

    def settings(self, config: Train) -> Train:
        """The settings of the chosen candidate, or those of the spec where there is none."""
        return config.tried(self.chosen.candidate) if self.tried else config

    def report(self) -> dict[str, Any]:
        """For train.json."""
        rows = [one.as_row(one is self.chosen) for one in self.tried]
        return {"candidates": rows, "chosen": self.chosen.candidate.name} if rows else {}

    def metrics(self) -> dict[str, float]:
        """The loss of each on the dev split, and that of the chosen one."""
        each = {name: loss for one in self.tried for name, loss in one.metrics().items()}
        return each | {"raft_dev_loss": self.chosen.loss or 0.0} if self.tried else {}


def try_one(candidate: Candidate, job: Job, base: Base, config: Train, dev: Dev, spent: tuple[int, int]) -> Tried:
    """Train a candidate and measure it, or take both from the cache; `spent`: steps done before, and of all."""
    adapter = tune(job, base, config.tried(candidate), *spent)
    free_memory()
    path = job.work / MEASURED
    if not _is_measured(path, dev):
        progress("train", spent[0] + job.plan.steps, spent[1], f"{job.label}: loss on {len(dev.rows)} of the dev split")
        began = time.perf_counter()
        loss = answer_loss(base.folder, config.method, adapter.folder, dev.rows)
        finite = round(loss, 6) if math.isfinite(loss) else None  # JSON has no number for a loss that diverged
        seconds = round(time.perf_counter() - began, 2)
        write_json(path, {"format": FORMAT, "conversations": dev.digest, "loss": finite, "seconds": seconds})
    measured = read_json(path)
    return Tried(candidate, adapter, measured["loss"], measured["seconds"])


def _is_measured(path: Path, dev: Dev) -> bool:
    measured = read_json(path) if path.is_file() else {}
    return (measured.get("format"), measured.get("conversations")) == (FORMAT, dev.digest)


def try_all(config: Train, base: Base, jobs: Sequence[Job], cache: Path, elsewhere: bool = False) -> list[Tried]:
    """Every candidate of a spec, in its order; `jobs`: the adapters to train, raft first, under any settings.

    Raises:
        StepError: tasks `elsewhere` trained them, and one is not in the cache. It is not trained here.
    """
    if not config.candidates:
        return []
    raft, *others = jobs
    dev = Dev.read(raft.conversations.parent, base, config)
    pending = [(one, resettled(raft, base, config.tried(one), cache, one.name)) for one in config.candidates]
    total = sum(job.plan.steps for job in (*(job for _, job in pending), *others))
    done, tried = 0, []
    for candidate, job in pending:
        if elsewhere and not ((job.work / RESULT).is_file() and _is_measured(job.work / MEASURED, dev)):
            step = "run the train step again; what the other candidates made is kept"
            raise StepError(f"no task trained the candidate {candidate.name}", next_step=step)
        tried.append(try_one(candidate, job, base, config, dev, (done, total)))
        done += job.plan.steps
    return tried


def choose(tried: Sequence[Tried]) -> Tried:
    """The candidate with the lowest loss on the dev split; of equals the first."""
    finite = [one for one in tried if one.loss is not None]
    if not finite:
        names = ", ".join(one.candidate.name for one in tried)
        step = "lower train.learning_rate, or that of the candidates"
        raise StepError(f"the training of every candidate diverged ({names}): no loss is finite", next_step=step)
    return min(finite, key=lambda one: one.loss or 0.0)
