"""Exact search in this process, over arrays: every cosine, and BM25 by the statistics of what the caller may read.

What it answers depends on readable passages alone: their count, mean length and document frequencies are taken for each
search within its `Scope`, and a row's score hangs on no other row, to the last bit. Nothing listens, and nothing is
written or kept from one search to the next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from raftops.data.records import Passage
from raftops.retrieval.bm25 import idf, saturated, term_ids
from raftops.retrieval.protocols import Vectors
from raftops.retrieval.scope import Scope
from raftops.spec.model.knowledge import Bm25

Ints = npt.NDArray[np.integer]
Mask = npt.NDArray[np.bool_]


class Rows(Protocol):
    """Passages by their row."""

    def __getitem__(self, row: int, /) -> Passage:
        """The passage of a row."""


@dataclass(frozen=True)
class Postings:
    """Which row holds a term, and how often: the rows of term `terms[i]` lie from `starts[i]` to `starts[i + 1]`."""

    terms: Ints
    """Ids, ascending."""
    starts: Ints
    rows: Ints
    counts: Ints

    @classmethod
    def of(cls, rows: Iterable[tuple[Ints, Ints]]) -> Postings:
        """From the term ids and counts of each row in turn. All of them are in memory: about 12 bytes a posting."""
        pairs = list(rows)
        sizes = [len(ids) for ids, _ in pairs]
        ids = np.concatenate([np.zeros(0, np.uint32), *(ids for ids, _ in pairs)]).astype(np.uint32)
        counts = np.concatenate([np.zeros(0, np.uint16), *(counts for _, counts in pairs)]).astype(np.uint16)
        order = np.argsort(ids, kind="stable")
        terms, first = np.unique(ids[order], return_index=True)
        held = np.repeat(np.arange(len(pairs), dtype=np.uint32), sizes)[order]
        return cls(terms, np.append(first, len(ids)).astype(np.int32), held, counts[order])

    def of_term(self, term: int) -> tuple[Ints, Ints]:
        """Rows and counts of a term; none where no row has it."""
        at = int(np.searchsorted(self.terms, term))
        if at == len(self.terms) or self.terms[at] != term:
            return self.rows[:0], self.counts[:0]
        held = slice(int(self.starts[at]), int(self.starts[at + 1]))
        return self.rows[held], self.counts[held]


def counted(text: str, language: str) -> tuple[Ints, Ints, int]:
    """The term ids of a text, how often each occurs, and how many terms it has."""
    ids = term_ids(text, language)
    each, counts = np.unique(np.array(ids, dtype=np.uint32), return_counts=True)
    return each, counts, len(ids)


class Labels:
    """A name for each row, as numbers."""

    def __init__(self, names: pa.ChunkedArray | pa.Array) -> None:
        """`names` are in the order of the rows; None stands for no name."""
        encoded = names.dictionary_encode()
        encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        self._names: list[str] = encoded.dictionary.to_pylist()
        self._code = {name: code for code, name in enumerate(self._names)}
        self._of_row = encoded.indices.fill_null(len(self._names)).to_numpy(zero_copy_only=False)

    def among(self, names: Collection[str]) -> Mask:
        """For each row, whether its name is one of these. No name is none of them."""
        chosen = np.zeros(len(self._names) + 1, dtype=np.bool_)
        chosen[[self._code[name] for name in names if name in self._code]] = True
        return np.asarray(chosen[self._of_row])


@dataclass(frozen=True)
class ExactIndex:
    """A `Searched` over arrays, in memory or mapped from files."""

    passages: Rows
    policies: Labels
    documents: Labels
    dense: Vectors
    """A unit vector for each row."""
    postings: Postings
    lengths: Ints
    """Terms of each row."""
    config: Bm25

    def by_vector(self, vector: Vectors, scope: Scope, limit: int) -> list[tuple[Passage, float]]:
        """Nearest passages by cosine; every one is compared."""
        readable = self._readable(scope)
        # not `dense @ vector`: BLAS adds up a row in an order that hangs on how many rows there are
        return self._best(np.flatnonzero(readable), np.einsum("ij,j->i", self.dense, vector), limit)

    def by_terms(self, question: str, scope: Scope, limit: int) -> list[tuple[Passage, float]]:
        """Best passages by BM25, as if there were no others than the readable ones; only those that share a term."""
        readable = self._readable(scope)
        rows = int(np.count_nonzero(readable))
        mean = int(self.lengths[readable].sum()) / rows if rows else 0.0
        scores = np.zeros(len(self.lengths))
        for term in sorted(set(term_ids(question, self.config.language))):
            held, counts = self.postings.of_term(term)
            kept = readable[held]
            held, counts = held[kept], counts[kept]
            scores[held] += idf(rows, len(held)) * saturated(counts, self.lengths[held], mean, self.config)
        return self._best(np.flatnonzero(scores > 0), scores, limit)

    def warm_up(self, vector: Vectors) -> None:
        """Read what a search reads, once."""
        self.by_vector(vector, Scope(), 1)

    def close(self) -> None:
        """Nothing is held but memory and mapped files."""

    def _readable(self, scope: Scope) -> Mask:
        readable = self.policies.among(scope.policies)
        if scope.without:
            readable &= ~self.documents.among(scope.without)
        if scope.also:
            readable |= self.documents.among(scope.also)
        return readable

    def _best(self, rows: Ints, scores: npt.NDArray[np.floating], limit: int) -> list[tuple[Passage, float]]:
        """The best of these rows; the first of equals comes first."""
        found = scores[rows]
        if limit < len(rows):
            least = np.partition(found, -limit)[-limit]
            rows, found = rows[found >= least], found[found >= least]
        order = np.argsort(-found, kind="stable")[:limit]
        return [(self.passages[int(rows[i])], float(found[i])) for i in order]


def in_memory(passages: Sequence[Passage], texts: Sequence[str], dense: Vectors, config: Bm25) -> ExactIndex:
    """An index of passages in memory; `texts` is what is searched of each."""
    rows = [counted(text, config.language) for text in texts]
    return ExactIndex(
        passages=passages,
        policies=Labels(pa.array([p.policy_id for p in passages], pa.string())),
        documents=Labels(pa.array([p.doc_id for p in passages], pa.string())),
        dense=dense,
        postings=Postings.of((ids, counts) for ids, counts, _ in rows),
        lengths=np.array([length for _, _, length in rows], dtype=np.int64),
        config=config,
    )
