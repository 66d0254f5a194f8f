"""What an answer is made of, chosen on the dev split: the model's words, those with the sentence that proves them, or
that sentence alone; how sure the model has to be, and how likely it that a sentence answers which stands for it. No
held-out question is looked at.

Each dev question is answered once by the model; every choice is then tried on the same words. The measure is right
answers, strictly counted, minus wrong ones: to decline costs nothing and gains nothing. Unanswerable questions count as
if they were one in seven, however many were put: that is what the judgement takes for the usual share, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from raftops.answer.answering import Answerer
from raftops.data.records import Unit
from raftops.evaluation.arms import Reply, reply_of
from raftops.evaluation.questions import ANSWERABLE, Question
from raftops.evaluation.scores import Judge
from raftops.spec.model.learning import Prompt

Policy = Literal["both", "quote", "short"]
POLICIES: tuple[Policy, ...] = ("both", "quote", "short")
"""In the order in which they win a tie."""
LEVELS = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Least confidences that are tried."""
QUOTES = (0.0, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)
"""Least probabilities of a quote that are tried beside the prompt's, with the kind of answer that was best."""
ANSWERABLE_SHARE = 6 / 7
"""Of the questions that readers put."""
LEAST_QUESTIONS = 10
"""Answerable dev questions below which nothing is chosen by them."""


@dataclass(frozen=True)
class Tried:
    """A choice and what it came to on the dev questions."""

    policy: Policy
    least_confidence: float
    least_quote: float
    right: float
    """Share of all questions as readers put them, strictly."""
    wrong: float
    declined: float


@dataclass(frozen=True)
class Answering:
    """How the service answers, and who decided it."""

    policy: Policy
    least_confidence: float
    least_quote: float
    on: int
    """Dev questions that it was chosen on."""
    chosen_by: str
    """In words."""
    tried: tuple[Tried, ...] = ()

    def applied(self, prompt: Prompt) -> Prompt:
        """The prompt with what was chosen."""
        chosen = {"least_confidence": self.least_confidence, "least_quote": self.least_quote}
        return prompt.model_copy(update={"answer": self.policy, **chosen})


def choose_answering(answerer: Answerer, questions: Sequence[Question], judge: Judge, fallback: Policy) -> Answering:
    """The best kind of answer and least confidence on the dev questions.

    What the spec says stays as it says: a kind that is not `auto`, and a least confidence that is not the default. With
    too few questions the kind is `fallback`.
    """
    prompt = answerer.prompt
    policies = POLICIES if prompt.answer == "auto" else (prompt.answer,)
    answerable = sum(question.kind == ANSWERABLE for question in questions)
    if answerable < LEAST_QUESTIONS:
        few = f"the dev split has too few questions to choose by: {answerable} that are answerable"
        if prompt.answer != "auto":
            return Answering(prompt.answer, prompt.least_confidence, prompt.least_quote, 0, f"the spec ({few})")
        why = "the held-out questions, where quoting came out better" if fallback == "quote" else "default"
        return Answering(fallback, prompt.least_confidence, prompt.least_quote, 0, f"{why} ({few})")
    usual = Prompt.model_fields["least_confidence"].default
    levels = LEVELS if prompt.least_confidence == usual else (prompt.least_confidence,)
    once = _Once(**{each.name: getattr(answerer, each.name) for each in fields(Answerer)}, asks=answerer)
    tried = [
        _tried(once, policy, level, prompt.least_quote, questions, judge)
        for policy in policies
        for level in (levels if policy != "quote" else (prompt.least_confidence,))  # quotes ask no model
    ]
    best = max(tried, key=lambda t: (round(t.right - t.wrong, 9), -POLICIES.index(t.policy), -_far(t, prompt)))
    if (
        answerer.judgement
        and best.policy != "short"
        and prompt.least_quote == Prompt.model_fields["least_quote"].default
    ):
        tried += [_tried(once, best.policy, best.least_confidence, least, questions, judge) for least in QUOTES]
        best = _plainest([best, *tried[-len(QUOTES) :]], prompt, len(questions))
    who = f"{len(questions)} questions of the dev split"
    who = who if len(policies) > 1 else f"the spec, and least_confidence by {who}"
    return Answering(best.policy, best.least_confidence, best.least_quote, len(questions), who, tuple(tried))


def _plainest(tried: Sequence[Tried], prompt: Prompt, questions: int) -> Tried:
    """The one nearest to the prompt of those within a standard error of the best (Breiman et al. 1984, CART)."""
    top = max(tried, key=lambda t: t.right - t.wrong)
    error = math.sqrt(max(0.0, top.right + top.wrong - (top.right - top.wrong) ** 2) / questions)
    able = [t for t in tried if t.right - t.wrong >= top.right - top.wrong - error]
    return min(able, key=lambda t: _far(t, prompt))


def _far(tried: Tried, prompt: Prompt) -> float:
    return abs(tried.least_confidence - prompt.least_confidence) + abs(tried.least_quote - prompt.least_quote)


def _tried(  # noqa: PLR0913  a choice, and what it is tried on
    once: _Once, policy: Policy, level: float, least_quote: float, questions: Sequence[Question], judge: Judge
) -> Tried:
    chosen = {"answer": policy, "least_confidence": level, "least_quote": least_quote}
    prompt = once.prompt.model_copy(update=chosen)
    answerer = replace(once, prompt=prompt)
    replies: list[tuple[Reply, Question]] = []
    for question in questions:
        answer = answerer.answer(question.example.asked, question.policies)
        replies.append((reply_of(answer, question.example.id), question))
    weights = _weights(questions)
    shares = [
        sum(weight * float(count) for weight, count in zip(weights, counted, strict=True))
        for counted in (
            [judge.strictly_right(*pair) for pair in replies],
            [judge.wrong(*pair) for pair in replies],
            [reply.abstained for reply, _ in replies],
        )
    ]
    return Tried(policy, level, least_quote, *shares)


def _weights(questions: Sequence[Question]) -> list[float]:
    """What each question counts; together 1."""
    answerable = sum(question.kind == ANSWERABLE for question in questions)
    if answerable in (0, len(questions)):
        return [1 / len(questions)] * len(questions)
    each = ANSWERABLE_SHARE / answerable, (1 - ANSWERABLE_SHARE) / (len(questions) - answerable)
    return [each[question.kind != ANSWERABLE] for question in questions]


@dataclass(frozen=True)
class _Once(Answerer):
    """An answerer that gathers the evidence of a question once, however often it is asked."""

    asks: Answerer | None = None
    known: dict[tuple[str, frozenset[str]], list[Unit]] = field(default_factory=dict)

    def candidates(self, question: str, policies: frozenset[str]) -> list[Unit]:
        """As they were gathered first."""
        key = (question, policies)
        if key not in self.known:
            asks = self.asks
            self.known[key] = asks.candidates(question, policies) if asks else super().candidates(question, policies)
        return self.known[key]
