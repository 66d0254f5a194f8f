"""Numbers, units, bounds, dates and times are read as they are meant, in the language of the spec."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftops.answer.claims.figures import figures
from raftops.answer.claims.quantities import number


def values(text, language="english"):
    return [(q.value, q.kind) for q in figures(text, language).quantities if not q.implied]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("-5 degrees", [(-5, "degree")]),
        ("minus 20 hours", [(-20, "hour")]),
        ("5 degrees below zero", [(-5, "degree"), (0, "")]),
        ("10-12 days", [(10, "day"), (12, "day")]),
        ("10 to 12 working days", [(10, "day"), (12, "day")]),
        ("CAD 2,000", [(2000, "Canadian dollar")]),
        ("$20 million", [(20e6, "dollar")]),
        ("EUR 0.35", [(0.35, "euro")]),
        ("19% of it", [(19, "%")]),
        ("19 per cent", [(19, "%")]),
        ("two hundred and fifty thousand", [(250000, "")]),
        ("twenty-five", [(25, "")]),
        ("2/3", [(2 / 3, "")]),
        ("two thirds", [(2 / 3, "")]),
        ("half a day", [(0.5, "day")]),
        ("1½ hours", [(1.5, "hour")]),
        ("30min", [(30, "minute")]),
        ("the 12th", [(12, "")]),
        ("form LG-01", [(1, "")]),
    ],
)
def test_an_english_number_is_read(text, read):
    assert values(text) == read


@pytest.mark.parametrize(
    ("language", "text", "read"),
    [
        ("german", "1.500 Euro", [(1500, "euro")]),
        ("german", "1,5 Prozent", [(1.5, "%")]),
        ("german", "fünfundzwanzig Tage", [(25, "day")]),
        ("german", "zwei Drittel", [(2 / 3, "")]),
        ("french", "1 500 euros", [(1500, "euro")]),
        ("french", "soixante-quinze jours", [(75, "day")]),
        ("spanish", "treinta y cinco días", [(35, "day")]),
        ("italian", "venticinque giorni", [(25, "day")]),
        ("dutch", "vijfendertig dagen", [(35, "day")]),
        ("portuguese", "vinte e cinco dias", [(25, "day")]),
        ("none", "5 days", [(5, "day")]),
    ],
)
def test_a_number_of_another_language_is_read(language, text, read):
    assert values(text, language) == read


@pytest.mark.parametrize("form", ["5 May", "May 5", "May 5th", "5th of May", "the 5 May"])
def test_a_date_without_its_year_is_shown_by_one_with_it(form):
    (said,), (shown,) = figures(form, "english").moments, figures("on 2026-05-05", "english").moments
    assert shown.shows(said) and not said.shows(shown)


@pytest.mark.parametrize(("one", "other"), [("5 pm", "17:00"), ("noon", "12:00"), ("9.30 a.m.", "09:30")])
def test_a_time_is_the_same_in_both_forms(one, other):
    (left,), (right,) = figures(one, "english").moments, figures(other, "english").moments
    assert left.shows(right) and right.shows(left)


def test_german_dates_and_times_are_read():
    date, time = figures("am 5. Mai 2026 um 17 Uhr", "german").moments
    assert (date.year, date.month, date.day, time.minutes) == (2026, 5, 5, 1020)


def test_may_is_a_month_only_with_a_capital():
    assert not figures("you may 5 times", "english").moments


@pytest.mark.parametrize(
    ("text", "bound"),
    [("at least 3 days", "at least"), ("no more than 3 days", "at most"), ("3 days or more", "at least"),
     ("up to EUR 3", "at most"), ("3 days", ""), ("exactly 3", "exactly")],
)  # fmt: skip
def test_a_bound_belongs_to_its_number(text, bound):
    assert figures(text, "english").quantities[0].bound == bound


@given(st.integers(min_value=1000, max_value=999_999_999))
def test_separators_follow_the_language(value):
    english = f"{value:,}"
    assert number(english, "english") == value == number(english.replace(",", "."), "german")


@given(st.text(max_size=60), st.sampled_from(["english", "german", "french", "none", "turkish"]))
def test_any_text_can_be_read(text, language):
    read = figures(text, language)
    assert all(0 <= q.start <= q.end for q in read.quantities)
