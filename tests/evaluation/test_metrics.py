import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raftops.data.records import Checks, Locator, Unit
from raftops.evaluation.metrics import (
    abstains,
    answer_contained,
    citation_precision,
    citation_recall,
    failed_checks,
    harmonic,
    hit,
    json_value,
    ndcg,
    normalised,
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


@pytest.mark.parametrize("text", ['{"a": 1, "b": 2}', ' {"b": 0, "a": null}\n'])
def test_strict_json_with_exactly_the_keys_passes(text):
    assert failed_checks(text, Checks(json_keys=("a", "b"))) == []


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', '{"a": 1, "b": 2, "c": 3}', '```json\n{"a": 1, "b": 2}\n```', "[1]", '{"a": 1, "b": NaN}', "{'a': 1}"]
    + ['{"a": 1, "a": 1, "b": 2}', "", "[" * 100000],
)
def test_anything_else_than_that_json_fails(text):
    assert failed_checks(text, Checks(json_keys=("a", "b")))


def test_each_check_of_form_is_named_when_it_fails():
    checks = Checks(max_words=3, contains=("Questions?",), not_contains=("Kindly",))
    assert failed_checks("one two Questions?", checks) == []
    assert failed_checks("kindly do come by", checks) == [
        "4 words, at most 3 wanted", "lacks 'Questions?'", "says 'Kindly'",
    ]  # fmt: skip


def test_json_values_are_compared_as_values():
    assert json_value('{"b": 1, "a": [2]}') == json_value('{"a":[2],"b":1}')


def test_the_harmonic_mean_of_nothing_is_nothing():
    assert harmonic(0, 0) == 0 and harmonic(1, 0.5) == pytest.approx(2 / 3)
