"""Document retrieval on the 18F handbook: every question of its headings, against BM25 alone and dense alone.

    python benchmarks/prepare_18f.py ../shared/data/handbooks/18f-handbook
    python benchmarks/handbook_18f.py

Runs validate, ingest and index of specs/18f.yaml as plain functions, no training. One JSON line per figure.
Published BM25 of this set: hit@1 0.400, hit@10 0.807 (whole documents; here the best passage stands for its document).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean

from raftops.evaluation.ranking import Weighted
from raftops.files import read_jsonl
from raftops.retrieval.hybrid import open_index
from raftops.spec.load import load_spec
from raftops.steps.index import index
from raftops.steps.ingest import ingest
from raftops.steps.validate import validate

OUT = Path("build/18f")
DEPTH = 50


def main() -> None:
    """Build, search, print."""
    if not (OUT / "examples.jsonl").is_file():
        sys.exit("build/18f/examples.jsonl is missing: run benchmarks/prepare_18f.py with the handbook's folder")
    assistant = load_spec(Path("specs/18f.yaml")).assistant
    spec, cache = assistant.spec, Path(assistant.spec.platform.store) / "cache"
    validate(spec.validate_, spec.data, OUT / "accepted", OUT / "report")
    ingest(spec.ingest, spec.models.embedder, OUT / "accepted", OUT / "passages", cache)
    source = OUT / "passages", OUT / "built", cache
    index(spec.index, spec.models.embedder, spec.platform.milvus, assistant.name, *source)
    examples = [row for _, row in read_jsonl(OUT / "accepted" / "examples.jsonl")]
    with open_index(OUT / "built", spec.prompt.dense_share) as library:
        for name, share in (("bm25", 0.0), ("dense", 1.0), ("hybrid", spec.prompt.dense_share)):
            searcher = Weighted(library, share)
            ranks = [_rank(searcher, row) for row in examples]
            for k in (1, 10):
                value = mean(rank <= k for rank in ranks)
                print(json.dumps({"figure": f"18f.{name}.hit@{k}", "value": round(value, 3), "n": len(ranks)}))


def _rank(searcher: Weighted, row: dict[str, object]) -> int:
    """Rank of the gold document, from 1; beyond the depth if it was not found."""
    evidence = row["evidence"]
    assert isinstance(evidence, list)  # as `validate` wrote it
    gold = evidence[0]["doc_id"]
    hits = searcher.search(str(row["question"]), frozenset({"open"}), DEPTH)
    found = list(dict.fromkeys(hit.passage.doc_id for hit in hits))
    return found.index(gold) + 1 if gold in found else DEPTH + 1


if __name__ == "__main__":
    main()
