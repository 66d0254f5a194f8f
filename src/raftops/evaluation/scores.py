"""One reply to its scores. None where a score does not apply to the question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raftops.access import AccessPolicies
from raftops.evaluation.arms import Quote, Reply
from raftops.evaluation.metrics import answer_contained, citation_precision, citation_recall, token_f1
from raftops.evaluation.questions import UNANSWERABLE, Question
from raftops.evaluation.ranking import Given
from raftops.raftdata.golden import Source

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Judge:
    """Scores replies against the references, the documents and the access policies."""

    access: AccessPolicies
    sources: Mapping[str, Source]

    def scores(self, reply: Reply, shown: Given, cites: bool) -> Scores:
        """Every score of one reply; citation scores only for an arm that can cite."""
        question = shown.question
        common: Scores = {"wrong": float(self.wrong(reply, question)), "tokens": float(reply.completion_tokens)}
        common["seconds"] = reply.seconds
        if cites:
            common["quote_validity"] = self._validity(reply, question)
        if question.kind == UNANSWERABLE:
            return common | {"abstention": float(reply.abstained)}
        return common | self._answer(reply, question) | (self._citations(reply, shown) if cites else {})

    def right(self, reply: Reply, question: Question) -> bool:
        """Whether an answerable question got an answer that says what the reference says."""
        example = question.example
        return not reply.abstained and answer_contained(example.answer, reply.text, example.asked)

    def wrong(self, reply: Reply, question: Question) -> bool:
        """Whether an answer was given, and should not have been: a wrong one, or one to an unanswerable question."""
        return not reply.abstained and (question.kind == UNANSWERABLE or not self.right(reply, question))

    def _answer(self, reply: Reply, question: Question) -> Scores:
        f1 = 0.0 if reply.abstained else token_f1(question.example.answer, reply.text)
        right = self.right(reply, question)
        return {"answer_contained": float(right), "f1": f1, "over_refusal": float(reply.abstained)}

    def _citations(self, reply: Reply, shown: Given) -> Scores:
        proofs = shown.question.proofs
        if reply.abstained:
            return {"citation_precision": None, "citation_recall": 0.0}
        return {
            "citation_precision": citation_precision(reply.text, shown.units, proofs),
            "citation_recall": citation_recall(reply.text, shown.units, proofs),
        }

    def _validity(self, reply: Reply, question: Question) -> float | None:
        valid = [self.valid(quote, question) for quote in reply.quotes]
        return sum(valid) / len(valid) if valid else None

    def valid(self, quote: Quote, question: Question) -> bool:
        """Whether a quote stands word for word where it says, in a document that the asker may read."""
        source = self.sources.get(quote.doc_id)
        if source is None or source.version != quote.version or not quote.text.strip():
            return False
        verbatim = source.text[quote.start : quote.end] == quote.text
        return verbatim and self.access.may_read(question.groups, source.policy_id)
