"""What a size costs: passages from ten thousand to a billion, GPUs from one to 64. The tables of docs/scale.md.

    python -m benchmarks.scale                                   the tables
    python -m benchmarks.scale --write docs/scale.md             the tables, into the document
    python -m benchmarks.scale --measure passages.parquet        what a passage weighs, one JSON line per figure

Arithmetic over figures that were measured (MEASURED, each with its source) and values that were not (STATED). No table
holds a number that is neither.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from raftops.files import write_text


@dataclass(frozen=True)
class Figure:
    """A number, and where it is from."""

    value: float
    unit: str
    source: str


SCALE = "python -m benchmarks.scale --measure .raftops/latest/handbook/ingest/passages/passages.parquet"
MEASURED = {
    "embed_rate": Figure(52, "passages/s on 2 CPU cores", "OpenVINO bf16, 200-token passages (docs/LOG.md, scale)"),
    "lite_hybrid": Figure(0.00985, "ms a passage, hybrid query", "Milvus Lite, 985 ms at 100,000 (docs/LOG.md, scale)"),
    "lite_20k": Figure(157, "ms, hybrid query at 20,000 passages", "Milvus Lite, p50 (docs/LOG.md, scale)"),
    "lite_memory": Figure(27, "kB per passage", "Milvus Lite, 2.7 GB at 100,000 rows (docs/LOG.md, scale)"),
    "text": Figure(1084.7, "bytes of a stored row without vectors", SCALE),
    "terms": Figure(34.1, "distinct BM25 terms of a passage", SCALE),
    "cpu_tokens": Figure(180, "training tokens/s, 135M, LoRA bf16, 2 cores", "docs/LOG.md, scale"),
    "answer": Figure(
        1.085, "s per served answer, 135M, 2 cores", "docs/handbook-report/report.json: metrics/served.seconds"
    ),
}  # fmt: skip
STATED = {
    "cpu_hour": Figure(0.04, "USD per CPU core and hour", "a round list price of large clouds; yours: platform.prices"),
    "gib_hour": Figure(0.005, "USD per GiB of memory and hour", "the same"),
    "gpu_hour": Figure(3.00, "USD per H100 80 GB and hour", "the same"),
    "gb_month": Figure(0.023, "USD per GB of object storage and month", "the same"),
    "gpu_flops": Figure(989e12, "FLOP/s of an H100 SXM, bf16 dense", "the maker's data sheet"),
    "gpu_share": Figure(0.35, "share of it that training reaches", "assumed; no GPU was at hand. Measure yours"),
    "gpu_memory": Figure(80, "GB of an H100", "the maker's data sheet"),
    "in_node": Figure(450, "GB/s each way of a GPU in its node", "NVLink 4, the maker's data sheet"),
    "between_nodes": Figure(50, "GB/s of a GPU between nodes", "400 Gb/s InfiniBand per GPU"),
    "fill": Figure(0.7, "share of a node's memory that an index may take", "assumed: room for segments in compaction"),
}  # fmt: skip
DIMENSIONS, LINKS, GIB = 384, 16, 1 << 30
EMBEDDER_PARAMETERS, TUNED_PARAMETERS, PASSAGE_TOKENS = 10.6e6, 135e6, 200
"""all-MiniLM-L6-v2 without its token table (6 layers of 12 x 384 x 384); the sample's base; a timed passage."""
NODE_GIB, NODE_CPUS = 64, 16
"""A query node of the Milvus cluster."""
REPLICAS = 2
LITE_PASSAGES, LITE_MS = 30_000, 300
"""Where Milvus Lite ends: a round size, and the longest hybrid query that is borne, which is a choice of ours."""
SIZES = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
GPUS = (1, 2, 4, 8, 16, 32, 64)
NODE_GPUS = 8
MODELS = {"8B": 8e9, "70B": 70e9, "405B": 405e9}
TRAINED_TOKENS = 100e6
"""About 156,000 RAFT examples of 640 tokens."""
STEP_TOKENS = 64 * 640
"""Tokens of one optimiser step over all GPUs; small, as few examples ask for."""
MONTH_HOURS = 730


