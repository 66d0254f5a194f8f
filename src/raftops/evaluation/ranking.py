"""What retrieval brings for a question: the units that every arm reads, and how the documents are ranked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from raftops.answer.answering import Answerer, gather
from raftops.data.records import Hit, Unit
from raftops.evaluation.metrics import hit, ndcg
from raftops.evaluation.questions import Question
from raftops.raftdata.golden import Source, is_golden, numbered, unit_of
from raftops.retrieval.fusion import Scored, candidates, fuse
from raftops.retrieval.protocols import Retriever

DEPTH = 50
"""Passages searched for a ranking of ten distinct documents."""
CUT = 10
KS = tuple(range(1, CUT + 1))


@dataclass(frozen=True)
class Given:
    """A question and the evidence that all arms are shown."""

    question: Question
    units: tuple[Unit, ...]
    before: tuple[Unit, ...] | None = None
    """The evidence as it was before the re-ranker; None where there is none."""
    seconds: float = field(default=0.0, compare=False)
    """That it took to find, the first time that the question was put."""

    @property
    def golden(self) -> frozenset[int]:
        """Numbers of the units that prove the answer."""
        return frozenset(unit.number for unit in self.units if is_golden(unit, self.question.proofs))


def given(answerer: Answerer, question: Question) -> Given:
    """The evidence, gathered as the service gathers it, under the asker's policies."""
    asked, policies, before = question.example.asked, question.policies, None
    started = time.perf_counter()
    units = tuple(answerer.units(asked, policies))
    seconds = time.perf_counter() - started
    if answerer.reranker:
        before = tuple(gather(answerer.library, asked, policies, answerer.prompt))
    return Given(question, units, before, seconds)


def alone(shown: Given, sources: Mapping[str, Source]) -> Given:
    """A question with its proofs and nothing else, in the service's own cut where it shows them; nothing where nothing
    answers."""
    question = shown.question
    units = []
    for proof in question.proofs:
        cut = (unit for unit in shown.units if is_golden(unit, [proof]))
        units.append(next(cut, None) or unit_of(proof, sources[proof.doc_id]))
    return Given(question, tuple(numbered(list(dict.fromkeys(units)))))


class TwoSided(Protocol):
    """An index that can be asked for its two signals."""

    def found(self, question: str, policies: frozenset[str], limit: int) -> tuple[Scored, Scored]:
        """What the dense and the sparse side find, before fusion."""


@dataclass(frozen=True)
class Weighted:
    """A `Retriever` over the same index with another weight of the dense signal: 0 is BM25 alone, 1 dense alone."""

    index: TwoSided
    dense_share: float

    def search(self, question: str, policies: frozenset[str], top_k: int) -> list[Hit]:
        """Best first."""
        dense, sparse = self.index.found(question, policies, candidates(top_k))
        return fuse(dense if self.dense_share else {}, sparse if self.dense_share < 1 else {}, self.dense_share, top_k)


def ranked_documents(retriever: Retriever, question: Question) -> list[str]:
    """Distinct documents in the order of their best passage."""
    hits = retriever.search(question.example.asked, question.policies, DEPTH)
    return list(dict.fromkeys(h.passage.doc_id for h in hits))


def ranking_scores(ranking: Sequence[str], question: Question) -> dict[str, float]:
    """hit@1 to hit@10 and nDCG@10 of one ranking of documents."""
    scores = {f"hit@{k}": hit(ranking, question.documents, k) for k in KS}
    return scores | {f"ndcg@{CUT}": ndcg(ranking, question.documents, CUT)}


def unit_scores(shown: Given) -> dict[str, float]:
    """Whether a golden unit is among the shown ones, whether it stands first, and what the re-ranker did for that."""
    first = float(1 in shown.golden)
    scores = {"unit_hit": float(bool(shown.golden)), "unit_first": first}
    if shown.before is None:
        return scores
    before = float(any(is_golden(unit, shown.question.proofs) for unit in shown.before[:1]))
    return scores | {"unit_first_before": before, "rerank_gain": first - before}
