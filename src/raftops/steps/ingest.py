"""Ingest: accepted documents to passages with exact places. Streams; parses only what changed; loses nothing silently.

Writes `passages.parquet`, `documents.parquet` and `ingest.json`; the same input gives the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raftops.data.dvc import OnDemand
from raftops.data.records import Document, Shard
from raftops.errors import StepError
from raftops.files import atomic, read_json, read_jsonl, sha256_file, write_json
from raftops.models import resolve
from raftops.parsing.passages import Cutter, spans_as_json
from raftops.spec.model.knowledge import Ingest

Metrics = dict[str, float]
ROW_GROUP_CHARS = 4_000_000
_STRING, _INT = pa.string(), pa.int64()
PASSAGES = pa.schema(
    [("passage_id", _STRING), ("doc_id", _STRING), ("version", _STRING), ("title", _STRING), ("text", _STRING)]
    + [("start", _INT), ("end", _INT), ("locator", _STRING), ("policy_id", _STRING), ("uri", _STRING)]
    + [("tokens", _INT), ("spans", _STRING)]
)
DOCUMENTS = pa.schema([(name, _STRING) for name in ("doc_id", "version", "title", "policy_id", "uri", "text")])


def ingest(  # noqa: PLR0913  one argument per artifact
    config: Ingest,
    embedder: str,
    accepted: Path,
    passages: Path,
    cache: Path,
    source: Mapping[str, Any] | None = None,
) -> Metrics:
    """Cut every accepted document into passages of at most `chunk_tokens` tokens of the embedder.

    A document that has to be parsed and is missing is fetched from `source` (`raftops.data.dvc.Source`).
    """
    cutter, documents = _cutter(config, embedder, cache), _documents(accepted / _MANIFEST)
    fetch = OnDemand(source)
    with _written(config, passages) as (tables, counts):
        for document in documents:
            _ready(document, cutter, fetch)
            _one(document, cutter, tables, counts, skip=config.on_bad_file == "skip")
        counts.check()
    return counts.metrics(cutter.parsed)


def accepted_documents(accepted: Path, documents: Path, source: Mapping[str, Any] | None = None) -> Metrics:
    """The accepted documents alone, and where each comes from: the input of shards, and all of it."""
    manifest = documents / _MANIFEST
    with atomic(manifest, "wb") as out, (accepted / _MANIFEST).open("rb") as rows:
        shutil.copyfileobj(rows, out)
    paths = [Path(document.path) for document in _documents(manifest)]
    write_json(documents / _SOURCE, OnDemand(source).only(paths))
    return {"documents": float(len(paths))}


def ingest_shard(  # noqa: PLR0913  as `ingest`, with the part to do
    config: Ingest, embedder: str, shard: Shard, documents: Path, part: Path, cache: Path
) -> Metrics:
    """`ingest` of one part of what `accepted_documents` listed, to be merged. A part may have no passage."""
    manifest = documents / _MANIFEST
    cutter, total = _cutter(config, embedder, cache), sum(1 for _ in read_jsonl(manifest))
    fetch = OnDemand(read_json(documents / _SOURCE))
    with _written(config, part) as (tables, counts):
        for position, document in enumerate(_documents(manifest)):
            if shard.holds(position, total):
                _ready(document, cutter, fetch)
                _one(document, cutter, tables, counts, skip=config.on_bad_file == "skip")
    write_json(part / "shard.json", {"parsed": cutter.parsed})
    return counts.metrics(cutter.parsed)


def merge_passages(config: Ingest, parts: Sequence[Path], passages: Path) -> Metrics:
    """What `ingest` would have written, byte for byte, from all its parts in their order."""
    with _written(config, passages) as (tables, counts):
        for part in parts:
            for table, name in zip(tables, _FILES, strict=True):
                for row in _rows(part / name):
                    table.add(row)
            counts.add(read_json(part / "ingest.json"))
        counts.check()
    return counts.metrics(sum(read_json(part / "shard.json")["parsed"] for part in parts))


_MANIFEST, _SOURCE = "documents.jsonl", "source.json"
_FILES = ("passages.parquet", "documents.parquet")
_Tables = tuple["_Table", "_Table"]


def _cutter(config: Ingest, embedder: str, cache: Path) -> Cutter:
    model = resolve(embedder, cache)
    return Cutter(model.path, model.digest, config.chunk_tokens, cache / "parsed")


@contextmanager
def _written(config: Ingest, folder: Path) -> Iterator[tuple[_Tables, _Counts]]:
    """The two tables and the counts of one run; they are written when the block ends without an error."""
    counts = _Counts()
    with ExitStack() as stack:
        rows, texts = (stack.enter_context(atomic(folder / name, "wb")) for name in _FILES)
        tables = _Table(rows, PASSAGES), _Table(texts, DOCUMENTS)
        yield tables, counts
        for table in tables:
            table.close()
    write_json(folder / "ingest.json", counts.as_json(config))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(512):
            yield from batch.to_pylist()


@dataclass
class _Counts:
    """The figures of a run so far."""

    documents: int = 0
    passages: int = 0
    tokens: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)
    notes: list[dict[str, str]] = field(default_factory=list)

    def check(self) -> None:
        """A run without a single passage is a failure, with the first reason."""
        if not self.passages:
            why = f"; {self.skipped[0]['doc_id']}: {self.skipped[0]['reason']}" if self.skipped else ""
            raise StepError(
                f"no passage: {self.documents} documents parsed, {len(self.skipped)} skipped{why}",
                next_step="check data.documents in the spec, then `raftops run` again",
            )

    def add(self, counted: dict[str, Any]) -> None:
        """Add what a part counted."""
        self.documents += counted["documents"]
        self.passages += counted["passages"]
        self.tokens += counted["tokens"]
        self.skipped += counted["skipped"]
        self.notes += counted["notes"]

    def as_json(self, config: Ingest) -> dict[str, Any]:
        """The rows of `ingest.json`; nothing that depends on what the cache held."""
        names = {"documents": self.documents, "passages": self.passages, "tokens": self.tokens}
        return {**names, "chunk_tokens": config.chunk_tokens, "skipped": self.skipped, "notes": self.notes}

    def metrics(self, parsed: int) -> Metrics:
        """Figures of the run."""
        counts = {"documents": self.documents, "passages": self.passages, "tokens": self.tokens}
        return {k: float(v) for k, v in {**counts, "parsed": parsed, "skipped": len(self.skipped)}.items()}


class _Table:
    """A Parquet file written row group by row group."""

    def __init__(self, file: Any, schema: Any) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(file, schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._chars = 0

    def add(self, row: dict[str, Any]) -> None:
        """Add a row; full groups go to disk."""
        self._rows.append(row)
        self._chars += len(row["text"])
        if self._chars >= ROW_GROUP_CHARS:
            self._flush()

    def close(self) -> None:
        """Write what is left and the footer; a file without rows still has its columns."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows, self._chars = [], 0


