"""Parts of a list: together the whole, each contiguous, none much larger than another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raftops.data.records import Shard


@given(total=st.integers(0, 500), of=st.integers(1, 64))
def test_parts_in_their_order_are_the_whole_and_differ_by_one_at_most(total: int, of: int) -> None:
    parts = [[i for i in range(total) if Shard(n, of).holds(i, total)] for n in range(of)]
    assert [i for part in parts for i in part] == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
