from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.parsing.document import Builder
from raftops.parsing.sentences import sentences
from tests.parsing.samples import check_blocks, cut

WORDS = st.lists(
    st.sampled_from(["the", "Leave", "e.g.", "30", "é", "a" * 150, "Dr.", "days:", "“so", "中文字", "x.", "no!"]),
    max_size=60,
)
TEXT = WORDS.map(" ".join) | st.text(max_size=200)
BLOCK = st.one_of(
    st.tuples(st.just("heading"), TEXT, st.integers(1, 4)),
    st.tuples(st.sampled_from(["paragraph", "item", "code"]), TEXT, st.booleans()),
    st.tuples(st.just("table"), st.lists(st.lists(TEXT, min_size=1, max_size=3), max_size=4), st.booleans()),
)


def built(blocks) -> Builder:
    builder = Builder()
    group = object()
    for kind, content, detail in blocks:
        if kind == "heading":
            builder.heading(content, detail)
        elif kind == "table":
            builder.table(content, has_header=detail)
        else:
            builder.add(kind, content, group=group if detail else None)
    return builder


@settings(max_examples=300, deadline=None)
@given(st.lists(BLOCK, max_size=12), st.sampled_from([32, 50, 200]))
def test_any_document_is_cut_without_loss_or_overlap(tokenizer, blocks, chunk_tokens):
    parsed = built(blocks).build("Title")
    if parsed.text:
        check_blocks(parsed)
        cut(parsed, tokenizer, chunk_tokens)


@given(st.text(max_size=300))
@settings(deadline=None)
def test_sentences_cover_everything_but_white_space(text):
    ranges = sentences(text, 0, len(text))
    assert all(a < b <= c < d for (a, b), (c, d) in zip(ranges, ranges[1:], strict=False))
    assert "".join("".join(text[a:b].split()) for a, b in ranges) == "".join(text.split())


def units_of(parsed, chunks) -> list[str]:
    return [parsed.text[s.start : s.end] for c in chunks for s in c.spans]


def texts_of(parsed, chunks) -> list[str]:
    return [parsed.text[c.start : c.end] for c in chunks]


def test_a_unit_is_a_sentence_an_item_or_a_row_and_short_sentences_join_the_next(tokenizer):
    builder = Builder()
    builder.add("paragraph", "Yes. Everybody has thirty days. Ask Dr. Smith about that first.")
    builder.table([["Country", "Days"], ["Ireland", "25"]], has_header=True)
    parsed = builder.build("T")
    assert units_of(parsed, cut(parsed, tokenizer)) == [
        "Yes. Everybody has thirty days.",
        "Ask Dr. Smith about that first.",
        "Ireland | 25",
    ]


def test_a_lead_in_joins_the_first_item(tokenizer):
    builder, group = Builder(), object()
    builder.add("paragraph", "Some words first, on their own. Leave is given for:")
    builder.add("item", "a wedding", group=group)
    builder.add("item", "a move", group=group)
    parsed = builder.build("T")
    assert units_of(parsed, cut(parsed, tokenizer)) == [
        "Some words first, on their own.",
        "Leave is given for:\n\na wedding",
        "a move",
    ]


def test_a_passage_never_crosses_a_top_level_heading(tokenizer):
    builder = Builder()
    for name in ("One", "Two"):
        builder.heading(name, 1)
        builder.add("paragraph", f"Short text about {name}.")
    parsed = builder.build("T")
    chunks = cut(parsed, tokenizer)
    assert texts_of(parsed, chunks) == ["Short text about One.", "Short text about Two."]
    assert [c.locator.headings for c in chunks] == [("One",), ("Two",)]


def test_short_siblings_are_joined_with_their_headings_in_the_text(tokenizer):
    builder = Builder()
    builder.heading("Leave", 1)
    for name in ("Sick", "Holiday"):
        builder.heading(name, 2)
        builder.add("paragraph", f"Short text about {name}.")
    parsed = builder.build("T")
    [chunk] = cut(parsed, tokenizer)
    assert parsed.text[chunk.start : chunk.end].startswith("Sick\n\nShort text about Sick.\n\nHoliday\n\n")
    assert chunk.locator.headings == ("Leave",)
    assert [span.locator.headings for span in chunk.spans] == [("Leave", "Sick"), ("Leave", "Holiday")]


def test_a_long_section_is_cut_into_passages_of_about_equal_size(tokenizer):
    builder = Builder()
    builder.add("paragraph", " ".join(f"Sentence number {i} says one more thing about leave." for i in range(45)))
    parsed = builder.build("T")
    sizes = [c.tokens for c in cut(parsed, tokenizer)]
    assert len(sizes) == 3 and min(sizes) > 100 and max(sizes) <= 200


def test_a_sentence_over_the_budget_is_cut_at_word_borders(tokenizer):
    builder = Builder()
    builder.add("paragraph", "leave and travel " * 60)
    parsed = builder.build("T")
    pieces = units_of(parsed, cut(parsed, tokenizer, 32))
    assert len(pieces) > 3 and " ".join(pieces) == parsed.text


def test_later_passages_of_a_table_know_its_header(tokenizer):
    builder = Builder()
    rows = [[f"Country number {i}", str(i)] for i in range(60)]
    builder.table([["Country", "Days"], *rows], has_header=True)
    parsed = builder.build("T")
    first, *others = cut(parsed, tokenizer)
    assert parsed.text[first.start : first.end].startswith("Country | Days\nCountry number 0")
    assert first.locator.table_header == "" and {c.locator.table_header for c in others} == {"Country | Days"}
    assert {s.locator.table_header for c in (first, *others) for s in c.spans} == {"Country | Days"}


@pytest.mark.parametrize("text", ["x" * 100_000, "中" * 5_000, "a\n" * 3_000])
def test_text_without_sentences_is_cut_all_the_same(tokenizer, text):
    builder = Builder()
    builder.add("code", text)
    parsed = builder.build("T")
    assert len(cut(parsed, tokenizer)) > 1
