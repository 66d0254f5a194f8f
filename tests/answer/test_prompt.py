"""Which brackets are citations, and which are text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftops.answer.prompt import cited_numbers, without_markers
from raftops.data.records import Locator, Unit

TEXTS = ("The fee is 5 euros [2] for each day.", "Read items[0] in the script.", "See Smith [12] on dental cover.")
UNITS = [Unit(n, t, "d", "v", "T", "", "all", 0, len(t), Locator(), 1.0) for n, t in enumerate(TEXTS, 1)]


@pytest.mark.parametrize(
    ("said", "cited", "text"),
    [
        ("5 euros [1].", [1], "5 euros."),
        ("5 euros [1, 3].", [1, 3], "5 euros."),
        ("5 euros [1-3]", [1, 2, 3], "5 euros"),
        ("5 euros【1】", [1], "5 euros"),
        ("5 euros【1†source】.", [1], "5 euros."),
        ("5 euros [ID:1]", [1], "5 euros"),
        ("5 euros [Source 2][1]", [2, 1], "5 euros"),
        ("5 euros [0]", [], "5 euros"),
        ("5 euros [7].", [], "5 euros."),
        ("5 euros [2] for each day [1].", [1], "5 euros [2] for each day."),
        ("Read items[0] first [2].", [2], "Read items[0] first."),
        ("See Smith [12] there [3]", [3], "See Smith [12] there"),
        ("b[10] = 5", [], "b[10] = 5"),
        ("5 euros[1], then more [2] , too", [1, 2], "5 euros, then more, too"),
    ],
)
def test_a_citation_is_a_number_of_a_shown_unit_that_stands_in_none(said, cited, text):
    assert cited_numbers(said, UNITS) == cited
    assert without_markers(said, UNITS) == text


@pytest.mark.parametrize(
    "said", ['{"days": [5], "pages": [12]}', "x = items[0]\nprint(x)", "- [1] item", '"a" : b ; c !']
)
def test_a_reply_to_which_nothing_was_shown_stays_as_it_is(said):
    assert without_markers(said, ()) == said and cited_numbers(said, ()) == []


@given(st.text(alphabet="ab 【】[]12,.", max_size=30))
def test_a_text_without_its_markers_cites_nothing_new(said):
    assert set(cited_numbers(without_markers(said, UNITS), UNITS)) <= {1, 2, 3}
    assert set(cited_numbers(said, UNITS)) <= {1, 2, 3}
