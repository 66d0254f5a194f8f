"""Conversations to adapters and served weights, by QLoRA. Continues after a kill; does not judge what was learned."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from raftops.errors import StepError
from raftops.files import link_or_copy, read_jsonl, write_json, write_jsonl
from raftops.progress import progress
from raftops.spec.model.learning import Candidate, Train
from raftops.training.base import load_tokenizer
from raftops.training.candidates import Dev, Trials, Tried, try_all, try_one
from raftops.training.handing import give_out, take_in
from raftops.training.loop import set_threads
from raftops.training.plot import plot_loss
from raftops.training.served import served_gguf, why_not
from raftops.training.tune import RESULT, Adapter, Base, Job, find_base, prepare, prepare_all, resettled, tune

Metrics = dict[str, float]
ON_NODES = "raftops.cluster.train_job:train_on_nodes"
"""By name: Kubernetes' client is loaded only where there are nodes, and where it is trained is no part of the key."""


def train(  # noqa: PLR0913  one argument per artifact
    config: Train,
    base: str,
    conversations: Path,
    adapters: Path,
    cache: Path,
    cluster: Mapping[str, Any] | None = None,
    parts: Sequence[Path] = (),
) -> Metrics:
    """Train `raft` and, if the spec asks, `plain`; write adapters, tokenizer, served weights, loss and figures.

    Where the spec asks for several nodes, `cluster` says where they are (`raftops.cluster.train_job.Nodes`): they fill
    the cache, and this goes on from there. Where it names candidates, the one with the lowest loss on the dev split
    becomes `raft`, and `plain` has its settings. `parts`: what `train_candidate` or `train_plain` made elsewhere.
    """
    began = time.monotonic()
    set_threads(config.threads)
    take_in(parts, cache)
    first = config.tried(config.candidates[0]) if config.candidates else config
    source, jobs = prepare_all(first, base, conversations, cache)
    if cluster and not all((job.work / RESULT).is_file() for job in jobs):
        module, _, name = ON_NODES.partition(":")
        getattr(import_module(module), name)(config, source.source, jobs, cache, cluster)
    sources = _sources(config, [job.conversations for job in jobs])
    trials = Trials(try_all(config, source, jobs, cache, parts) if config.candidates else ())
    config = trials.settings(config)
    jobs = [resettled(job, source, config, cache) for job in jobs] if trials.tried else jobs
    tuned = _tune(jobs, source, config, sum(one.adapter.figures["steps"] for one in trials.lost))
    _write_adapters(tuned, source, adapters)
    _write_curves(tuned, trials, adapters)
    write_jsonl(adapters / "sources.jsonl", sources)
    reason = _write_served(tuned, source, adapters, cache)
    metrics = _metrics(tuned, trials.lost, time.monotonic() - began) | trials.metrics()
    report: dict[str, Any] = {name: adapter.figures | {"digest": adapter.digest} for name, adapter in tuned.items()}
    report |= {
        "base": base,
        "base_digest": source.digest,
        "method": config.method,
        "not_served": reason,
        "totals": metrics,
    }
    write_json(adapters / "train.json", report | trials.report())
    return metrics


def train_candidate(  # noqa: PLR0913  one argument per artifact
    config: Train, candidate: Candidate, base: str, conversations: Path, part: Path, cache: Path
) -> Metrics:
    """Train `raft` with the settings of one candidate and measure it on the dev split; `part` is for `train`."""
    began = time.monotonic()
    set_threads(config.threads)
    settings = config.tried(candidate)
    source = find_base(base, cache)
    job = prepare("raft", conversations / "raft.jsonl", source, settings, cache)
    job = replace(job, candidate=candidate.name)
    dev = Dev.read(conversations, source, settings)
    tried = try_one(candidate, job, source, settings, dev, (0, job.plan.steps))
    give_out(job, part)
    return _metrics({"raft": tried.adapter}, (), time.monotonic() - began) | tried.metrics()


