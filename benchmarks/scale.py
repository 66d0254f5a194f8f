"""What was measured about size, and how it grows: the two tables of docs/scale.md.

    python -m benchmarks.scale                                   the tables
    python -m benchmarks.scale --write docs/scale.md             the tables, into the document
    python -m benchmarks.scale --measure passages.parquet        what a passage weighs, one JSON line per figure

A law is one measured figure times a size. Prices and GPUs are not here: `raftops plan --on kubeflow` counts with yours.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from raftops.files import write_text


@dataclass(frozen=True)
class Figure:
    """A number that was measured, and where it is from."""

    value: float
    unit: str
    source: str


SCALE = "python -m benchmarks.scale --measure .raftops/latest/handbook/ingest/passages/passages.parquet"
MEASURED = {
    "embed_rate": Figure(52, "passages/s on 2 CPU cores", "OpenVINO bf16, 200-token passages (docs/LOG.md, scale)"),
    "exact_hybrid": Figure(0.00021, "ms a passage, hybrid query", "20.8 ms at 100,000, python -m benchmarks.exact"),
    "exact_disk": Figure(2.7, "kB per passage", "270 MB of arrays at 100,000, python -m benchmarks.exact"),
    "lite_memory": Figure(27, "kB per passage", "Milvus Lite, 2.7 GB at 100,000 rows (docs/LOG.md, scale)"),
    "text": Figure(1084.7, "bytes of a stored row without vectors", SCALE),
    "terms": Figure(34.1, "distinct BM25 terms of a passage", SCALE),
    "cpu_tokens": Figure(180, "training tokens/s, 135M, LoRA bf16, 2 cores", "docs/LOG.md, scale"),
    "answer": Figure(
        1.085, "s per served answer, 135M, 2 cores", "docs/handbook-report/report.json: metrics/served.seconds"
    ),
}  # fmt: skip
DIMENSIONS, LINKS = 384, 16
"""Of the sample's embedder, and of a node of an HNSW graph on level 0 (twice as many)."""
SIZES = (10_000, 100_000, 1_000_000)
"""The middle one is the largest that was run."""
EXACT_PASSAGES = 100_000
"""The largest index that was searched in one process."""


def of(name: str) -> float:
    """A measured value."""
    return MEASURED[name].value


def graph_bytes() -> float:
    """Memory of one passage on a server: HNSW keeps floats and links, BM25 an id and a weight of each distinct term."""
    return DIMENSIONS * 4 + 2 * LINKS * 4 + of("terms") * 8


def law_rows() -> Iterator[tuple[str, ...]]:
    """One row a law: what grows, with what, and what that is at each size."""
    text, vector = of("text"), DIMENSIONS * 4
    for what, law, a_passage, shown in (
        ("embedding everything, 2 cores", "passages / 52 a second; shards divide it", 1 / of("embed_rate"), _time),
        ("a hybrid query in the process", "0.00021 ms a passage: every row is compared", of("exact_hybrid"), _ms),
        ("arrays that it maps", "2.7 kB a passage", of("exact_disk") * 1e3, _size),
        ("memory of Milvus Lite, while it is filled", "27 kB a passage, at most", of("lite_memory") * 1e3, _size),
        ("stored: text and vectors", "1,085 bytes and 384 floats a passage", text + vector, _size),
        ("memory of a server: HNSW and BM25", "384 floats, 32 links, 34 terms a passage", graph_bytes(), _size),
        ("memory of a server with the rows' text", "the same and 1,085 bytes", graph_bytes() + text, _size),
    ):
        yield (what, law, *(shown(a_passage * size) for size in SIZES))


def tables() -> dict[str, str]:
    """Both tables of the document, as Markdown, by name."""
    figures = ((f"{figure.value:,.4g}", figure.unit, figure.source) for figure in MEASURED.values())
    sizes = [f"{size:,} passages" for size in SIZES]
    return {
        "measured": _markdown(("figure", "unit", "from"), figures),
        "laws": _markdown(("what", "grows by", *sizes), law_rows()),
    }


def _markdown(columns: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def filled(document: str) -> str:
    """The document with every table as this script prints it."""
    for name, table in tables().items():
        mark = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if len(mark.findall(document)) != 1:
            raise SystemExit(f"the document has {len(mark.findall(document))} places for the table {name}")
        document = mark.sub(rf"\g<1>{table}\n\g<2>", document)
    return document


def _size(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def measure(passages: Path) -> Iterator[dict[str, object]]:
    """What a passage weighs, by our own rows and our own BM25."""
    from raftops.retrieval.bm25 import terms  # noqa: PLC0415  the tables need neither a stemmer nor pyarrow
    from raftops.retrieval.rows import read_passages, row_of, searched_text  # noqa: PLC0415

    count = size = distinct = 0
    for batch in read_passages(passages):
        for passage in batch:
            count += 1
            size += len(json.dumps(row_of(passage), ensure_ascii=False).encode())
            distinct += len(set(terms(searched_text(passage), "english")))
    yield {"figure": "passages", "value": count}
    yield {"figure": "text", "value": round(size / count, 1)}
    yield {"figure": "terms", "value": round(distinct / count, 1)}


def main() -> None:
    """Print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--measure", type=Path)
    options = parser.parse_args()
    if options.measure:
        for line in measure(options.measure):
            print(json.dumps(line))
    elif options.write:
        write_text(options.write, filled(options.write.read_text(encoding="utf-8")))
    else:
        sys.stdout.write("\n\n".join(tables().values()) + "\n")


if __name__ == "__main__":
    main()
