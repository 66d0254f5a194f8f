from __future__ import annotations

from raftops.parsing.parse import parse_document


def read(write, text: str):
    return parse_document(write("a.txt", text), "text/plain")


def test_blank_lines_part_paragraphs_and_wrapped_lines_are_joined(write):
    parsed = read(write, "One line\ngoes on.\n\n\nSecond.\n")
    assert parsed.text == "One line goes on.\n\nSecond."
    assert [b.locator.line for b in parsed.blocks] == [1, 5]


def test_bullets_are_items_and_numbers_stay(write):
    parsed = read(write, "Bring:\n* a bag\n* a coat\n  with buttons\n\n1. Go.\n2. Stay.\n")
    assert parsed.text == "Bring:\n\na bag\na coat with buttons\n\n1. Go.\n2. Stay."
    assert [b.kind for b in parsed.blocks] == ["paragraph", "item", "item", "item", "item"]


def test_a_number_at_the_start_of_a_wrapped_line_is_no_item(write):
    parsed = read(write, "Claims are paid within\n30. Of which month is not\n- sadly - said.\n")
    assert [b.kind for b in parsed.blocks] == ["paragraph"]
    assert parsed.text == "Claims are paid within 30. Of which month is not - sadly - said."
