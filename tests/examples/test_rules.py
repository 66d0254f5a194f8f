"""Sentences and table rows of known forms become the questions that they answer; others none."""

import pytest

from raftops.data.records import Locator, Unit
from raftops.examples.rules import comparisons, proposals, section

NAMES = {"fernhill", "germany", "rota", "harbour", "ireland", "operations"}
MADE = {
    "A lost key must be reported to Operations within 2 hours.": [
        ("Within what time must a lost key be reported to Operations?", "Within 2 hours."),
        ("Must a lost key be reported to Operations within 2 hours?", "Yes."),
    ],
    "Employees in Germany receive 30 working days of annual leave per calendar year.": [
        (
            "How many working days of annual leave per calendar year do employees in Germany receive?",
            "30 working days.",
        ),
    ],
    "Deliveries are accepted between 06:30 and 09:00 at the back door.": [
        ("When are deliveries accepted at the back door?", "Between 06:30 and 09:00."),
    ],
    "Ask for leave in Rota at least 10 working days before the first day off.": [
        (
            "How far in advance do I have to ask for leave in Rota?",
            "At least 10 working days before the first day off.",
        ),
    ],
    "The rest period between two working days is 11 hours.": [
        ("How long is the rest period between two working days?", "11 hours."),
    ],
    "Claims above EUR 400 need the approval of the regional manager.": [
        ("Whose approval do claims above EUR 400 need?", "The regional manager."),
    ],
    "The line manager approves every trip in Harbour.": [
        ("Who approves every trip in Harbour?", "The line manager."),
    ],
    "Private cloud storage may not be used for work files.": [
        ("May private cloud storage be used for work files?", "No."),
    ],
    "If your card is lost, call the desk at once.": [
        ("What do I have to do if my card is lost?", "Call the desk at once."),
    ],
    "Dose badges are read every 3 months.": [("How often are dose badges read?", "Every 3 months.")],
}  # fmt: skip
NONE = [
    "It must be returned within 2 days.",
    "Everything is fine here.",
    "Staff who can drive must report it within 2 days.",
    "Badges are tested in January and July.",
    "Take the key. It must be returned within 2 days.",
    "See https://example.org within 2 days.",
    "Access is granted by Facilities and Security together.",
    "Homes may be booked only for stays of 7 nights.",
]


def unit(text: str, header: str = "", headings: tuple[str, ...] = ("Rules", "Keys"), start: int = 0) -> Unit:
    locator = Locator(headings, table_header=header)
    return Unit(0, text, "d.md", "v", "Rules", "", "all", start, start + len(text), locator, 1.0)


def common(word: str) -> bool:
    return word not in NAMES


@pytest.mark.parametrize("sentence", MADE)
def test_a_sentence_becomes_the_questions_that_it_answers(sentence: str) -> None:
    made = [(p.question, p.answer) for p in proposals(unit(sentence), common)]
    assert made == MADE[sentence]


@pytest.mark.parametrize("sentence", NONE)
def test_a_sentence_of_no_known_form_becomes_none(sentence: str) -> None:
    assert list(proposals(unit(sentence), common)) == []


def test_a_row_is_asked_for_its_cells_by_the_names_of_its_columns() -> None:
    made = list(proposals(unit("Ireland | EUR 58 | EUR 29", "Country | Full day | Done by"), common))
    assert [(p.style, p.question, p.answer) for p in made] == [
        ("table", "Keys: what is the full day for Ireland?", "EUR 58")
    ], "what is done by somebody is no noun"
    (counted, _) = proposals(unit("4 | 1 day | x", "Priority | First answer | Remark"), common)
    assert counted.question == "Keys: what is the first answer for priority 4?"


def test_two_rows_are_compared_where_a_column_has_numbers_that_differ() -> None:
    header = "Country | Limit"
    rows = [unit("Ireland | EUR 58", header), unit("Germany | EUR 150", header, start=20), unit("Spain | -", header)]
    (one,) = comparisons(rows, common)
    assert (one.question, one.answer) == ("Keys: which has the higher limit, Ireland or Germany?", "Germany")
    assert len(one.units) == 2


def test_a_heading_is_asked_what_applies_to_it() -> None:
    text = "Keys are handed out by the manager of the shop."
    (one,) = section(unit(text), common)
    assert (one.question, one.answer) == ("Rules: what applies to keys?", text)
    assert not list(section(unit(text, headings=("Rules", "How to ask")), common))
    assert not list(section(unit("They are handed out by the manager of the shop."), common))
