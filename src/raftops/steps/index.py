"""Passages to a searchable index: dense and sparse vectors in Milvus, made beside the old one and put in place whole.

Without a server the collection is Milvus Lite's, and the same rows are written as arrays, which a search reads.

Only texts that were never embedded before are embedded. Does not parse, does not chunk, does not train.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as parquet

from raftops.answer.evidence import unit_texts
from raftops.data.records import Passage, Shard
from raftops.errors import IndexUnusable, StepError
from raftops.files import link_or_copy, read_json, sha256_file, sha256_json, write_json
from raftops.models import resolve
from raftops.progress import progress
from raftops.retrieval.bm25 import Bm25Encoder, check_language
from raftops.retrieval.embedder import OnnxEmbedder, open_embedder
from raftops.retrieval.encoder import FILES, onnx_form
from raftops.retrieval.exact_files import ExactWriter
from raftops.retrieval.memo import VectorCache
from raftops.retrieval.milvus import DenseType, MilvusConnection, PassageCollection
from raftops.retrieval.protocols import Vectors
from raftops.retrieval.rows import read_passages, searched_text
from raftops.retrieval.stored import FILE, MOST_PASSAGES, store_vectors
from raftops.spec.model.knowledge import Index
from raftops.spec.model.platform import Milvus

Metrics = dict[str, float]
BATCH = 256
"""Passages embedded, cached and written at a time."""


@dataclass(frozen=True)
class _Build:
    """What one run of the step works with."""

    milvus: Milvus
    source: Path
    """`passages.parquet`."""
    encoder: OnnxEmbedder
    bm25: Bm25Encoder
    collection: str
    dense: DenseType
    cache: Path


def index(  # noqa: PLR0913  one argument per artifact
    config: Index,
    embedder: str,
    milvus: Milvus,
    name: str,
    passages: Path,
    built: Path,
    cache: Path,
    parts: Sequence[Path] = (),
) -> Metrics:
    """Index `passages` for search; `built` becomes the new index at the end or stays as it was.

    `parts`: outputs of `index_shard`; their vectors are taken over, and only texts that they lack are embedded.
    """
    began = time.monotonic()
    check_language(config.bm25.language)
    source = _present(passages / "passages.parquet")
    digest, folder = sha256_file(source), onnx_form(resolve(embedder, cache), cache)
    encoder = open_embedder(folder, config.engine)
    dense: DenseType = "flat" if milvus.uri == "embedded" else "hnsw"
    if config.dense != "auto":
        dense = config.dense
    bm25 = Bm25Encoder(config.bm25)
    for batch in read_passages(source):
        for passage in batch:
            bm25.count([searched_text(passage)], passage.policy_id or "")
    if not bm25.rows:
        raise StepError(f"{source}: no passages", next_step="check data.documents and the report of the ingest step")

    # The collection's name says all that its rows depend on: two runs that would write the same rows share it.
    key = sha256_json([digest, encoder.name, config.model_dump(), dense])[:12]
    collection = f"{name.replace('-', '_')}_{key}"
    build = _Build(milvus, source, encoder, bm25, collection, dense, cache)
    adopted = sum(_adopt(build, part) for part in parts)
    with _replaced(built) as new:
        figures = _fill(build, new)
        if adopted:  # embedded for this index, though not by this task
            figures |= {"embedded": figures["embedded"] + adopted, "reused": figures["reused"] - adopted}
        figures |= {"units": float(_keep_units(build, new / FILE))}
        bm25.save(new / "bm25.json")
        shutil.copyfile(_present(passages / "documents.parquet"), new / "documents.parquet")
        (new / "embedder").mkdir()
        for file in FILES:
            link_or_copy(str(folder / file), str(new / "embedder" / file))
        about = {
            "collection": collection, "uri": milvus.uri, "token_env": milvus.token.env if milvus.token else "",
            "rows": bm25.rows, "dimension": encoder.dimension, "embedder": encoder.name, "engine": encoder.engine,
            "dense_type": dense, "name": name, "source": embedder, "built_from": digest,
        }  # fmt: skip
        write_json(new / "index.json", about)
    return {"rows": float(bm25.rows), **figures, "seconds": round(time.monotonic() - began, 3)}


def index_shard(  # noqa: PLR0913  as `index`, with the part to do
    config: Index, embedder: str, shard: Shard, passages: Path, part: Path, cache: Path
) -> Metrics:
    """Embed one part of the passages, to be merged by `index`. Parts are whole batches, so that vectors are the same.

    A text that stands in two parts is embedded in both; `index` keeps the vector of the first.
    """
    source = _present(passages / "passages.parquet")
    encoder = open_embedder(onnx_form(resolve(embedder, cache), cache), config.engine)
    with parquet.ParquetFile(source) as file:
        total = int(file.metadata.num_rows)
    with (
        closing(VectorCache(_shelf(cache, encoder), encoder)) as cached,
        closing(VectorCache(part / _shelf(cache, encoder).name, _Cached(encoder, cached))) as vectors,
    ):
        for batch in _held(shard, source, total, f"passages of {shard}"):
            vectors.embed([searched_text(p) for p in batch])
        figures = {"embedded": float(cached.embedded), "reused": float(cached.reused)}
        for batch in _held(shard, source, total, f"units of {shard}") if total <= MOST_PASSAGES else ():
            vectors.embed(_units(batch))
    write_json(part / "shard.json", figures)
    return figures


@dataclass(frozen=True)
class _Cached:
    """The encoder, behind the vectors that are cached already."""

    encoder: OnnxEmbedder
    cached: VectorCache

    @property
    def name(self) -> str:
        return self.encoder.name

    def tokens(self, text: str) -> int:
        return self.encoder.tokens(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        return self.cached.embed(texts)


def _held(shard: Shard, source: Path, total: int, what: str) -> Iterator[list[Passage]]:
    """The batches of a shard, in the order of the whole."""
    done = 0
    for batch in read_passages(source, BATCH):
        if shard.holds(done, total):
            yield batch
        done += len(batch)
        progress("index", done, total, what)


def _units(passages: Sequence[Passage]) -> list[str]:
    return [text for passage in passages for text in unit_texts(passage)]


def _shelf(cache: Path, encoder: OnnxEmbedder) -> Path:
    return cache / "embeddings" / f"{encoder.name}.sqlite"


def _adopt(build: _Build, part: Path) -> float:
    """Take over a shard's vectors; returns how many it embedded. One of another engine has none to offer."""
    shelf = _shelf(build.cache, build.encoder)
    theirs = part / shelf.name
    if not theirs.is_file():
        return 0.0
    VectorCache(shelf, build.encoder).close()  # makes the table
    with closing(sqlite3.connect(shelf, timeout=60)) as db:
        db.execute("ATTACH DATABASE ? AS part", (str(theirs),))
        with db:
            db.execute("INSERT OR IGNORE INTO vectors SELECT key, vector FROM part.vectors")
    return float(read_json(part / "shard.json")["embedded"])


