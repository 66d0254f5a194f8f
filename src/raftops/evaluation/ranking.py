"""What retrieval brings for a question: the units that every arm reads, and how the documents are ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raftops.answering import Library, gather
from raftops.evaluation.metrics import hit, ndcg
from raftops.evaluation.questions import Question
from raftops.raftdata.golden import is_golden
from raftops.records import Unit
from raftops.retrieval.protocols import Retriever
from raftops.spec.model import Prompt

DEPTH = 50
"""Passages searched for a ranking of ten distinct documents."""
CUT = 10
KS = tuple(range(1, CUT + 1))


@dataclass(frozen=True)
class Given:
    """A question and the evidence that all arms are shown."""

    question: Question
    units: tuple[Unit, ...]

    @property
    def golden(self) -> frozenset[int]:
        """Numbers of the units that prove the answer."""
        return frozenset(unit.number for unit in self.units if is_golden(unit, self.question.proofs))


def given(library: Library, question: Question, prompt: Prompt) -> Given:
    """The evidence, gathered as the service gathers it, under the asker's policies."""
    return Given(question, tuple(gather(library, question.example.asked, question.policies, prompt)))


def ranked_documents(retriever: Retriever, question: Question) -> list[str]:
    """Distinct documents in the order of their best passage."""
    hits = retriever.search(question.example.asked, question.policies, DEPTH)
    return list(dict.fromkeys(h.passage.doc_id for h in hits))


def ranking_scores(ranking: Sequence[str], question: Question) -> dict[str, float]:
    """hit@1 to hit@10 and nDCG@10 of one ranking of documents."""
    scores = {f"hit@{k}": hit(ranking, question.documents, k) for k in KS}
    return scores | {f"ndcg@{CUT}": ndcg(ranking, question.documents, CUT)}


def unit_scores(shown: Given) -> dict[str, float]:
    """Whether a golden unit is among the shown ones, and whether it stands first."""
    return {"unit_hit": float(bool(shown.golden)), "unit_first": float(1 in shown.golden)}
