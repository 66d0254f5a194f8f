from __future__ import annotations

import pytest

from raftops.errors import StepError
from raftops.parsing.parse import parse_document
from tests.parsing.samples import pdf_bytes


def read(path):
    return parse_document(path, "application/pdf")


def test_headings_paragraphs_and_items_are_found_on_their_pages(handbook_pdf):
    parsed = read(handbook_pdf)
    assert parsed.title == "Travel Policy"
    assert [(b.kind, b.locator.page, b.locator.headings) for b in parsed.blocks] == [
        ("heading", 1, ()),
        ("heading", 1, ("Travel Policy",)),
        ("paragraph", 1, ("Travel Policy", "Booking")),
        ("paragraph", 1, ("Travel Policy", "Booking")),
        ("item", 1, ("Travel Policy", "Booking")),
        ("item", 1, ("Travel Policy", "Booking")),
        ("heading", 2, ("Travel Policy",)),
        ("paragraph", 2, ("Travel Policy", "Limits")),
    ]


def test_lines_are_joined_and_words_are_whole_again(handbook_pdf):
    text = read(handbook_pdf).text
    assert "so that the fares are low. The travel desk" in text
    assert "an e-mail to the traveller within one day." in text
    assert "First thing to bring\nSecond thing to bring" in text


def test_repeated_headers_and_page_numbers_are_dropped(handbook_pdf):
    text = read(handbook_pdf).text
    assert "Acme Handbook" not in text and "Page 1" not in text


def test_a_line_in_the_margin_of_one_page_stays(write):
    page = [(60, 810, 8, "F1", "Confidential until May"), (60, 700, 10, "F1", "Body text of the only page.")]
    assert "Confidential until May" in read(write("a.pdf", pdf_bytes([page]))).text


def test_a_sentence_goes_on_over_a_page_break(write):
    pages = [[(60, 80, 10, "F1", "The hotel may cost up to")], [(60, 760, 10, "F1", "one hundred euros.")]]
    assert read(write("a.pdf", pdf_bytes(pages))).text == "The hotel may cost up to one hundred euros."


def test_bold_lines_of_body_size_are_headings(write):
    page = [
        (60, 700, 10, "F2", "Who pays"),
        (60, 680, 10, "F1", "The company pays for everything that is in the list of allowed costs."),
    ]
    parsed = read(write("a.pdf", pdf_bytes([page])))
    assert [b.kind for b in parsed.blocks] == ["heading", "paragraph"]


def test_aligned_columns_become_rows(write):
    rows = [("Country", "Days"), ("Ireland", "25"), ("Portugal", "22")]
    page = [(60, 740, 10, "F1", "Holidays for each country are listed in this table for the year.")]
    for i, (country, days) in enumerate(rows):
        font = "F1" if i else "F2"
        page += [(60, 700 - 16 * i, 10, font, country), (200, 700 - 16 * i, 10, font, days)]
    parsed = read(write("a.pdf", pdf_bytes([page])))
    assert parsed.text.endswith("Country | Days\nIreland | 25\nPortugal | 22")
    assert [b.kind for b in parsed.blocks] == ["paragraph", "header", "row", "row"]


def test_a_pdf_without_text_says_that_ocr_is_not_done(write):
    with pytest.raises(StepError, match=r"no text layer.*OCR is not done") as caught:
        read(write("scan.pdf", pdf_bytes([[]])))
    assert "ocrmypdf" in caught.value.next_step
