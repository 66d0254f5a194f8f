"""Conversations to adapters and served weights, by QLoRA. Continues after a kill; does not judge what was learned.

The step in one task is `train`. Its work can be shared out: `train_plain` and `train_candidate` make one adapter each
on a machine of their own; `train_beside` and `train_choose` take it, and write what `train` alone would have written.
All meet in the cache, where an adapter's folder is named after everything that the adapter depends on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from raftops.errors import StepError
from raftops.files import read_jsonl, write_json, write_jsonl
from raftops.progress import progress
from raftops.spec.model.learning import Candidate, Train
from raftops.training.base import load_tokenizer
from raftops.training.candidates import Dev, Trials, try_all, try_one
from raftops.training.curves import write_curves
from raftops.training.evidence import Choosing, train_evidence
from raftops.training.handing import give_out, relink, take_in
from raftops.training.loop import set_threads
from raftops.training.served import served_gguf, why_not
from raftops.training.tune import (
    RESULT,
    Adapter,
    Base,
    Job,
    adapter_names,
    find_base,
    kept,
    prepare,
    prepare_all,
    resettled,
    tune,
)

Metrics = dict[str, float]
ON_NODES = "raftops.cluster.train_job:train_on_nodes"
"""By name: Kubernetes' client is loaded only where there are nodes, and where it is trained is no part of the key."""


@dataclass(frozen=True)
class Training:
    """What is to be trained, on what, and where adapters are kept between runs."""

    config: Train
    base: str
    """The base model, as the spec names it."""
    conversations: Path
    cache: Path
    cluster: Mapping[str, Any] | None = None
    """Where the nodes are (`raftops.cluster.train_job.Nodes`), if the spec asks for several."""
    embedder: str = ""
    """The encoder that a re-ranker stands on, as the spec names it."""


def train(work: Training, adapters: Path) -> Metrics:
    """Train `raft` and, if the spec asks, `plain`; write adapters, tokenizer, served weights, loss and figures.

    Without conversations nothing is trained: the adapters to continue from, if there are any, go on as they are.
    Several nodes fill the cache, and this goes on from there. Candidates are all trained; the one with the lowest loss
    on the dev split becomes `raft`, and `plain` has its settings.
    """
    inputs = _prepare(work)
    if work.cluster and not all((job.work / RESULT).is_file() for job in inputs.jobs):
        module, _, name = ON_NODES.partition(":")
        getattr(import_module(module), name)(work.config, work.base, inputs.jobs, work.cache, work.cluster)
    return _finish(work, inputs, Trials(try_all(work.config, inputs.base, inputs.jobs, work.cache)), adapters)


def train_beside(work: Training, plain: Path, adapters: Path) -> Metrics:
    """`train`, where `train_plain` made the plain adapter. One made of other conversations or settings is not taken."""
    return _finish(work, _prepare(work, [plain]), Trials(), adapters)


def train_choose(work: Training, parts: Sequence[Path], adapters: Path) -> Metrics:
    """`train`, where `train_candidate` made each candidate: choose one of them, and train `plain` with its settings.

    Raises:
        StepError: `parts` lack a candidate.
    """
    inputs = _prepare(work, parts)
    tried = try_all(work.config, inputs.base, inputs.jobs, work.cache, elsewhere=True)
    return _finish(work, inputs, Trials(tried), adapters)


def train_candidate(work: Training, candidate: Candidate, part: Path) -> Metrics:
    """Train `raft` with the settings of one candidate and measure it on the dev split; `part` is for `train_choose`."""
    began = time.monotonic()
    set_threads(work.config.threads)
    settings, base = work.config.tried(candidate), find_base(work.base, work.cache)
    job = prepare("raft", work.conversations / "raft.jsonl", base, settings, work.cache)
    job = replace(job, candidate=candidate.name)
    dev = Dev.read(work.conversations, base, settings)
    tried = try_one(candidate, job, base, settings, dev, (0, job.plan.steps))
    give_out(job, part)
    return _totals({"raft": tried.adapter}, (), began) | tried.metrics()


def train_plain(work: Training, part: Path) -> Metrics:
    """Train `plain` alone, from what `augment_plain` wrote; `part` is for `train_beside`."""
    began = time.monotonic()
    set_threads(work.config.threads)
    base = find_base(work.base, work.cache)
    job = prepare("plain", work.conversations / "plain.jsonl", base, work.config, work.cache)
    adapter = tune(job, base, work.config, 0, job.plan.steps)
    give_out(job, part)
    return _totals({"plain": adapter}, (), began)


@dataclass(frozen=True)
class _Inputs:
    """Everything that a training reads, checked before anything is spent."""

    began: float
    base: Base
    jobs: list[Job]
    """The adapters to train, `raft` first; where there are candidates, with the settings of the first."""
    sources: list[dict[str, Any]]
    """Rows of `sources.jsonl`: the documents behind each answer that is trained in."""


