"""One adapter, from conversations to a folder in the cache. The same inputs are not trained on twice."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from raftops.files import read_json, sha256_file, sha256_json, sha256_tree, write_json
from raftops.models import resolve
from raftops.progress import progress
from raftops.spec.model.base import Mark, marked
from raftops.spec.model.learning import Train
from raftops.training import ranks
from raftops.training.adapter import attach, check_start, save
from raftops.training.base import hf_folder, load_for_training, load_tokenizer, positions
from raftops.training.dataset import Row, read_rows
from raftops.training.loop import Plan, peak_memory_mib, plan, run

FOLDER = "train"
"""Of the cache."""
RESULT = "result.json"
"""Written last: an adapter without it is not finished."""
FORMAT = 3
"""Raised when the same inputs would give another adapter."""
ELSEWHERE = set(marked(Train, Mark.PLACE, Mark.SHARED, Mark.CONTENT))
"""Settings that do not change an adapter, or are part of its key by content."""


@dataclass(frozen=True)
class Base:
    """The base model as training needs it."""

    source: str
    """As the spec names it."""
    digest: str
    folder: Path
    """A Hugging Face folder."""


@dataclass(frozen=True)
class Adapter:
    """A finished adapter in the cache."""

    folder: Path
    digest: str
    """Hash of its files."""
    history: list[dict[str, float]]
    """Step, loss, learning_rate and tokens of each step."""
    figures: dict[str, Any]
    """steps, tokens, seconds, tokens_per_second, peak_memory_mib, conversations, padding, init_from."""


@dataclass(frozen=True)
class Job:
    """One adapter to train."""

    name: str
    conversations: Path
    work: Path
    """Folder below the cache, named after the key."""
    start: Path | None
    """Adapter to continue from."""
    start_digest: str
    rows: list[Row]
    plan: Plan
    candidate: str = ""
    """Name of the settings, where several are tried."""

    @property
    def label(self) -> str:
        """Its name in progress lines."""
        return f"{self.name} ({self.candidate})" if self.candidate else self.name


def find_base(source: str, cache: Path) -> Base:
    """The base model, as a Hugging Face folder."""
    model = resolve(source, cache)
    return Base(source, model.digest, hf_folder(model, cache))


def prepare_all(config: Train, base: str, conversations: Path, cache: Path) -> tuple[Base, list[Job]]:
    """The base model in the cache, and one job for each adapter that the spec asks for."""
    source = find_base(base, cache)
    files = [(name, conversations / f"{name}.jsonl") for name in adapter_names(config)]
    return source, [prepare(name, file, source, config, cache) for name, file in files]


def adapter_names(config: Train) -> list[str]:
    """The adapters that the spec asks for."""
    return ["raft", "plain"] if config.plain else ["raft"]


def kept(start: Path, config: Train) -> Adapter:
    """The adapter of a folder as it is, where there is nothing to train it on."""
    check_start(start, config)
    digest = sha256_tree(start)
    figures = {
        "conversations": 0, "steps": 0, "tokens": 0, "padding": 0.0, "seconds": 0.0, "tokens_per_second": 0.0,
        "peak_memory_mib": 0.0, "init_from": digest,
    }  # fmt: skip
    return Adapter(start, digest, [], figures)


def prepare(name: str, conversations: Path, base: Base, config: Train, cache: Path) -> Job:
    """Read and check everything that one adapter needs, before anything is spent."""
    rows = read_rows(conversations, load_tokenizer(base.folder), longest(base, config))
    return _job(Job(name, conversations, cache, None, "", rows, plan(rows, config)), base, config, cache)


def resettled(job: Job, base: Base, config: Train, cache: Path, candidate: str = "") -> Job:
    """The same adapter from the same rows with other settings, the name of a candidate among them."""
    return _job(replace(job, plan=plan(job.rows, config), candidate=candidate), base, config, cache)


def _job(job: Job, base: Base, config: Train, cache: Path) -> Job:
    """The job, with the folder of the cache that its rows and settings stand for."""
    start = Path(config.init_from) / job.name if config.init_from else None
    if start:
        check_start(start, config)
    start_digest = sha256_tree(start) if start else ""
    settings = config.model_dump(mode="json", exclude=ELSEWHERE)
    key = sha256_json([FORMAT, job.name, settings, base.digest, sha256_file(job.conversations), start_digest])[:32]
    return replace(job, work=cache / FOLDER / key, start=start, start_digest=start_digest)


def longest(base: Base, config: Train) -> int:
    """Tokens of the longest conversation that may be trained on."""
    return min(config.sequence_tokens, positions(base.folder))


def tune(job: Job, base: Base, config: Train, done: int, total: int) -> Adapter:
    """The adapter, trained or from the cache; `done` of `total` steps were made before, for progress."""
    make(job, base, config, done, total)
    result = read_json(job.work / RESULT)
    folder = job.work / "adapter"
    return Adapter(folder, sha256_tree(folder), result["history"], result["figures"])


def make(job: Job, base: Base, config: Train, done: int, total: int) -> None:
    """Train the adapter if the cache does not have it, together with the other processes if there are any."""
    cached = (job.work / RESULT).is_file()
    ranks.wait()  # all look before one of them writes
    if cached:
        return

    def on_step(step: int, _steps: int, loss: float) -> None:
        progress("train", done + step, total, f"{job.label} loss {loss:.3f}")

    progress("train", done, total, f"{job.label}: loading the base model")
    model = attach(load_for_training(base.folder, config.method), config, job.start)
    checkpoints = job.work / "checkpoints"
    trained = run(model, load_tokenizer(base.folder), job.plan, config, checkpoints, on_step)
    if ranks.is_first():
        save(model, job.work / "adapter", base.source, config.method)
        figures = {
            "conversations": len(job.rows),
            "steps": job.plan.steps,
            "tokens": job.plan.tokens,
            "padding": round(job.plan.padding, 4),
            "seconds": round(trained.seconds, 2),
            "tokens_per_second": round(trained.tokens / max(trained.seconds, 1e-9), 1),
            "peak_memory_mib": round(peak_memory_mib(), 1),
            "final_loss": final_loss(trained.history),
            "init_from": job.start_digest or None,
        }
        write_json(job.work / RESULT, {"history": trained.history, "figures": figures})
        shutil.rmtree(checkpoints, ignore_errors=True)
    ranks.wait()


def final_loss(history: list[dict[str, float]]) -> float:
    """Mean loss of the last tenth of the steps: one batch alone is noise."""
    last = history[-max(1, len(history) // 10) :]
    return round(sum(entry["loss"] for entry in last) / len(last), 4)
