from hypothesis import given
from hypothesis import strategies as st

from raftops.answer.support import coverage, numbers, supports, terms
from raftops.data.records import Locator, Unit


def unit(text, header=""):
    return Unit(1, text, "a.md", "v", "Leave", "", "all", 0, len(text), Locator(table_header=header), 1.0)


GERMANY = unit("Employees in Germany receive 30 working days of annual leave per calendar year.")


def test_an_answer_with_the_number_of_its_evidence_is_supported():
    assert supports([GERMANY], "30 working days per calendar year.", "How much leave in Germany?")


def test_another_number_is_not_supported_however_many_words_agree():
    assert not supports([GERMANY], "25 working days per calendar year.", "How much leave in Germany?")


def test_a_number_that_only_the_question_names_is_given():
    asked = "I stay 3 nights. Who approves?"
    assert supports([unit("The line manager approves a trip.")], "The line manager approves the 3 nights.", asked)


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


@given(st.text(max_size=80))
def test_every_text_supports_itself_or_says_nothing(text):
    assert not terms(text) or supports([unit(text)], text, "")


@given(st.text(max_size=80), st.text(max_size=80))
def test_coverage_is_a_share(text, answer):
    assert 0 <= coverage(unit(text), answer) <= 1
