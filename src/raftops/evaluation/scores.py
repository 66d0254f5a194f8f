"""One reply to its scores. None where a score does not apply to the question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raftops.access import AccessPolicies
from raftops.answer.prompt import cited_numbers
from raftops.evaluation.arms import Quote, Reply
from raftops.evaluation.metrics import accepts, citation_precision, citation_recall, holds_alone, token_f1
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
        right, wrong = self.right(reply, question), self.wrong(reply, question)
        common: Scores = {
            "wrong": float(wrong), "net": float(right) - float(wrong), "tokens": float(reply.completion_tokens),
            "read_tokens": float(reply.prompt_tokens), "seconds": reply.seconds,
        }  # fmt: skip
        if cites:
            common["quote_validity"] = self._validity(reply, question)
        if question.kind == UNANSWERABLE:
            kind = "abstention_near_miss" if question.example.near_miss else "abstention_absent"
            return common | {"abstention": float(reply.abstained), kind: float(reply.abstained)}
        return common | self._answer(reply, question) | (self._citations(reply, shown, right) if cites else {})

    def right(self, reply: Reply, question: Question) -> bool:
        """Whether an answerable question got an answer that says what the reference says, itself or in its quote."""
        if reply.abstained or question.kind == UNANSWERABLE:
            return False
        return accepts(question.example, reply.text) or self._right_alone(reply, question)

    def wrong(self, reply: Reply, question: Question) -> bool:
        """Whether an answer was given, and should not have been: a wrong one, or one to an unanswerable question."""
        return not reply.abstained and not self.right(reply, question)

    def strictly_right(self, reply: Reply, question: Question) -> bool:
        """Right, and not by the grace of a quote beside words that say something else, or no yes or no."""
        return self.right(reply, question) and holds_alone(question.example, _own(reply))

    def _right_alone(self, reply: Reply, question: Question) -> bool:
        return not reply.abstained and accepts(question.example, _own(reply))

    def _answer(self, reply: Reply, question: Question) -> Scores:
        wanted = (question.example.answer, *question.example.accepted)
        f1 = 0.0 if reply.abstained else max(token_f1(reference, _own(reply)) for reference in wanted)
        return {
            "right": float(self.right(reply, question)), "right_strict": float(self.strictly_right(reply, question)),
            "answer_contained": float(self._right_alone(reply, question)), "f1": f1,
            "over_refusal": float(reply.abstained),
        }  # fmt: skip

    def _citations(self, reply: Reply, shown: Given, right: bool) -> Scores:
        proofs, first = shown.question.proofs, float(1 in shown.golden)
        place = "right_gold_first" if first else "right_gold_later"
        scores: Scores = {place: float(right)} if shown.golden else {}
        if reply.abstained:
            return scores | {"citation_precision": None, "citation_recall": 0.0}
        precision = citation_precision(reply.text, shown.units, proofs)
        return scores | {
            "citation_precision": precision, "citation_lift": precision - first,
            "cites_first": float(cited_numbers(reply.text) == [1]),
            "citation_recall": citation_recall(reply.text, shown.units, proofs),
        }  # fmt: skip

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


def _own(reply: Reply) -> str:
    return reply.text if reply.own is None else reply.own