def train_plain(config: Train, base: str, conversations: Path, part: Path, cache: Path) -> Metrics:
    """Train `plain` alone, from what `augment_plain` wrote; `part` is for `train`, which takes it as its own."""
    began = time.monotonic()
    set_threads(config.threads)
    source = find_base(base, cache)
    job = prepare("plain", conversations / "plain.jsonl", source, config, cache)
    adapter = tune(job, source, config, 0, job.plan.steps)
    give_out(job, part)
    return _metrics({"plain": adapter}, (), time.monotonic() - began)


def _tune(jobs: Sequence[Job], base: Base, config: Train, done: int) -> dict[str, Adapter]:
    """The adapters, in the order of the jobs; `done` steps went into candidates that do not go on."""
    total = done + sum(job.plan.steps for job in jobs)
    tuned = {}
    for job in jobs:
        tuned[job.name] = tune(job, base, config, done, total)
        done += job.plan.steps
    progress("train", total, total, "writing the weights")
    return tuned


def _write_adapters(tuned: dict[str, Adapter], base: Base, adapters: Path) -> None:
    for name, adapter in tuned.items():
        for file in sorted(adapter.folder.iterdir()):
            _place(file, adapters / name / file.name)
    load_tokenizer(base.folder).save_pretrained(adapters / "tokenizer")


def _place(file: Path, target: Path) -> None:
    """Link a file of the cache; an earlier file of that name is replaced, never written into."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    link_or_copy(str(file), str(target))


def _write_curves(tuned: dict[str, Adapter], trials: Trials, adapters: Path) -> None:
    curves = {name: adapter.history for name, adapter in tuned.items()}
    lost = {f"raft ({one.candidate.name})": one.adapter.history for one in trials.lost}
    rows = ({"adapter": name} | entry for name, history in (curves | lost).items() for entry in history)
    write_jsonl(adapters / "loss.jsonl", rows)
    candidates = {one.label: one.adapter.history for one in trials.tried}
    others = {name: history for name, history in curves.items() if name != "raft"}
    plot_loss(candidates | others if candidates else curves, adapters / "loss.png")


def _sources(config: Train, conversations: Sequence[Path]) -> list[dict[str, Any]]:
    """The documents behind each answer that is trained in, now or in the adapters that this begins from."""
    files = list(conversations)
    if config.init_from:
        files.insert(0, Path(config.init_from) / "sources.jsonl")
        if not files[0].is_file():
            step = "adapters of the train step carry it; write it by hand, a row {id, sources} per training row"
            raise StepError(f"{files[0]}: missing, so nobody can tell who may talk to these weights", next_step=step)
    return [_origin(f"{file}:{number}", row) for file in files for number, row in read_jsonl(file)]


def _origin(place: str, row: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(row.get("sources"), list):
        raise StepError(
            f"{place}: row {row.get('id')!r} does not say which documents its answer comes from",
            next_step="add sources: a list of {doc_id, version}, empty where no document is behind the answer",
        )
    return {"id": row["id"], "sources": row["sources"]}


def _write_served(tuned: dict[str, Adapter], base: Base, adapters: Path, cache: Path) -> str:
    """One GGUF for the base and each adapter, or the reason why this base has none."""
    reason = why_not(base)
    if not reason:
        for name, adapter in [("base", None), *tuned.items()]:
            _place(served_gguf(base, adapter, cache), adapters / "served" / f"{name}.gguf")
    return reason


def _metrics(tuned: dict[str, Adapter], lost: Sequence[Tried], seconds: float) -> Metrics:
    """Totals, those of candidates that do not go on included; the final loss of each adapter."""
    figures = [adapter.figures for adapter in (*tuned.values(), *(one.adapter for one in lost))]
    tokens, busy = sum(f["tokens"] for f in figures), sum(f["tokens"] / f["tokens_per_second"] for f in figures)
    return {
        "tokens": float(tokens),
        "tokens_per_second": round(tokens / busy, 1),
        "steps": float(sum(f["steps"] for f in figures)),
        "peak_memory_mib": float(max(f["peak_memory_mib"] for f in figures)),
        "seconds": round(seconds, 2),
    } | {f"{name}_final_loss": float(adapter.figures["final_loss"]) for name, adapter in tuned.items()}
