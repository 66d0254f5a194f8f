"""A built index as a `Retriever`: dense and sparse search under one policy filter, fused. Never writes the index."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cached_property, lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow.parquet as parquet

from raftops.data.records import Hit
from raftops.errors import IndexUnusable, RaftopsError
from raftops.files import link_or_copy, read_json
from raftops.retrieval.bm25 import Bm25Encoder, load_bm25
from raftops.retrieval.embedder import open_embedder
from raftops.retrieval.fusion import Scored, by_id, candidates, fuse
from raftops.retrieval.memo import Remembering
from raftops.retrieval.milvus import MilvusConnection, PassageCollection
from raftops.retrieval.protocols import Embedder
from raftops.retrieval.scope import Indexed, Scope
from raftops.retrieval.stored import FILE, Stored

AGAIN = "run the index step again"


class HybridRetriever:
    """Search over one built index. Close it, or use it in a `with` block."""

    def __init__(  # noqa: PLR0913  what is searched, by what, and what goes with it
        self,
        collection: PassageCollection,
        bm25: Bm25Encoder,
        embedder: Embedder,
        dense_share: float,
        built: Path,
        view: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        """`view` is the folder that the connection reads from, if it has one of its own; it goes with the index."""
        self.embedder: Embedder = Remembering(Stored(embedder, built / FILE))
        """The embedder of this index, with the vectors that lie beside it and a memory of the last texts."""
        self._collection = collection
        self._bm25 = bm25
        self._share = dense_share
        self._documents = built / "documents.parquet"
        self._view = view
        self._text = lru_cache(maxsize=256)(self._read_text)

    def search(self, question: str, policies: frozenset[str], top_k: int) -> list[Hit]:
        """Best first; only passages whose policy is in `policies`; none if it is empty."""
        return self.within(question, Scope(policies), top_k)

    def within(self, question: str, scope: Scope, top_k: int) -> list[Hit]:
        """Best first; only passages that the scope admits."""
        dense, sparse = self._found(question, scope, candidates(top_k))
        return fuse(dense, sparse, self._share, top_k)

    def found(self, question: str, policies: frozenset[str], limit: int) -> tuple[Scored, Scored]:
        """What the dense and the sparse side find, before fusion."""
        return self._found(question, Scope(policies), limit)

    def _found(self, question: str, scope: Scope, limit: int) -> tuple[Scored, Scored]:
        if not scope or not question.strip():
            return {}, {}
        vector = self.embedder.embed([question])[0]
        dense = self._collection.by_vector(vector, scope, limit)
        sparse = self._collection.by_terms(self._bm25.query(question), scope, limit)
        return by_id(dense), by_id(sparse)

    def tokens(self, text: str) -> int:
        """Length of a text, in tokens of the embedder."""
        return self.embedder.tokens(text)

    @cached_property
    def _indexed(self) -> list[Indexed]:
        columns = parquet.read_table(self._documents, columns=["doc_id", "version", "policy_id"]).to_pydict()
        rows = zip(columns["doc_id"], columns["version"], columns["policy_id"], strict=True)
        return [Indexed(doc_id, version, policy_id or "") for doc_id, version, policy_id in rows]

    def documents(self) -> list[Indexed]:
        """The documents of the index, with the policy that each had when it was built."""
        return self._indexed

    def document_text(self, doc_id: str, version: str) -> str:
        """The parsed text of a document. Does not ask who may read it: ask the access module first."""
        return self._text(doc_id, version)

    def _read_text(self, doc_id: str, version: str) -> str:
        wanted = [("doc_id", "==", doc_id), ("version", "==", version)]
        texts = parquet.read_table(self._documents, columns=["text"], filters=wanted)["text"].to_pylist()
        if not texts:
            raise IndexUnusable(f"{self._documents}: no document {doc_id} in version {version[:12]}", next_step=AGAIN)
        return str(texts[0])

    def close(self) -> None:
        """Release the connection."""
        self._collection.connection.close()
        if self._view:
            self._view.cleanup()

    def __enter__(self) -> HybridRetriever:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_index(built: Path, dense_share: float, embedder: Embedder | None = None) -> HybridRetriever:
    """Open what the index step built and check that it is whole. `embedder` stands in for the stored one."""
    about = _about(built)
    embedder = embedder or open_embedder(built / "embedder", about["engine"])
    if embedder.name != about["embedder"]:
        raise IndexUnusable(f"{built}: built by {about['embedder']}, read by {embedder.name}", next_step=AGAIN)
    bm25 = load_bm25(built / "bm25.json")
    view = _private_view(built / "milvus.db") if about["uri"] == "embedded" else None
    uri = f"{view.name}/milvus.db" if view else about["uri"]
    connection = MilvusConnection(uri, os.environ.get(about.get("token_env") or "", ""))
    collection = PassageCollection(connection, about["collection"])
    retriever = HybridRetriever(collection, bm25, embedder, dense_share, built, view)
    try:
        _verify(collection, about, built)
        collection.warm_up(embedder.embed(["warm up"])[0])
    except RaftopsError:
        retriever.close()
        raise
    return retriever


def _about(built: Path) -> dict[str, Any]:
    if not (built / "index.json").is_file():
        raise IndexUnusable(f"{built}: no index here", next_step=AGAIN)
    about: dict[str, Any] = read_json(built / "index.json")
    return about


def _verify(collection: PassageCollection, about: dict[str, Any], built: Path) -> None:
    if about["collection"] not in collection.connection.collections():
        raise IndexUnusable(f"{built}: collection {about['collection']} is gone from {about['uri']}", next_step=AGAIN)
    if about["uri"] != "embedded":
        collection.connection.claim(about["collection"])
    collection.load()
    rows = collection.count()
    if rows != about["rows"]:
        raise IndexUnusable(f"{built}: {rows} passages stored, {about['rows']} expected", next_step=AGAIN)


def _private_view(database: Path) -> tempfile.TemporaryDirectory[str]:
    """Links to Lite's files with a lock of their own: many processes may read one index, also a read-only one."""
    if not database.is_dir():
        raise IndexUnusable(f"{database}: missing", next_step=AGAIN)
    view = tempfile.TemporaryDirectory(prefix="raftops-index-")
    target = Path(view.name) / "milvus.db"
    shutil.copytree(database, target, copy_function=link_or_copy, ignore=shutil.ignore_patterns("LOCK"))
    return view
