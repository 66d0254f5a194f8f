"""What a search costs in this process, beside Milvus Lite on the same rows: time, memory, folder, and who listens.

    python -m benchmarks.exact [--passages 30000] [--questions 40] [--without-lite]

Texts are drawn by Zipf's law from 50,000 words, vectors (384 numbers) at random; a question is six words of a passage,
and its vector near that passage's. Half of the 20 policies may be read. Each engine runs in a process of its own: its
memory is counted with the mapped files. Baselines: Milvus Lite as it was served until now, and one product of a matrix
and a vector (`floor`), below which no exact search of all rows can be. One JSON line a figure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from raftops.data.records import Locator, Passage, Span
from raftops.retrieval.bm25 import Bm25Encoder, load_bm25
from raftops.retrieval.exact_files import FOLDER, ExactWriter, open_exact_index
from raftops.retrieval.protocols import Vectors
from raftops.retrieval.rows import searched_text
from raftops.retrieval.scope import Scope
from raftops.spec.model.knowledge import Bm25

DIMENSION, POLICIES, WORDS, VOCABULARY, BATCH, LIMIT = 384, 20, 120, 50_000, 512, 50
SCOPE = Scope(frozenset(f"policy{n}" for n in range(POLICIES // 2)))


def main() -> None:
    """Build, search by each engine, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=30_000)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--without-lite", action="store_true")
    parser.add_argument("--engine", choices=["exact", "lite", "floor"], help="one engine, in this process")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.engine:
        measure(options.engine, options.folder, options.passages, options.questions)
        return
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder)
        engines = ["floor", "exact"] if options.without_lite else ["floor", "exact", "lite"]
        build(built, options.passages, "lite" in engines)
        for engine in engines:
            again = ["--engine", engine, "--folder", folder]
            sizes = ["--passages", str(options.passages), "--questions", str(options.questions)]
            subprocess.run([sys.executable, "-m", "benchmarks.exact", *again, *sizes], check=True)


def drawn(passages: int) -> Iterator[tuple[list[Passage], Vectors]]:
    """The rows, batch by batch; the same every time."""
    rng = np.random.default_rng(0)
    for start in range(0, passages, BATCH):
        size = min(BATCH, passages - start)
        vectors = rng.normal(size=(size, DIMENSION)).astype(np.float32)
        words = np.minimum(rng.zipf(1.15, size=(size, WORDS)), VOCABULARY)
        yield [_passage(start + n, [f"w{w}" for w in words[n]]) for n in range(size)], unit(vectors)


