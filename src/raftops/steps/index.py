"""Passages to a searchable index: dense and sparse vectors in Milvus, made beside the old one and put in place whole.

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
from typing import Any

import pyarrow.parquet as parquet

from raftops.answer.evidence import unit_texts
from raftops.data.records import Passage
from raftops.data.shards import Shard
from raftops.errors import IndexUnusable, StepError
from raftops.files import link_or_copy, read_json, sha256_file, sha256_json, write_json
from raftops.models import resolve
from raftops.progress import progress
from raftops.retrieval.bm25 import Bm25Encoder, check_language
from raftops.retrieval.embedder import OnnxEmbedder, open_embedder
from raftops.retrieval.encoder import FILES, onnx_form
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

    config: Index
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

    `parts` are what `index_shard` left: their vectors are taken over, and only what they lack is embedded.
    """
    began = time.monotonic()
    check_language(config.bm25.language)
    source = _present(passages / "passages.parquet")
    digest, folder = sha256_file(source), onnx_form(resolve(embedder, cache), cache)
    encoder, dense = open_embedder(folder, config.engine), _dense_type(config, milvus)
    alias = name.replace("-", "_")
    key = sha256_json([digest, encoder.name, config.model_dump(), dense])[:12]
    build = _Build(config, milvus, source, encoder, _counted(source, config), f"{alias}_{key}", dense, cache)
    adopted = sum(_adopt(build, part) for part in parts)
    with _replaced(built) as part:
        made = _fill(build, part)
        made |= {"embedded": made["embedded"] + adopted, "reused": made["reused"] - adopted} if adopted else {}
        made |= {"units": float(_keep_units(build, part / FILE))}
        build.bm25.save(part / "bm25.json")
        shutil.copyfile(_present(passages / "documents.parquet"), part / "documents.parquet")
        (part / "embedder").mkdir()
        for file in FILES:
            link_or_copy(str(folder / file), str(part / "embedder" / file))
        write_json(part / "index.json", {**_about(build), "name": name, "source": embedder, "built_from": digest})
    return {"rows": float(build.bm25.rows), **made, "seconds": round(time.monotonic() - began, 3)}


def index_shard(  # noqa: PLR0913  as `index`, with the part to do
    config: Index, embedder: str, shard: Shard, passages: Path, part: Path, cache: Path
) -> Metrics:
    """Embed one part of the passages, to be merged by `index`. Parts are whole batches, so that vectors are the same.

    A text that stands in two parts is embedded in both; `index` keeps the vector of the first.
    """
    source = _present(passages / "passages.parquet")
    encoder = open_embedder(onnx_form(resolve(embedder, cache), cache), config.engine)
    total = _passages_in(source)
    with (
        closing(VectorCache(_shelf(cache, encoder), encoder)) as known,
        closing(VectorCache(part / _shelf(cache, encoder).name, _Kept(encoder, known))) as vectors,
    ):
        for batch in _held(shard, source, total, f"passages of {shard}"):
            vectors.embed([searched_text(p) for p in batch])
        figures = {"embedded": float(known.embedded), "reused": float(known.reused)}
        for batch in _held(shard, source, total, f"units of {shard}") if total <= MOST_PASSAGES else ():
            vectors.embed(_units(batch))
    write_json(part / "shard.json", figures)
    return figures


