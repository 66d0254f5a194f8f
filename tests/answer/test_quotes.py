"""The quote checker: what counts as verbatim, where it stands, and what a wrong quote is called."""

import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from raftops.answer.quotes import Verdict, check_quotes, find_quote, find_quote_at

LEAVE = (
    "Annual leave\n\nEmployees in Germany receive 30 working days of annual leave per calendar year. "
    "Part-time employees receive the share that matches their hours. Unused days lapse on 31 March.\n"
    "The em\u00adployee\u2019s manager approves \u201cspecial leave\u201d \u2014 in writing."
)
TRAVEL = "Rail travel under 4 hours is booked in second class. Flights need the approval of a director."
TEXTS = {"leave.md": LEAVE, "travel.md": TRAVEL}

ALPHABET = "abcdeXYZ019 \n\t\u00a0\u00ad'\u2019\"\u201c-\u2013.,;()|\u00e9\u6f22"
texts = st.text(st.sampled_from(ALPHABET), max_size=200)
words = st.lists(st.text(st.sampled_from("abcdeXYZ019"), min_size=1, max_size=6), min_size=3, max_size=40)
spaces = st.sampled_from([" ", "  ", "\n", "\t", "\u00a0", " \u00ad ", "\n\n"])


def check_quote(quote: str, doc_id: str, texts: dict[str, str]) -> Verdict:
    """The verdict on one claim."""
    [verdict] = check_quotes([(quote, doc_id)], texts)
    return verdict


def same(text: str) -> str:
    """An independent, slow statement of what counts as equal."""
    table = {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-", "\u00ad": ""}
    return " ".join("".join(table.get(c, c) for c in text).split())


def test_a_verbatim_quote_is_found_with_its_exact_offsets() -> None:
    quote = "30 working days of annual leave"
    start, end = find_quote(quote, LEAVE) or (0, 0)
    assert LEAVE[start:end] == quote


def test_white_space_soft_hyphens_quotation_marks_and_dashes_do_not_count() -> None:
    start, end = find_quote('  The employee\'s manager\napproves "special  leave" - in writing.', LEAVE) or (0, 0)
    assert LEAVE[start:end] == "The em\u00adployee\u2019s manager approves \u201cspecial leave\u201d \u2014 in writing."


@pytest.mark.parametrize(
    "quote",
    [
        "employees in Germany",  # case
        "30 working days annual leave",  # a word left out
        "Unused days lapse on 31 March!",  # punctuation
        "0 working days",  # starts inside a number
        "Part-time employees receive the share that match",  # ends inside a word
    ],
)
def test_nothing_else_counts_as_equal(quote: str) -> None:
    assert find_quote(quote, LEAVE) is None


def test_a_quote_does_not_cut_a_number() -> None:
    assert find_quote("5 days of leave", "There are 25 days of leave.") is None
    assert find_quote("5 days of leave", "There are 1.5 days of leave.") is None
    assert find_quote("a fee of 12", "There is a fee of 12.50 euro.") is None
    assert find_quote("a fee of 12.", "There is a fee of 12.50 euro.") is None
    assert find_quote("a fee of 12", "There is a fee of 12. It is due.") is not None


def test_a_later_whole_word_is_found_after_an_earlier_cut_one() -> None:
    text = "cats sat here; cat sat here"
    assert find_quote("cat sat", text) == (15, 22)


def test_scripts_without_spaces_are_quoted_anywhere() -> None:
    text = "\u5e74\u6b21\u6709\u7d66\u4f11\u6687\u306f20\u65e5\u3067\u3059"
    assert find_quote("\u6709\u7d66\u4f11\u6687", text) == (2, 6)


@pytest.mark.parametrize(
    "quote", ["", " ", "\n\t", "a", "7", ".", "...", "\u2026", "--- ---", "\u00ad", "\u201c\u201d", "| | |"]
)
def test_empty_one_character_and_punctuation_only_quotes_are_fabricated(quote: str) -> None:
    texts = {"d": "a 7 . ... \u2026 --- --- \u201c\u201d | | | a"}
    assert check_quote(quote, "d", texts) == Verdict("fabricated", "d")


def test_a_quote_of_another_document_is_misattributed_and_says_where_it_stands() -> None:
    verdict = check_quote("Flights need the approval of a director.", "leave.md", TEXTS)
    assert (verdict.kind, verdict.doc_id) == ("misattributed", "travel.md")
    assert TRAVEL[verdict.start : verdict.end] == "Flights need the approval of a director."


@pytest.mark.parametrize("joint", [" ... ", "...", " [...] ", " \u2026 ", " (\u2026) ", " "])
def test_a_quote_of_parts_is_stitched(joint: str) -> None:
    quote = f"Employees in Germany receive{joint}annual leave per calendar year."
    verdict = check_quote(quote, "leave.md", TEXTS)
    assert (verdict.kind, verdict.doc_id) == ("stitched", "leave.md")
    assert LEAVE[verdict.start : verdict.end].startswith("Employees in Germany")


def test_parts_may_stand_in_another_order_and_a_short_tail_borrows_words() -> None:
    assert (
        check_quote("Unused days lapse on 31 March. Employees in Germany receive", "leave.md", TEXTS).kind == "stitched"
    )
    quote = "Unused days lapse on 31 March. Part-time employees"
    assert check_quote(quote, "leave.md", TEXTS).kind in {"stitched", "fabricated"}


@pytest.mark.parametrize(
    "quote", ["Employees in Germany receive 60 pink cars.", "Employees ... fly ... for free", "days days days days"]
)
def test_a_quote_that_stands_nowhere_is_fabricated(quote: str) -> None:
    assert check_quote(quote, "leave.md", TEXTS) == Verdict("fabricated", "leave.md")


def test_a_claim_about_an_unknown_document_is_never_found() -> None:
    assert check_quote("Unused days lapse", "gone.md", TEXTS).kind == "misattributed"
    assert check_quote("Unused days wobble", "gone.md", TEXTS).kind == "fabricated"


def test_many_claims_are_judged_as_each_alone() -> None:
    claims = [
        (q, d) for q in ("Unused days lapse", "Flights need", "pink cars", "") for d in ("leave.md", "travel.md", "x")
    ]
    assert check_quotes(claims, TEXTS) == [check_quote(q, d, TEXTS) for q, d in claims]


def test_a_quote_is_found_at_its_place_and_not_at_another() -> None:
    text = "cat sat here. cats sat there. cat sat again."
    start = text.rindex("cat sat")
    assert find_quote_at("cat  sat", text, start, start + 7) == (start, start + 7)
    assert find_quote_at("cat sat", text, start - 3, len(text)) == (start, start + 7)
    assert find_quote_at("cat sat", text, start + 1, len(text)) is None
    assert find_quote_at("cat sat", text, start, start + 6) is None


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 2), (-3, 7), (900, 907), (0, -1)])
def test_a_place_that_is_none_holds_no_quote(start: int, end: int) -> None:
    assert find_quote_at("cat sat", "cat sat here", start, end) is None