def unit(vectors: Vectors) -> Vectors:
    """At length one."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float32)


def _passage(number: int, words: Sequence[str]) -> Passage:
    sentences = [" ".join(words[n : n + 15]).capitalize() + "." for n in range(0, len(words), 15)]
    text, place, spans, at = " ".join(sentences), Locator(), [], 0
    for sentence in sentences:
        spans.append(Span(at, at + len(sentence), place))
        at += len(sentence) + 1
    doc = f"doc{number // 8}.md"
    return Passage(f"p{number:07}", doc, "v1", "A title", text, 0, len(text), place, f"policy{number // 8 % POLICIES}",
                   f"https://x/{doc}", WORDS, tuple(spans))  # fmt: skip


def build(folder: Path, passages: int, lite: bool) -> None:
    """Write the arrays, and the collection of Lite."""
    bm25 = Bm25Encoder(Bm25())
    for batch, _ in drawn(passages):
        for passage in batch:
            bm25.count([searched_text(passage)], passage.policy_id)
    bm25.save(folder / "bm25.json")
    began, writer = time.perf_counter(), ExactWriter(folder, passages, DIMENSION, bm25.config)
    for batch, dense in drawn(passages):
        writer.add(batch, [searched_text(p) for p in batch], dense)
    writer.finish()
    say("exact", "seconds to write", round(time.perf_counter() - began, 1))
    say("exact", "MB on disk", size_of(folder / FOLDER))
    if lite:
        began = time.perf_counter()
        milvus = import_module("raftops.retrieval.milvus")
        with closing(milvus.MilvusConnection(str(folder / "milvus.db"))) as connection:
            collection = milvus.PassageCollection(connection, "passages")
            collection.create(DIMENSION, "flat")
            for batch, dense in drawn(passages):
                collection.upsert(batch, dense, [bm25.document(searched_text(p)) for p in batch])
            collection.seal()
        say("lite", "seconds to write", round(time.perf_counter() - began, 1))
        say("lite", "MB on disk", size_of(folder / "milvus.db"))


def size_of(folder: Path) -> float:
    """Megabytes of all files."""
    return round(sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6, 1)


def measure(engine: str, folder: Path, passages: int, questions: int) -> None:
    """Search by one engine and print what it took."""
    batch, dense = next(drawn(passages))
    rng = np.random.default_rng(1)
    asked = [
        (" ".join(passage.text.split()[3:9]), unit(vector + rng.normal(scale=0.03, size=DIMENSION).astype(np.float32)))
        for passage, vector in list(zip(batch, dense, strict=True))[:questions]
    ]
    if engine == "floor":
        matrix = np.load(folder / FOLDER / "dense.npy", mmap_mode="r", allow_pickle=False)
        timed(engine, "dense", lambda _, vector: matrix @ vector, asked)
        return
    began = time.perf_counter()
    searched = open_exact_index(folder, passages, DIMENSION, Bm25()) if engine == "exact" else opened_lite(folder)
    searched.warm_up(asked[0][1])
    say(engine, "seconds to open and warm up", round(time.perf_counter() - began, 2))
    timed(engine, "dense", lambda _, vector: searched.by_vector(vector, SCOPE, LIMIT), asked)
    timed(engine, "bm25", lambda question, _: searched.by_terms(question, SCOPE, LIMIT), asked)
    timed(
        engine,
        "hybrid",
        lambda question, vector: (
            searched.by_vector(vector, SCOPE, LIMIT),
            searched.by_terms(question, SCOPE, LIMIT),
        ),
        asked,
    )
    say(engine, "MB of memory at the end", round(resident_kb() / 1e3))
    searched.close()


def resident_kb() -> float:
    """Memory of this process now, mapped files included; the peak that `getrusage` tells is the parent's, too."""
    return float(psutil.Process().memory_info().rss) / 1024


def opened_lite(folder: Path) -> Any:
    """Milvus Lite, with the statistics of all rows."""
    milvus = import_module("raftops.retrieval.milvus")  # its memory is Lite's
    connection = milvus.MilvusConnection(str(folder / "milvus.db"))
    collection = milvus.PassageCollection(connection, "passages")
    collection.load()
    return milvus.ServedIndex(collection, load_bm25(folder / "bm25.json"))


def timed(engine: str, name: str, call: Callable[[str, Vectors], object], asked: Sequence[tuple[str, Vectors]]) -> None:
    """Median and 0.95 of the milliseconds, behind three calls that warm up, and CPU time: load blurs it less."""
    taken, busy = [], []
    for question, vector in [*asked[:3], *asked]:
        began, before = time.perf_counter(), time.process_time()
        call(question, vector)
        taken.append(1e3 * (time.perf_counter() - began))
        busy.append(1e3 * (time.process_time() - before))
    say(engine, f"{name}, CPU ms, median", round(float(np.median(busy[3:])), 1))
    say(engine, f"{name}, ms, median", round(float(np.median(taken[3:])), 1))
    say(engine, f"{name}, ms, 0.95", round(float(np.quantile(taken[3:], 0.95)), 1))


def say(engine: str, figure: str, value: float) -> None:
    """One JSON line."""
    print(json.dumps({"benchmark": "exact", "engine": engine, "figure": figure, "value": value}), flush=True)


if __name__ == "__main__":
    main()
