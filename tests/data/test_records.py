"""What steps hand to each other: parts of a list, and examples that say what they have to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydantic import ValidationError

from raftops.data.records import Example, Shard


@given(total=st.integers(0, 500), of=st.integers(1, 64))
def test_parts_in_their_order_are_the_whole_and_differ_by_one_at_most(total: int, of: int) -> None:
    parts = [[i for i in range(total) if Shard(n, of).holds(i, total)] for n in range(of)]
    assert [i for part in parts for i in part] == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"kind": "knowledge", "unanswerable": True, "accepted": ["5 days"]}, "only a question with an answer"),
        ({"kind": "behaviour", "answer": "Hello.", "must": ["Hello"]}, "only a question with an answer"),
        ({"kind": "behaviour", "answer": "Hello.", "near_miss": True}, "unanswerable examples only"),
        ({"kind": "knowledge", "answer": "5", "evidence": [{"doc_id": "a", "quote": "5"}], "must": [""]}, "at least 1"),
    ],
)
def test_an_example_that_contradicts_itself_is_refused_in_words(row: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Example(id="e", question="How long?", **row)


def test_examples_of_before_are_as_they_were() -> None:
    example = Example(id="e", kind="knowledge", question="How long?", unanswerable=True)
    assert (example.accepted, example.must, example.near_miss, example.language) == ((), (), False, "")
