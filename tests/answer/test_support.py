import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftops.answer.support import asserts_facts, carrying, contradiction, coverage, numbers, supports, terms
from raftops.data.records import Locator, Unit


def unit(text, header="", number=1, doc_id="a.md"):
    return Unit(number, text, doc_id, "v", "Leave", "", "all", 0, len(text), Locator(table_header=header), 1.0)


GERMANY = unit("Employees in Germany receive 30 working days of annual leave per calendar year.")


def test_an_answer_with_the_number_of_its_evidence_is_supported():
    assert supports([GERMANY], "30 working days per calendar year.", "How much leave in Germany?")


def test_another_number_is_not_supported_however_many_words_agree():
    assert not supports([GERMANY], "25 working days per calendar year.", "How much leave in Germany?")


def test_a_number_that_only_the_question_names_is_not_shown():
    asked = "Is the late fee 99 euros per day?"
    said = "Yes, the late fee is 99 euros per day."
    assert (
        contradiction(unit("The late fee is 5 euros per day."), said, asked)
        == "says 99 euro where 5 euro is said in [1]"
    )
    assert not supports([unit("The line manager approves a trip.")], "The manager approves the 3 nights.", "3 nights?")


def test_an_answer_about_something_else_is_not_supported():
    assert not supports([GERMANY], "Ask the travel desk for a rail pass.", "How much leave in Germany?")


def test_an_empty_answer_is_not_supported():
    assert not supports([GERMANY], "", "How much leave?")
    assert not supports([GERMANY], "The of and.", "How much leave?")


def test_nothing_supports_without_evidence():
    assert not supports([], "30 days", "How much leave?")


def test_number_words_and_separators_count_as_the_number():
    assert numbers("Two weeks and 1,200 euros") == {"2", "1200"}


def test_a_table_row_is_read_with_its_header():
    assert supports([unit("Cork | EUR 150", "City | Cap a night")], "EUR 150 a night", "hotel cap in Cork?")


REFUSED = [
    ("Employees may not take the laptop abroad.", "Employees may take the laptop abroad.", "May employees take it?"),
    ("The fee is 9 euros in Italy.", "The fee in Spain is 9 euros.", "What is the fee in Spain?"),
    ("The fee is 9 euros in Italy.", "9 euros.", "What is the fee in Spain?"),
    ("The fee is 9 euros in Italy and 5 euros in Spain.", "9 euros.", "What is the fee in Spain?"),
    ("Tax is 19% of the price.", "Tax is 19 euros of the price.", "How high is the tax?"),
    ("Store it at -5 degrees.", "Store it at 5 degrees.", "How is it stored?"),
    ("The office closes at 17 on Fridays.", "Yes, it closes at 20 on Fridays.", "Does it close at 20?"),
    ("The trip takes at least 3 days.", "The trip takes at most 3 days.", ""),
    ("Three yellow cards in 12 months are reported.", "12 yellow cards in three months are reported.", ""),
    ("It starts on 5 May 2026.", "It starts on 6 May 2026.", ""),
    ("The line manager approves the trip.", "The finance team approves the trip.", "Who approves the trip?"),
    ("Your supervisor will tell the committee.", "The committee will tell your supervisor.", ""),
    ("The allowance is 20 euros a week.", "The allowance is 20 euros a month.", ""),
]
CARRIED = [
    ("The fee is 9 euros in Italy and 5 euros in Spain.", "5 euros.", "What is the fee in Spain?"),
    ("The office is open until 17:00 on Fridays.", "Until 5 pm.", "How long is it open on Fridays?"),
    ("It starts on 2026-05-05.", "It starts on May 5th.", "When?"),
    ("Two weeks of leave are paid.", "14 days.", "How long is the paid leave?"),
    ("Two thirds of the staff agreed.", "2/3 of the staff.", "How many agreed?"),
    ("Prices rise by 1,500 euros.", "1500 euros", "How much?"),
]


@pytest.mark.parametrize(("text", "said", "asked"), REFUSED)
def test_what_contradicts_its_evidence_is_refused_with_a_reason(text, said, asked):
    assert contradiction(unit(text), said, asked)
    assert not supports([unit(text)], said, asked)


@pytest.mark.parametrize(("text", "said", "asked"), CARRIED)
def test_another_form_of_the_same_is_carried(text, said, asked):
    assert contradiction(unit(text), said, asked) == ""


def test_every_part_of_an_answer_needs_one_unit_of_its_own():
    spain, italy = unit("The fee is 5 euros in Spain."), unit("The fee is 9 euros in Italy.", number=2, doc_id="b.md")
    assert not supports([spain, italy], "The fee in Spain is 9 euros.", "What is the fee in Spain?")
    assert supports([spain, italy], "The fee is 5 euros in Spain and 9 euros in Italy.", "What are the fees?")
    assert not supports([spain, italy], "The fee is 9 euros in Spain and 5 euros in Italy.", "What are the fees?")
    assert carrying([spain, italy], "The fee is 5 euros in Spain.", "What is the fee?") == [spain]


def test_a_script_without_blanks_is_not_one_word():
    source = unit("年次有給休暇は十日間付与される。申請は一週間前までに行うこと。")
    assert supports([source], "十日間", "有給休暇は何日?", "none")
    assert not supports([source], "五日間", "有給休暇は何日?", "none")


def test_a_decimal_is_read_in_the_language_of_the_spec():
    grant = unit("Der Zuschuss beträgt 1.500 Euro.")
    assert supports([grant], "1500 Euro", "Wie hoch ist der Zuschuss?", "german")
    assert not supports([grant], "1500 Euro", "Wie hoch ist der Zuschuss?", "english")


def test_a_german_date_is_no_end_of_a_sentence():
    rest = unit("Resturlaub darf nicht über den 31. März hinaus übertragen werden.")
    assert supports([rest], "Bis zum 31. März.", "Bis wann kann man Resturlaub übertragen?", "german")
    assert not supports([rest], "Bis zum 30. März.", "Bis wann kann man Resturlaub übertragen?", "german")


@pytest.mark.parametrize(
    ("text", "request_", "facts"),
    [
        ("Sign up by 15 October.", "Rewrite: sign up until 15 October, please.", False),
        ("Sign up by 16 October.", "Rewrite: sign up until 15 October, please.", True),
        ('{"days": 3}', "Three days from Monday as JSON", False),
        ("The rule is from Norway.", "Shorten this.", True),
        ("1. Ask first.\n2. Then act.", "Make a list: ask first, then act.", False),
    ],
)
def test_a_reply_about_form_asserts_what_its_request_did_not_hold(text, request_, facts):
    assert asserts_facts(text, request_) == facts


@given(st.text(max_size=80))
def test_a_claim_can_always_be_judged(text):
    assert isinstance(contradiction(unit(text), text, text), str)


COPIED = ("the", "office", "may", "not", "open", "at", "5", "days", "Spain", "only", "17:00", "-3", "%", "if", "when")


@given(st.lists(st.sampled_from(COPIED), min_size=2))
def test_what_is_copied_is_carried(picked):
    text = " ".join(picked)
    assert not terms(text) or contradiction(unit(text), text, "") in ("", "says nothing in [1]")


@given(st.text(max_size=80), st.text(max_size=80))
def test_coverage_is_a_share(text, answer):
    assert 0 <= coverage(unit(text), answer) <= 1
