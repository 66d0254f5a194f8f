import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raftops.data.records import Example, Locator, Unit
from raftops.evaluation.metrics import (
    QUESTIONS,
    abstains,
    accepts,
    answer_contained,
    citation_precision,
    citation_recall,
    harmonic,
    hit,
    holds_alone,
    kind_of_question,
    ndcg,
    normalised,
    opposed,
    polarity,
    token_f1,
)
from raftops.raftdata.golden import Proof
from raftops.spec.model.learning import Prompt

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)


def unit(number, doc_id="a.md", start=0, end=10):
    return Unit(number, "x" * (end - start), doc_id, "v", "T", "", "p", start, end, Locator(), 1.0)


def test_normalising_takes_case_punctuation_and_articles_away():
    assert normalised("The  “Big”, bad—wolf's (a) den!") == ["big", "badwolfs", "den"]


@pytest.mark.parametrize(
    ("reference", "answer", "f1"),
    [
        ("25 working days", "25 working days", 1.0),
        ("25 working days", "You get 25 days [2]", 2 * (2 / 4) * (2 / 3) / (2 / 4 + 2 / 3)),
        ("25 working days", "nothing of it", 0.0),
        ("25 working days", "", 0.0),
    ],
)
def test_token_f1_by_hand(reference, answer, f1):
    assert token_f1(reference, answer) == pytest.approx(f1)


@given(TEXTS, TEXTS)
@example("0\r:0", "")
def test_token_f1_is_a_share_symmetric_and_one_for_the_same(one, other):
    assert 0 <= token_f1(one, other) <= 1
    assert token_f1(one, one) == 1
    if "[" not in one + other:
        assert token_f1(one, other) == pytest.approx(token_f1(other, one))


@pytest.mark.parametrize(
    ("question", "reference", "answer", "right"),
    [
        (
            "How much leave each year?",
            "25 working days per leave year.",
            "You get 25 working days. [1]",
            True,
        ),
        (
            "How much leave each year?",
            "25 working days per leave year.",
            "You get 30 working days. [1]",
            False,
        ),
        ("How much leave each year?", "25 working days per leave year.", "25", False),
        ("Is there extra leave?", "Yes, 5 additional days.", "Yes. 5 additional days are granted.", True),
        ("Is there extra leave?", "Yes, 5 additional days.", "No, not 5 additional days.", False),
        ("Who approves it?", "The People Team.", "the people team approves", True),
        ("Who approves it?", "Ask the People Team.", "Ask the Finance Team.", False),
        ("What do I lose?", "You lose access to Receiptly and Waypoint.", "Access to Waypoint and Receiptly.", True),
        ("What do I lose?", "You lose access to Receiptly and Waypoint.", "Access to Waypoint.", False),
        ("Is 30 days enough?", "Yes, 30 days are enough.", "Yes, 30 days are enough.", True),
        ("How much is it?", "EUR 1,200 a year", "It is EUR 1200 each year", True),
        ("How many?", "Three days", "3 days", True),
        ("How many?", "Three days", "", False),
    ],
)
def test_an_answer_is_right_when_it_says_what_the_reference_says(question, reference, answer, right):
    assert answer_contained(reference, answer, question) is right


@given(TEXTS.filter(normalised), TEXTS)
@example("0\r.0", "")
def test_the_reference_itself_is_always_right(reference, question):
    if "[" not in reference:
        assert answer_contained(reference, reference, question)


@given(TEXTS, TEXTS)
def test_an_empty_answer_is_never_right(reference, question):
    assert not answer_contained(reference, "", question)


def test_silence_and_the_agreed_sentence_are_abstentions():
    prompt = Prompt()
    assert abstains("", prompt) and abstains(" [1] ", prompt) and abstains(prompt.abstain.upper() + " [1]", prompt)
    assert not abstains("25 days", prompt)


def test_citation_precision_and_recall_by_hand():
    units = [unit(1), unit(2, start=20, end=30), unit(3, "b.md")]
    proofs = [Proof("a.md", 0, 10, ""), Proof("b.md", 0, 10, "")]
    assert citation_precision("x [1][2]", units, proofs) == 0.5
    assert citation_precision("x [1][9]", units, proofs) == 0.5, "a number without a unit is a wrong citation"
    assert citation_precision("x", units, proofs) == 0
    assert citation_recall("x [1][2]", units, proofs) == 0.5
    assert citation_recall("x [3][1]", units, proofs) == 1
    assert citation_recall("x [1]", [unit(1, start=50, end=60)], proofs) == 0