@dataclass(frozen=True)
class _Kept:
    """The encoder, with the vectors that are known already."""

    encoder: OnnxEmbedder
    known: VectorCache

    @property
    def name(self) -> str:
        return self.encoder.name

    def tokens(self, text: str) -> int:
        return self.encoder.tokens(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        return self.known.embed(texts)


def _held(shard: Shard, source: Path, total: int, what: str) -> Iterator[list[Passage]]:
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


def _passages_in(source: Path) -> int:
    with parquet.ParquetFile(source) as file:
        return int(file.metadata.num_rows)


def _adopt(build: _Build, part: Path) -> float:
    """Take over a shard's vectors; returns how many it embedded. One of another engine has none to offer."""
    made = part / _shelf(build.cache, build.encoder).name
    if not made.is_file():
        return 0.0
    shelf = _shelf(build.cache, build.encoder)
    VectorCache(shelf, build.encoder).close()
    with closing(sqlite3.connect(shelf, timeout=60)) as db:
        db.execute("ATTACH DATABASE ? AS part", (str(made),))
        with db:
            db.execute("INSERT OR IGNORE INTO vectors SELECT key, vector FROM part.vectors")
    return float(read_json(part / "shard.json")["embedded"])


def _about(build: _Build) -> dict[str, Any]:
    token = build.milvus.token
    return {
        "collection": build.collection,
        "uri": build.milvus.uri,
        "token_env": token.env if token else "",
        "rows": build.bm25.rows,
        "dimension": build.encoder.dimension,
        "embedder": build.encoder.name,
        "engine": build.encoder.engine,
        "dense_type": build.dense,
    }


def _present(path: Path) -> Path:
    if not path.is_file():
        raise StepError(f"{path}: missing", next_step="run the ingest step first")
    return path


def _counted(source: Path, config: Index) -> Bm25Encoder:
    bm25 = Bm25Encoder(config.bm25)
    for batch in read_passages(source):
        bm25.count(searched_text(p) for p in batch)
    if not bm25.rows:
        raise StepError(f"{source}: no passages", next_step="check data.documents and the report of the ingest step")
    return bm25


def _dense_type(config: Index, milvus: Milvus) -> DenseType:
    if config.dense == "auto":
        return "flat" if milvus.uri == "embedded" else "hnsw"
    return config.dense


def _fill(build: _Build, part: Path) -> Metrics:
    """Embed what is new, write all rows, and count them."""
    embedded = build.milvus.uri == "embedded"
    uri = str(part / "milvus.db") if embedded else build.milvus.uri
    with closing(MilvusConnection(uri, _token(build.milvus))) as connection:
        collection = PassageCollection(connection, build.collection)
        if not embedded and collection.is_there():
            connection.claim(build.collection)
            if collection.seal() == build.bm25.rows:
                return {"embedded": 0.0, "reused": float(build.bm25.rows), "cut": 0.0}
        _make(build, collection)
        connection.claim(build.collection)
        made = _write(build, collection)
        stored = collection.seal()
        connection.claim(build.collection)
    if stored != build.bm25.rows:
        raise IndexUnusable(
            f"{uri}: {stored} passages stored of {build.bm25.rows}", next_step="look for passage ids that occur twice"
        )
    return made


def _make(build: _Build, collection: PassageCollection) -> None:
    """An empty collection, or the one that another run fills: its name stands for the same rows under the same ids.

    One that has other fields, or too many rows, is none of a run like this and is made anew.
    """
    server = build.milvus.uri != "embedded"
    if server and collection.is_there() and collection.fits() and collection.count() <= build.bm25.rows:
        return
    collection.create(build.encoder.dimension, build.dense)


def _write(build: _Build, collection: PassageCollection) -> Metrics:
    done, cut = 0, 0
    with closing(VectorCache(_shelf(build.cache, build.encoder), build.encoder)) as vectors:
        for passages in read_passages(build.source, BATCH):
            texts = [searched_text(p) for p in passages]
            dense = vectors.embed(texts)
            collection.upsert(passages, dense, [build.bm25.document(t) for t in texts])
            cut += sum(_is_cut(p, t, build.encoder) for p, t in zip(passages, texts, strict=True))
            done += len(passages)
            progress("index", done, build.bm25.rows, f"{vectors.embedded} embedded, {vectors.reused} reused")
        return {"embedded": float(vectors.embedded), "reused": float(vectors.reused), "cut": float(cut)}


def _keep_units(build: _Build, path: Path) -> int:
    """The vectors of all evidence units, for whoever asks the index; none where there are too many passages."""
    if build.bm25.rows > MOST_PASSAGES:
        return 0
    with closing(VectorCache(_shelf(build.cache, build.encoder), build.encoder)) as vectors:
        batches = _held(Shard(0, 1), build.source, build.bm25.rows, "evidence units")
        return store_vectors(path, build.encoder.dimension, map(_units, batches), vectors.embed)


def _is_cut(passage: Passage, text: str, encoder: OnnxEmbedder) -> bool:
    """Whether the encoder reads less than all of it; only passages near the limit are counted."""
    return passage.tokens > encoder.max_tokens // 2 and encoder.tokens(text) >= encoder.max_tokens


def _token(milvus: Milvus) -> str:
    if milvus.token is None:
        return ""
    token = os.environ.get(milvus.token.env, "")
    if not token:
        raise IndexUnusable(f"{milvus.uri}: no token", next_step=f"set {milvus.token.env} in the environment")
    return token


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