def _present(path: Path) -> Path:
    if not path.is_file():
        raise StepError(f"{path}: missing", next_step="run the ingest step first")
    return path


def _fill(build: _Build, part: Path) -> Metrics:
    """Embed new texts, write all rows, and count them."""
    server, rows, token = build.milvus.uri != "embedded", build.bm25.rows, ""
    uri = build.milvus.uri if server else str(part / "milvus.db")
    if build.milvus.token:
        token = os.environ.get(build.milvus.token.env, "")
        if not token:
            advice = f"set {build.milvus.token.env} in the environment"
            raise IndexUnusable(f"{build.milvus.uri}: no token", next_step=advice)
    with closing(MilvusConnection(uri, token)) as connection:
        collection = PassageCollection(connection, build.collection)
        if server and collection.is_there():
            connection.claim(build.collection)
            if collection.seal() == rows:
                return {"embedded": 0.0, "reused": float(rows), "cut": 0.0}
        # One that another run fills is filled with it: its name stands for the same rows under the same ids. One that
        # has other fields, or too many rows, is none of a run like this and is made anew.
        if not (server and collection.is_there() and collection.fits() and collection.count() <= rows):
            collection.create(build.encoder.dimension, build.dense)
        connection.claim(build.collection)
        exact = None if server else ExactWriter(part, rows, build.encoder.dimension, build.bm25.config)
        figures = _write(build, collection, exact)
        stored = collection.seal()
        connection.claim(build.collection)
    if stored != rows:
        raise IndexUnusable(
            f"{uri}: {stored} passages stored of {rows}", next_step="look for passage ids that occur twice"
        )
    return figures


def _write(build: _Build, collection: PassageCollection, exact: ExactWriter | None) -> Metrics:
    """Write every row, batch by batch. Rows that are there already are the same, and are written over."""
    done, cut, encoder = 0, 0, build.encoder
    with closing(VectorCache(_shelf(build.cache, encoder), encoder)) as vectors:
        for passages in read_passages(build.source, BATCH):
            texts = [searched_text(p) for p in passages]
            dense = vectors.embed(texts)
            collection.upsert(passages, dense, [build.bm25.document(t) for t in texts])
            if exact:
                exact.add(passages, texts, dense)
            # The encoder reads no more than max_tokens; tokens are counted only of passages near the limit.
            near = (t for p, t in zip(passages, texts, strict=True) if p.tokens > encoder.max_tokens // 2)
            cut += sum(encoder.tokens(text) >= encoder.max_tokens for text in near)
            done += len(passages)
            progress("index", done, build.bm25.rows, f"{vectors.embedded} embedded, {vectors.reused} reused")
        if exact:
            exact.finish()
        return {"embedded": float(vectors.embedded), "reused": float(vectors.reused), "cut": float(cut)}


def _keep_units(build: _Build, path: Path) -> int:
    """Store the vectors of all evidence units beside the index; none where there are too many passages."""
    if build.bm25.rows > MOST_PASSAGES:
        return 0
    with closing(VectorCache(_shelf(build.cache, build.encoder), build.encoder)) as vectors:
        batches = _held(Shard(0, 1), build.source, build.bm25.rows, "evidence units")
        return store_vectors(path, build.encoder.dimension, map(_units, batches), vectors.embed)


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` that takes its name only when the block ends well.

    A kill between the two renames leaves the old one aside; the next run puts it back before it starts.
    """
    part, old = folder.with_name(f".{folder.name}.part"), folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
