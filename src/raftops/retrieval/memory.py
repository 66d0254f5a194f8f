"""An exact `Retriever` in memory, with the same scores as the built index. For tests and small corpora."""

from __future__ import annotations

from collections.abc import Sequence

from raftops.data.records import Hit, Passage
from raftops.retrieval.exact import in_memory
from raftops.retrieval.fusion import by_id, candidates, fuse
from raftops.retrieval.protocols import Embedder
from raftops.retrieval.rows import searched_text
from raftops.retrieval.scope import Indexed, Scope
from raftops.spec.model.knowledge import Bm25


class MemoryRetriever:
    """Search over a list of passages."""

    def __init__(
        self, passages: Sequence[Passage], embedder: Embedder, dense_share: float = 0.6, bm25: Bm25 | None = None
    ) -> None:
        self.embedder = embedder
        self._share = dense_share
        self._passages = list(passages)
        texts = [searched_text(p) for p in passages]
        self._index = in_memory(passages, texts, embedder.embed(texts), bm25 or Bm25()) if texts else None

    def search(self, question: str, policies: frozenset[str], top_k: int) -> list[Hit]:
        """Best first; only passages whose policy is in `policies`; none if it is empty."""
        return self.within(question, Scope(policies), top_k)

    def documents(self) -> list[Indexed]:
        """The documents of the passages, with the policy that each was indexed under."""
        return list({Indexed(p.doc_id, p.version, p.policy_id): None for p in self._passages})

    def within(self, question: str, scope: Scope, top_k: int) -> list[Hit]:
        """Best first; only passages that the scope admits."""
        if not scope or self._index is None or not question.strip():
            return []
        limit = candidates(top_k)
        near = self._index.by_vector(self.embedder.embed([question])[0], scope, limit)
        words = self._index.by_terms(question, scope, limit)
        return fuse(by_id(near), by_id(words), self._share, top_k)