def test_hits_and_ndcg_by_hand():
    relevant = frozenset({"b", "d"})
    assert [hit(["a", "b", "c"], relevant, k) for k in (1, 2)] == [0, 1]
    best = 1 + 1 / math.log2(3)
    assert ndcg(["a", "b", "c", "d"], relevant, 10) == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / best)
    assert ndcg(["b", "d"], relevant, 10) == 1
    assert ndcg(["a"], relevant, 10) == 0


@given(st.permutations("abcdefgh"), st.frozensets(st.sampled_from("abcdefgh"), min_size=1))
def test_ndcg_is_a_share_and_full_only_for_the_best_order(ranking, relevant):
    full = set(ranking[: len(relevant)]) == relevant
    assert 0 < ndcg(ranking, relevant, 8) <= 1 + 1e-12
    assert (ndcg(ranking, relevant, 8) > 1 - 1e-9) == full


def test_the_harmonic_mean_of_nothing_is_nothing():
    assert harmonic(0, 0) == 0 and harmonic(1, 0.5) == pytest.approx(2 / 3)


def asks(answer, question="How much is the grant?", **more):
    proof = [{"doc_id": "a.md", "quote": "a quote"}]
    return Example(id="e", kind="knowledge", question=question, answer=answer, evidence=proof, **more)


@pytest.mark.parametrize(
    ("example", "said", "right"),
    [
        (asks("They vest over 3 years."), "3 years.", False),
        (asks("They vest over 3 years.", accepted=["3 years"]), "3 years.", True),
        (asks("Yes, up to 5 days."), "Up to 5 days may be taken.", True),
        (asks("Yes."), "Up to 5 days may be taken.", False),
        (asks("80 % of the cost, at most CAD 2,000."), "CAD 2,000", False),
        (asks("80 % of the cost, at most CAD 2,000.", accepted=["CAD 2,000"]), "CAD 2,000", True),
        (asks("By bank transfer on the last working day.", must=["last working day"]), "The last working day", True),
        (asks("By bank transfer on the last working day.", must=["bank", "last working day"]), "By bank", False),
        (asks("A grant.", must=["5 days"]), "A grant of 15 days", False),
        (asks("Yes, 5 days.", must=["5 days"]), "No, it is not 5 days", False),
        (asks("Yes, 5 days.", must=["5 days"], accepted=["it is"]), "5 days", True),
    ],
)
def test_an_example_may_accept_other_answers_or_ask_for_facts(example, said, right):
    assert accepts(example, said) is right


@pytest.mark.parametrize(
    ("reference", "own", "holds"),
    [
        ("Yes, up to 5 days.", "Up to 5 days.", False),
        ("Yes, up to 5 days.", "Yes, up to 5 days.", True),
        ("Ja, bis zu 5 Tage.", "Ja, 5 Tage", True),
        ("25 days.", "20 days", False),
        ("25 days.", "20 of the 25 days", True),
        ("25 days.", "some days", True),
        ("The service desk.", "within 2 days", True),
    ],
)
def test_words_beside_a_quote_may_not_say_something_else(reference, own, holds):
    assert holds_alone(asks(reference), own) is holds


def test_yes_and_no_are_known_in_other_languages():
    said = [polarity(text) for text in ("Yes.", "Nein, nie.", "Ja", "Nothing", "yesterday")]
    assert said == ["yes", "no", "yes", "", ""]
    assert opposed("Ja, 5 Tage", "Nein") and not opposed("Ja", "5 Tage") and not opposed("Yes", "Ja")


@pytest.mark.parametrize(
    ("question", "answer", "kind"),
    [
        ("May I work from Brazil?", "No.", "yes/no"),
        ("Who signs?", "The chair.", "who/where/when"),
        ("By when do I hand it in?", "By 5 May.", "who/where/when"),
        ("How many days?", "25 days.", "number"),
        ("What do I need?", "A key.", "other"),
    ],
)
def test_questions_are_told_apart_by_what_they_ask_for(question, answer, kind):
    assert kind_of_question(asks(answer, question)) == kind and kind in QUESTIONS