def graph_bytes(quantised: bool) -> float:
    """Bytes of one vector in an HNSW graph: its components, and 2 x 16 links of four bytes on level 0."""
    return DIMENSIONS * (1 if quantised else 4) + 2 * LINKS * 4


def sparse_bytes() -> float:
    """Bytes of one passage in the inverted index: a passage id and a weight for each distinct term."""
    return MEASURED["terms"].value * 8


def quantised(passages: int) -> bool:
    """From where float vectors take more than ten nodes, one byte a component is kept in memory."""
    return passages * (graph_bytes(False) + sparse_bytes()) > 10 * NODE_GIB * GIB * STATED["fill"].value


def index_gib(passages: int) -> float:
    """Memory of both indexes."""
    return passages * (graph_bytes(quantised(passages)) + sparse_bytes()) / GIB


def standalone_gib(passages: int) -> float:
    """Memory of one Milvus: both indexes and, as by default, the rows' text and other fields."""
    return passages * (graph_bytes(False) + sparse_bytes() + MEASURED["text"].value) / GIB


def in_one(passages: int) -> bool:
    """Whether one machine holds it."""
    return standalone_gib(passages) <= NODE_GIB * STATED["fill"].value


def nodes(passages: int) -> int:
    """Query nodes for one copy; a cluster's map the rows' text from disk."""
    return 1 if in_one(passages) else math.ceil(index_gib(passages) / (NODE_GIB * STATED["fill"].value))


def last_of(holds: Callable[[int], bool]) -> int:
    """The largest number of passages for which something holds, to a million."""
    low, high = 1, 10_000
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle * 1_000_000) else (low, middle - 1)
    return low * 1_000_000


def engine(passages: int) -> str:
    """What takes over at a size."""
    if passages <= LITE_PASSAGES:
        return "Milvus Lite, FLAT"
    if in_one(passages):
        return "Milvus standalone, HNSW"
    kind = "HNSW on int8 (SQ8)" if quantised(passages) else "HNSW"
    return f"Milvus cluster, {kind}, partition key, bulk import"


def embed_pods(passages: int) -> int:
    """Pods of two cores that embed side by side: as many as keep it within a day, 64 at most."""
    day = 86_400 * MEASURED["embed_rate"].value
    return min(64, max(1, math.ceil(passages / day)))


def corpus_rows() -> Iterator[tuple[str, ...]]:
    """One row for each size."""
    for passages in SIZES:
        seconds = passages / MEASURED["embed_rate"].value
        pods = embed_pods(passages)
        embed_cost = seconds / 3600 * (2 * STATED["cpu_hour"].value + 2 * STATED["gib_hour"].value)
        stored = passages * (MEASURED["text"].value + DIMENSIONS * 4) / 1e9
        yield (
            f"{passages:,}", engine(passages), _gb(stored), _memory(passages), _machines(passages),
            f"{_time(seconds / pods)} on {pods} {'pod' if pods == 1 else 'pods'}", _usd(embed_cost),
            _usd(_monthly(passages) + stored * STATED["gb_month"].value),
        )  # fmt: skip


def _memory(passages: int) -> str:
    if passages <= LITE_PASSAGES:
        return _gb(passages * MEASURED["lite_memory"].value / 1e6)
    gib = standalone_gib(passages) if in_one(passages) else index_gib(passages)
    return _gb(gib * GIB / 1e9)


def _machines(passages: int) -> str:
    if passages <= LITE_PASSAGES:
        return "none: inside the service"
    if in_one(passages):
        return f"1 of 4 cores, {_standalone_machine(passages)} GiB"
    return f"{REPLICAS} x {nodes(passages)} of {NODE_CPUS} cores, {NODE_GIB} GiB"


def _standalone_machine(passages: int) -> int:
    """GiB of the machine, never less than four."""
    return max(4, math.ceil(standalone_gib(passages) / STATED["fill"].value))


