"""A built index as a `Retriever`: dense and sparse search under one policy filter, fused. Never writes the index.

An index in its own folder is searched in this process, over mapped files; one on a Milvus server is searched there.
Nothing is kept from one caller's turn to the next.
"""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow.parquet as parquet

from raftops.data.records import Hit
from raftops.errors import IndexUnusable, RaftopsError
from raftops.files import read_json
from raftops.retrieval.bm25 import load_bm25
from raftops.retrieval.embedder import open_embedder
from raftops.retrieval.exact_files import AGAIN, open_exact_index
from raftops.retrieval.fusion import Scored, by_id, candidates, fuse
from raftops.retrieval.memo import IndexEmbedder, PerTurn, text_of_turn
from raftops.retrieval.protocols import Embedder, Searched
from raftops.retrieval.scope import Indexed, Scope
from raftops.retrieval.stored import FILE, Stored


class HybridRetriever:
    """Search over one built index. Close it, or use it in a `with` block."""

    def __init__(self, searched: Searched, embedder: Embedder, dense_share: float, built: Path) -> None:
        self.embedder: Embedder = IndexEmbedder(PerTurn(embedder), PerTurn(Stored(embedder, built / FILE)))
        """The embedder of this index, with the vectors that lie beside it."""
        self._searched = searched
        self._share = dense_share
        self._documents = built / "documents.parquet"

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
        dense = self._searched.by_vector(vector, scope, limit)
        sparse = self._searched.by_terms(question, scope, limit)
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
        return text_of_turn((self._documents, doc_id, version), lambda: self._read_text(doc_id, version))

    def _read_text(self, doc_id: str, version: str) -> str:
        wanted = [("doc_id", "==", doc_id), ("version", "==", version)]
        texts = parquet.read_table(self._documents, columns=["text"], filters=wanted)["text"].to_pylist()
        if not texts:
            raise IndexUnusable(f"{self._documents}: no document {doc_id} in version {version[:12]}", next_step=AGAIN)
        return str(texts[0])

    def close(self) -> None:
        """Release the index."""
        self._searched.close()

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
    if about["uri"] == "embedded":
        searched: Searched = open_exact_index(built, about["rows"], about["dimension"], bm25.config)
    else:
        searched = import_module("raftops.retrieval.milvus").open_served(about, bm25, built)
    retriever = HybridRetriever(searched, embedder, dense_share, built)
    try:
        searched.warm_up(embedder.embed(["warm up"])[0])
    except RaftopsError:
        retriever.close()
        raise
    return retriever


def _about(built: Path) -> dict[str, Any]:
    if not (built / "index.json").is_file():
        raise IndexUnusable(f"{built}: no index here", next_step=AGAIN)
    about: dict[str, Any] = read_json(built / "index.json")
    return about
