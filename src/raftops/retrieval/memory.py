"""An exact `Retriever` in memory, with the same scores as the built index. For tests and small corpora."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raftops.data.records import Hit, Passage
from raftops.retrieval.bm25 import Bm25Encoder, dot
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
        self._passages = list(passages)
        self._share = dense_share
        texts = [searched_text(p) for p in self._passages]
        self._bm25 = Bm25Encoder(bm25 or Bm25())
        self._bm25.count(texts)
        self._sparse = [self._bm25.document(t) for t in texts]
        self._dense = embedder.embed(texts) if texts else None

    def search(self, question: str, policies: frozenset[str], top_k: int) -> list[Hit]:
        """Best first; only passages whose policy is in `policies`; none if it is empty."""
        return self.within(question, Scope(policies), top_k)

    def documents(self) -> list[Indexed]:
        """The documents of the passages, with the policy that each was indexed under."""
        return list({Indexed(p.doc_id, p.version, p.policy_id): None for p in self._passages})

    def within(self, question: str, scope: Scope, top_k: int) -> list[Hit]:
        """Best first; only passages that the scope admits."""
        allowed = [i for i, p in enumerate(self._passages) if scope.admits(p.doc_id, p.policy_id)]
        if not allowed or self._dense is None or not question.strip():
            return []
        near = self._dense[allowed] @ self.embedder.embed([question])[0]
        weights = self._bm25.query(question)
        words = np.array([dot(weights, self._sparse[i]) for i in allowed])
        return fuse(
            by_id(self._best(allowed, near, top_k)),
            by_id([(p, s) for p, s in self._best(allowed, words, top_k) if s > 0]),
            self._share,
            top_k,
        )

    def _best(self, allowed: Sequence[int], scores: np.ndarray, top_k: int) -> list[tuple[Passage, float]]:
        order = np.argsort(-scores, kind="stable")[: candidates(top_k)]
        return [(self._passages[allowed[i]], float(scores[i])) for i in order]