def _monthly(passages: int) -> float:
    """USD a month of the machines that hold the index."""
    cpu, gib = STATED["cpu_hour"].value, STATED["gib_hour"].value
    if passages <= LITE_PASSAGES:
        return 0.0
    if in_one(passages):
        return MONTH_HOURS * (4 * cpu + _standalone_machine(passages) * gib)
    return MONTH_HOURS * REPLICAS * nodes(passages) * (NODE_CPUS * cpu + NODE_GIB * gib)


def lite_rows() -> Iterator[tuple[str, ...]]:
    """Why Lite ends where it does."""
    for passages in (1_000, 10_000, 20_000, 30_000, 100_000, 1_000_000):
        took = passages * MEASURED["lite_hybrid"].value
        memory = passages * MEASURED["lite_memory"].value / 1e6
        yield (f"{passages:,}", f"{took:,.0f} ms", _gb(memory), "yes" if took <= LITE_MS else "no")


def train_seconds(parameters: float, gpus: int) -> tuple[float, float]:
    """Seconds of one epoch over TRAINED_TOKENS by LoRA: with all traffic behind the work, and with none.

    Work: 6 FLOP a parameter and token (forward, backward through frozen weights, recomputed activations). Traffic of
    FSDP: each step gathers the sharded 16-bit weights three times, the most that it takes (forward, recomputed forward,
    backward); frozen weights have no gradients to reduce.
    """
    work = 6 * parameters * TRAINED_TOKENS / (STATED["gpu_flops"].value * STATED["gpu_share"].value * gpus)
    if gpus == 1 or not sharded(parameters) or packed(parameters, gpus):
        return work, work
    group = shards(parameters, gpus)
    link = STATED["in_node"].value if group <= NODE_GPUS else STATED["between_nodes"].value
    steps = TRAINED_TOKENS / STEP_TOKENS
    traffic = steps * 3 * 2 * parameters * (group - 1) / group / (link * 1e9)
    return max(work, traffic), work + traffic


def sharded(parameters: float) -> bool:
    """Whether 16-bit weights leave less than a quarter of one GPU for the rest, so that FSDP shards them."""
    return 2 * parameters > 0.75 * STATED["gpu_memory"].value * 1e9


def shards(parameters: float, gpus: int) -> int:
    """GPUs that share one copy of the weights: those of one node where they hold it, so that nodes exchange little."""
    group = min(gpus, NODE_GPUS)
    while not fits(parameters, group) and group < gpus:
        group *= 2
    return group


def fits(parameters: float, gpus: int) -> bool:
    """Whether 16-bit weights, spread over the GPUs, leave a quarter of each for the rest."""
    return 2 * parameters / gpus <= 0.75 * STATED["gpu_memory"].value * 1e9


def packed(parameters: float, gpus: int) -> bool:
    """Whether only NF4 (0.55 bytes a parameter with its constants) brings a copy into each GPU."""
    return not fits(parameters, gpus) and 0.55 * parameters <= 0.75 * STATED["gpu_memory"].value * 1e9


def method(parameters: float, gpus: int) -> str:
    """How it is trained on so many GPUs."""
    if packed(parameters, gpus):
        return "QLoRA (NF4)" if gpus == 1 else "QLoRA (NF4), data parallel"
    if not fits(parameters, gpus):
        return "does not fit"
    if gpus == 1:
        return "LoRA"
    where = "one node" if gpus <= NODE_GPUS else f"TrainJob, {gpus // NODE_GPUS} nodes"
    return f"{f'FSDP over {shards(parameters, gpus)}' if sharded(parameters) else 'data parallel'}, {where}"


def train_rows() -> Iterator[tuple[str, ...]]:
    """One row for each number of GPUs."""
    for gpus in GPUS:
        yield (f"{gpus}", *(_trained(parameters, gpus) for parameters in MODELS.values()))


def _trained(parameters: float, gpus: int) -> str:
    how = method(parameters, gpus)
    if how == "does not fit":
        return how
    best, worst = train_seconds(parameters, gpus)
    hours = (best / 3600, worst / 3600)
    price = STATED["gpu_hour"].value * gpus
    span = _hours(hours[0]) if best == worst else f"{_hours(hours[0])} to {_hours(hours[1])}"
    cost = _usd(hours[0] * price) if best == worst else f"{_usd(hours[0] * price)} to {_usd(hours[1] * price)}"
    return f"{how}: {span} h, {cost}"