def _documents(manifest: Path) -> Iterator[Document]:
    """The manifest's rows in the order of their ids; disorder and repetition are errors."""
    last = ""
    for number, row in read_jsonl(manifest):
        try:
            document = Document(**row)
        except TypeError as error:
            raise StepError(f"{manifest}:{number}: not a row of the manifest ({error})") from error
        if document.doc_id <= last:
            raise StepError(f"{manifest}:{number}: {document.doc_id!r} is repeated or out of order")
        last = document.doc_id
        yield document


def _one(document: Document, cutter: Cutter, tables: _Tables, counts: _Counts, *, skip: bool) -> None:
    """Parse and cut a document, or take it from the cache, and write its rows; one that fails may be skipped."""
    try:
        cut = cutter.cut(document)
    except StepError as error:
        if not skip:
            raise StepError(f"{document.doc_id}: {error}", next_step=error.next_step) from error
        counts.skipped.append({"doc_id": document.doc_id, "reason": str(error).removeprefix(f"{document.path}: ")})
        return
    rows, texts = tables
    counts.documents += 1
    counts.notes += [{"doc_id": document.doc_id, "note": note} for note in cut.notes]
    same = {name: getattr(document, name) for name in ("doc_id", "version", "policy_id", "uri")}
    texts.add({**same, "title": cut.title, "text": cut.text})
    for passage in cutter.passages(document, cut):
        counts.passages += 1
        counts.tokens += passage.tokens
        row = {name: getattr(passage, name) for name in PASSAGES.names if name not in ("locator", "spans")}
        rows.add({**row, "locator": _json(passage.locator.as_dict()), "spans": _json(spans_as_json(passage.spans))})


def _ready(document: Document, cutter: Cutter, fetch: OnDemand) -> None:
    """The file is there and is the one that validate accepted (its report holds for no other), or it is cached."""
    path = Path(document.path)
    if not path.is_file() and cutter.knows(document):
        return
    fetch(path)
    try:
        version = sha256_file(path)
    except OSError as error:
        raise StepError(
            f"{document.doc_id}: {document.path} cannot be read ({error.strerror})",
            next_step="run again: validate makes a new manifest",
        ) from error
    if version != document.version:
        raise StepError(
            f"{document.doc_id}: {document.path} changed since validate "
            f"({document.version[:12]} accepted, {version[:12]} found)",
            next_step="run again: validate makes a new manifest",
        )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