def _prepare(work: Training, parts: Sequence[Path] = ()) -> _Inputs:
    """Read and check the inputs; `parts`, what tasks on other machines made, go into the cache."""
    began = time.monotonic()
    config = work.config
    set_threads(config.threads)
    take_in(parts, work.cache)
    settings = config.tried(config.candidates[0]) if config.candidates else config
    if any(read_jsonl(work.conversations / "raft.jsonl")):
        base, jobs = prepare_all(settings, work.base, work.conversations, work.cache)
    else:
        base, jobs = find_base(work.base, work.cache), []
    files = [job.conversations for job in jobs]
    if config.init_from:
        # What an adapter learned before, it still knows: its documents count as those of this training.
        files.insert(0, Path(config.init_from) / "sources.jsonl")
        if not files[0].is_file():
            step = "adapters of the train step carry it; write it by hand, a row {id, sources} per training row"
            raise StepError(f"{files[0]}: missing, so nobody can tell who may talk to these weights", next_step=step)
    return _Inputs(began, base, jobs, [row for file in files for row in _sources(file)])


def _sources(file: Path) -> list[dict[str, Any]]:
    """Which documents the answer of each row comes from; a row that does not say it is refused."""
    rows = []
    for number, row in read_jsonl(file):
        if not isinstance(row.get("sources"), list):
            raise StepError(
                f"{file}:{number}: row {row.get('id')!r} does not say which documents its answer comes from",
                next_step="add sources: a list of {doc_id, version}, empty where no document is behind the answer",
            )
        rows.append({"id": row["id"], "sources": row["sources"]})
    return rows


def _finish(work: Training, inputs: _Inputs, trials: Trials, adapters: Path) -> Metrics:
    """Train what the cache lacks, with the settings that were chosen; write everything that a release needs."""
    base, config = inputs.base, trials.settings(work.config)
    jobs = [resettled(job, base, config, work.cache) for job in inputs.jobs] if trials.tried else inputs.jobs
    done = sum(one.adapter.figures["steps"] for one in trials.lost)
    total = done + sum(job.plan.steps for job in jobs)
    tuned: dict[str, Adapter] = {}
    for job in jobs:
        tuned[job.name] = tune(job, base, config, done, total)
        done += job.plan.steps

    if not jobs and config.init_from:
        tuned = {name: kept(Path(config.init_from) / name, config) for name in adapter_names(config)}

    progress("train", max(1, total), max(1, total), "writing the weights")
    for name, adapter in tuned.items():
        for file in sorted(adapter.folder.iterdir()):
            relink(file, adapters / name / file.name)
    load_tokenizer(base.folder).save_pretrained(adapters / "tokenizer")
    write_curves(tuned, trials, adapters)
    write_jsonl(adapters / "sources.jsonl", inputs.sources)
    start = Path(config.init_from) if config.init_from else None
    places = work.embedder, work.cache, config.seed, config.threads
    evidence = train_evidence(Choosing(work.conversations, start, *places), adapters)
    not_served = why_not(base)
    if not not_served:
        for name, one in [("base", None), *tuned.items()]:
            relink(served_gguf(base, one, work.cache), adapters / "served" / f"{name}.gguf")

    metrics = _totals(tuned, [one.adapter for one in trials.lost], inputs.began) | trials.metrics() | evidence
    report: dict[str, Any] = {name: adapter.figures | {"digest": adapter.digest} for name, adapter in tuned.items()}
    report |= {
        "base": work.base,
        "base_digest": base.digest,
        "method": config.method,
        "not_served": not_served,
        "totals": metrics,
    }
    write_json(adapters / "train.json", report | trials.report())
    return metrics


def _totals(tuned: Mapping[str, Adapter], lost: Sequence[Adapter], began: float) -> Metrics:
    """Sums over all that was trained, candidates that were not chosen included; the final loss of each adapter."""
    figures = [adapter.figures for adapter in (*tuned.values(), *lost)]
    tokens = sum(f["tokens"] for f in figures)
    busy = sum(f["tokens"] / f["tokens_per_second"] for f in figures if f["tokens"])
    return {
        "tokens": float(tokens),
        "tokens_per_second": round(tokens / busy, 1) if busy else 0.0,
        "steps": float(sum(f["steps"] for f in figures)),
        "peak_memory_mib": float(max((f["peak_memory_mib"] for f in figures), default=0.0)),
        "seconds": round(time.monotonic() - began, 2),
    } | {
        f"{name}_final_loss": float(adapter.figures["final_loss"]) for name, adapter in tuned.items() if adapter.history
    }
