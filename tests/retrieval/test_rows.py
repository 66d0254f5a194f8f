"""A passage survives the way into a row and back."""

from dataclasses import replace

import pytest

from raftops.data.records import Locator, Span
from raftops.errors import StepError
from raftops.retrieval.rows import passage_of, read_passages, row_of, searched_text
from tests.retrieval.tiny import corpus, passage, write_passages


def test_a_row_gives_the_same_passage_back():
    p = passage(1, 'Quotes " and \\ and\nlines. Ünïcode 漢字 🙂.', headings=("A", "B"))
    p = replace(
        p, locator=Locator(("A",), 3, None, "x | y"), spans=(*p.spans, Span(0, 4, Locator()), Span(1, 2, p.locator))
    )
    row = row_of(p)
    assert passage_of(row["passage_id"], row) == p


def test_a_field_too_long_for_milvus_names_its_document():
    with pytest.raises(StepError, match=r"doc1\.md: text of the passage at 0 is longer than 65535 bytes"):
        row_of(passage(1, "ü" * 40000))


def test_passages_are_read_in_batches(tmp_path):
    write_passages(tmp_path, corpus())
    batches = list(read_passages(tmp_path / "passages.parquet", batch=6))
    assert [len(b) for b in batches] == [6, 6, 2]
    assert [p for b in batches for p in b] == corpus()


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "passages.parquet").write_text("nothing")
    with pytest.raises(StepError, match=r"passages\.parquet"):
        list(read_passages(tmp_path / "passages.parquet"))


def test_both_indexes_see_title_and_headings_once():
    p = passage(1, "Text.", title="Leave", headings=("Leave", "Parental"))
    assert searched_text(p) == "Leave > Parental\nText."
    assert searched_text(passage(1, "Text.", title="")) == "Text."