@pytest.mark.parametrize("whole", ["25 days off", "1.25 days off", "A25 days off", "x" * 500 + "25 days off"])
def test_a_place_that_cuts_a_word_or_a_number_holds_no_quote(whole: str) -> None:
    start = whole.index("5 days")
    assert find_quote_at("5 days off", whole, start, len(whole)) is None
    assert find_quote_at("5 days o", whole, start, len(whole) - 2) is None


@settings(max_examples=300, deadline=None)
@given(words, st.data())
def test_at_its_place_a_quote_is_found_as_in_the_whole_text(tokens: list[str], data: st.DataObject) -> None:
    text = " ".join(tokens)
    quote = " ".join(tokens[data.draw(st.integers(0, len(tokens) - 1)) :])
    span = find_quote(quote, text)
    if span:
        assert find_quote_at(quote, text, *span) == span
        assert find_quote_at(f"x{quote}", text, *span) is None


@settings(max_examples=700, deadline=None)
@given(texts, st.integers(0, 200), st.integers(0, 200))
def test_whatever_is_found_slices_back_to_the_quote(text: str, start: int, length: int) -> None:
    quote = text[start : start + length]
    span = find_quote(quote, text)
    if span:
        assert same(text[slice(*span)]) == same(quote)
        assert text[span[0]].strip("\u00ad") and text[span[1] - 1].strip("\u00ad"), "no loose ends"


@settings(max_examples=700, deadline=None)
@given(words, st.data())
def test_any_run_of_three_words_is_found_however_it_is_spaced(tokens: list[str], data: st.DataObject) -> None:
    text = "".join(t + data.draw(spaces) for t in tokens)
    first = data.draw(st.integers(0, len(tokens) - 3))
    last = data.draw(st.integers(first + 3, len(tokens)))
    quote = "".join(t + data.draw(spaces) for t in tokens[first:last])
    span = find_quote(quote, text)
    assert span is not None
    assert same(text[slice(*span)]) == same(quote)


@settings(max_examples=700, deadline=None)
@given(words, st.data())
def test_an_edited_quote_is_found_only_where_it_is_still_verbatim(tokens: list[str], data: st.DataObject) -> None:
    text = " ".join(tokens)
    at = data.draw(st.integers(0, len(text) - 1))
    edit = data.draw(st.sampled_from(["q", "Q", "7", " ", ".", "qq q", ""]))
    quote = text[:at] + edit + text[at + 1 :]
    assume(same(quote) != same(text))
    if same(quote) in same(text):
        return
    assert find_quote(quote, text) is None
    assert check_quote(quote, "d", {"d": text}).kind in {"stitched", "fabricated"}


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=120), st.text(max_size=60))
def test_no_input_breaks_the_checker(text: str, quote: str) -> None:
    verdict = check_quote(quote, "d", {"d": text, "e": quote})
    assert verdict.kind in {"found", "misattributed", "stitched", "fabricated"}


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("ab " * 80_000, "ab " * 30_000 + "a"),
        ("a" * 200_000, "a" * 100_000),
        (" \n" * 100_000, "a" + " " * 100_000 + "b"),
        ("1.2," * 50_000, "1.2," * 20_000),
        ("a b c " * 40_000, "a b c x " * 20_000),
        ("a b c " * 40_000, "... " * 40_000),
        ("word " * 40_000, "(" * 40_000 + " ... a" * 10_000),
    ],
)
def test_time_grows_with_the_size_of_the_input_and_not_faster(text: str, quote: str) -> None:
    started = time.process_time()
    check_quote(quote, "d", {"d": text})
    assert time.process_time() - started < 10