def serving_rows() -> Iterator[tuple[str, ...]]:
    """Replicas of two cores and 4 GiB at 70 % of their rate."""
    rate = 0.7 / MEASURED["answer"].value
    hour = 2 * STATED["cpu_hour"].value + 4 * STATED["gib_hour"].value
    for wanted in (0.1, 1, 10, 100):
        replicas = max(REPLICAS, math.ceil(wanted / rate))
        answers = wanted * 3600
        yield (
            f"{wanted:g}",
            f"{replicas}",
            _usd(replicas * hour * MONTH_HOURS),
            _usd(1000 * replicas * hour / answers),
        )


def check_rows() -> Iterator[tuple[str, ...]]:
    """Where a law can be held against a second measurement."""
    passages = 20_000
    law, seen = passages * MEASURED["lite_hybrid"].value, MEASURED["lite_20k"].value
    yield (f"a hybrid query of Lite at {passages:,} passages", f"{law:.0f} ms", f"{seen:.0f} ms", f"{law / seen:.2f}")
    embedding = 2 * EMBEDDER_PARAMETERS * PASSAGE_TOKENS * MEASURED["embed_rate"].value / 1e9
    training = 6 * TUNED_PARAMETERS * MEASURED["cpu_tokens"].value / 1e9
    yield (
        "two cores: 6 x 135M x 180 tokens/s of training, against 2 x 10.6M x 200 x 52 passages/s of embedding",
        f"{training:.0f} GFLOP/s", f"{embedding:.0f} GFLOP/s", f"{training / embedding:.2f}",
    )  # fmt: skip


def sources(figures: dict[str, Figure]) -> Iterator[tuple[str, ...]]:
    """The figures themselves."""
    for figure in figures.values():
        yield (f"{figure.value:,.4g}" if figure.value < 1e6 else f"{figure.value:.3g}", figure.unit, figure.source)


def tables() -> dict[str, str]:
    """Every table of the document, as Markdown, by name."""
    return {
        "measured": _markdown(("figure", "unit", "from"), sources(MEASURED)),
        "stated": _markdown(("value", "unit", "from"), sources(STATED)),
        "lite": _markdown(("passages", "one hybrid query", "memory", "within 300 ms"), lite_rows()),
        "check": _markdown(("law", "says", "measured", "ratio"), check_rows()),
        "corpus": _markdown(
            ("passages", "engine", "stored", "in memory", "machines", "embedding", "once", "a month"),
            corpus_rows(),
        ),
        "training": _markdown(("GPUs", *MODELS), train_rows()),
        "serving": _markdown(("answers/s", "replicas", "a month", "per 1,000 answers"), serving_rows()),
    }


def _markdown(columns: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def filled(document: str) -> str:
    """The document with every table as this script prints it."""
    for name, table in tables().items():
        mark = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        document, count = mark.subn(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", document)  # type: ignore[misc]
        if count != 1:
            raise SystemExit(f"the document has {count} places for the table {name}")
    return document


def _gb(gigabytes: float) -> str:
    return (
        f"{gigabytes / 1000:,.1f} TB"
        if gigabytes >= 1000
        else f"{gigabytes:,.1f} GB"
        if gigabytes >= 1
        else f"{gigabytes * 1000:,.0f} MB"
    )


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return (
        f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
        if seconds < 172_800
        else f"{seconds / 86_400:.1f} days"
    )


def _hours(hours: float) -> str:
    return f"{hours:.1f}" if hours >= 1 else f"{hours:.2f}"


def _usd(dollars: float) -> str:
    return f"${dollars:,.0f}" if dollars >= 10 else f"${dollars:.2f}"


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--measure", type=Path)
    options = parser.parse_args()
    if options.measure:
        for line in measure(options.measure):
            print(json.dumps(line))
    elif options.write:
        write_text(options.write, filled(options.write.read_text(encoding="utf-8")))
    else:
        for name, table in tables().items():
            sys.stdout.write(f"{name}\n{table}\n\n")


if __name__ == "__main__":
    main()
