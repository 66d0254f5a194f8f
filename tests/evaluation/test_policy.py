from dataclasses import replace

import pytest

from raftops.answer.answering import Answerer
from raftops.answer.router import Router
from raftops.data.records import Generation
from raftops.evaluation.policy import LEVELS, choose_answering
from raftops.evaluation.questions import held_out
from raftops.evaluation.scores import Judge
from raftops.spec.model.learning import Evaluate, Prompt
from raftops.spec.model.serving import Router as RouterSpec
from tests.evaluation.doubles import ACCESS, EXAMPLES, SOURCES, Shelf, Words

JUDGE = Judge(ACCESS, SOURCES)
DEV = [
    e.model_copy(update={"id": f"{e.id}-{n}", "split": "dev"})
    for n in range(3) for e in EXAMPLES if e.kind == "knowledge" and not e.unanswerable and e.split == "test"
]  # fmt: skip
QUESTIONS = held_out(Evaluate(), DEV, ACCESS, SOURCES).dev
assert len(QUESTIONS) == 12


class Sure:
    """Says what a function says, and how sure it is."""

    def __init__(self, say):
        self.say, self.asked = say, 0

    def generate(self, messages, max_new_tokens):
        self.asked += 1
        text, confidence = self.say(messages[-1].content)
        return Generation(text, 5, 3, confidence=confidence)


def answerer(say, **prompt):
    settings = Prompt(least_score=0, **prompt)
    return Answerer(Shelf(), Sure(say), settings, Router(RouterSpec(), Words()), "a handbook")


def first(asked):
    return asked.split("\n")[1].split(": ", 1)[-1]


def test_a_tie_goes_to_both_and_to_the_confidence_of_the_spec():
    made = choose_answering(answerer(lambda asked: (f"{first(asked)} [1]", 1.0)), QUESTIONS, JUDGE, "quote")
    assert (made.policy, made.least_confidence) == ("both", 0.75)
    best = {policy: max(t.right - t.wrong for t in made.tried if t.policy == policy) for policy in ("both", "quote")}
    assert made.on == 12 and best["both"] == best["quote"] == pytest.approx(1)
    assert made.chosen_by == "12 questions of the dev split"


def test_where_quotes_are_wrong_and_the_model_declines_rightly_the_short_answer_wins():
    """Nothing here answers the unanswerable ones: a quote is wrong for each, a model that declines is not."""
    absent = [e.model_copy(update={"split": "dev"}) for e in EXAMPLES if e.unanswerable]
    questions = (*QUESTIONS, *held_out(Evaluate(), absent, ACCESS, SOURCES).dev)

    def declines(asked):
        return (Prompt().abstain, 0.9) if "dog" in asked or "Spain" in asked else (f"{first(asked)} [1]", 0.9)

    made = choose_answering(answerer(declines), questions, JUDGE, "both")
    assert made.policy == "short"
    tried = next(t for t in made.tried if t.policy == "short" and t.least_confidence == 0.75)
    assert (tried.right, tried.wrong) == (pytest.approx(6 / 7), 0)


def test_the_least_confidence_is_calibrated_where_the_spec_left_it():
    """Sure of 0.9 where it is right, of 0.85 where it is wrong: a bound between the two keeps just the right ones."""

    def wavers(asked):
        if "Ireland?" in asked or "Germany?" in asked:
            return f"{first(asked)} [1]", 0.9
        said = "A broken laptop is reported within 2 days" if "laptop" in asked else "The merit budget is base salaries"
        return f"{said} [1]", 0.85

    made = choose_answering(answerer(wavers, answer="short"), QUESTIONS, JUDGE, "both")
    assert made.policy == "short" and 0.85 < made.least_confidence <= 0.9
    kept = choose_answering(answerer(wavers, answer="short", least_confidence=0.6), QUESTIONS, JUDGE, "both")
    assert kept.least_confidence == 0.6 and {t.least_confidence for t in kept.tried} == {0.6}


def test_what_the_spec_says_holds_and_too_few_questions_choose_nothing():
    say = lambda asked: (f"{first(asked)} [1]", 1.0)  # noqa: E731
    assert choose_answering(answerer(say, answer="quote"), QUESTIONS, JUDGE, "both").policy == "quote"
    few = choose_answering(answerer(say), QUESTIONS[:9], JUDGE, "quote")
    assert (few.policy, few.on, few.tried) == ("quote", 0, ()) and "too few questions" in few.chosen_by
    assert choose_answering(answerer(say, answer="short"), (), JUDGE, "quote").policy == "short"


def test_the_evidence_is_gathered_once_for_all_choices():
    searched = []

    class Counting(Shelf):
        def search(self, question, policies, top_k):
            searched.append(question)
            return super().search(question, policies, top_k)

    made = answerer(lambda asked: (f"{first(asked)} [1]", 1.0))
    made = Answerer(Counting(), made.generator, made.prompt, made.router, made.title)
    tried = choose_answering(made, QUESTIONS, JUDGE, "both").tried
    assert len(tried) == 2 * len(LEVELS) + 1, "a quote rests on no model's confidence"
    assert len(searched) == len({(q.example.asked, q.policies) for q in QUESTIONS}), "three ids, one question"


def test_what_was_chosen_is_applied_to_the_prompt():
    made = choose_answering(answerer(lambda asked: (Prompt().abstain, 1.0), answer="quote"), (), JUDGE, "both")
    assert made.applied(Prompt()).answer == "quote"


class Doubts:
    """A judgement that is surer of what the documents answer."""

    def probability(self, question, units):
        return 0.75 if "dog" in question or "Spain" in question else 0.9

    def answerable(self, question, units):
        return True


def test_how_likely_a_quote_has_to_answer_is_calibrated_too():
    """The model declines everything; a bound between 0.75 and 0.9 quotes what is answered and nothing else."""
    absent = [e.model_copy(update={"split": "dev"}) for e in EXAMPLES if e.unanswerable]
    questions = (*QUESTIONS, *held_out(Evaluate(), absent, ACCESS, SOURCES).dev)
    silent = replace(answerer(lambda asked: (Prompt().abstain, 0.9), answer="both"), judgement=Doubts())
    few = choose_answering(silent, questions, JUDGE, "both")
    assert few.least_quote == silent.prompt.least_quote, "fourteen questions do not tell it from the spec's"
    made = choose_answering(silent, questions * 4, JUDGE, "both")
    assert 0.75 < made.least_quote <= 0.9 and made.applied(silent.prompt).least_quote == made.least_quote
    tried = next(t for t in made.tried if t.least_quote == made.least_quote)
    assert tried.wrong == 0 and tried.right == pytest.approx(6 / 7)
