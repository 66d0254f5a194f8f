"""Vectors are computed once."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from raftops.errors import IndexUnusable
from raftops.retrieval.memo import TURN_TEXTS, PerTurn, Remembering, VectorCache, one_turn
from tests.retrieval.tiny import HashEmbedder


def test_a_text_seen_before_is_not_embedded_again():
    inner = HashEmbedder()
    memo = Remembering(inner)
    first = memo.embed(["a b", "c"])
    again = memo.embed(["c", "d", "a b", "c"])
    assert inner.seen == ["a b", "c", "d"]
    assert np.array_equal(again[[2, 0, 3]], first[[0, 1, 1]])


def test_the_memory_forgets_the_oldest_first():
    inner = HashEmbedder()
    memo = Remembering(inner, limit=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        memo.embed([text])
    assert inner.seen == ["a", "b", "c", "b"]


def test_more_texts_than_the_memory_holds_are_still_all_embedded():
    texts = [f"word{n}" for n in range(9)]
    assert np.array_equal(Remembering(HashEmbedder(), limit=3).embed(texts), HashEmbedder().embed(texts))


def test_the_file_keeps_vectors_between_runs(tmp_path):
    path, inner = tmp_path / "vectors.sqlite", HashEmbedder()
    first = VectorCache(path, inner)
    made = first.embed(["a", "b", "a"])
    assert (first.embedded, first.reused) == (2, 1)
    first.close()
    second = VectorCache(path, inner)
    assert np.array_equal(second.embed(["b", "a", "new"])[:2], made[[1, 0]])
    assert (second.embedded, second.reused) == (1, 2)
    assert inner.seen == ["a", "b", "new"]


def test_a_run_killed_between_batches_loses_only_the_open_batch(tmp_path):
    class Dies(HashEmbedder):
        def embed(self, texts):
            if "poison" in texts:
                raise KeyboardInterrupt
            return super().embed(texts)

    cache = VectorCache(tmp_path / "v.sqlite", Dies())
    cache.embed(["a", "b"])
    with pytest.raises(KeyboardInterrupt):
        cache.embed(["c", "poison"])
    cache.close()
    assert sqlite3.connect(tmp_path / "v.sqlite").execute("SELECT count(*) FROM vectors").fetchone() == (2,)


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "v.sqlite").write_text("not a database, and long enough to be read as one" * 50)
    with pytest.raises(IndexUnusable, match=r"v\.sqlite") as caught:
        VectorCache(tmp_path / "v.sqlite", HashEmbedder())
    assert caught.value.next_step.startswith("rm ")


def test_a_turn_keeps_what_was_embedded_in_it_and_is_forgotten_at_its_end():
    inner = HashEmbedder()
    memo = PerTurn(inner)
    for _ in range(2):
        with one_turn():
            first = memo.embed(["a b", "c"])
            with one_turn():
                again = memo.embed(["c", "d", "a b", "c"])
    assert inner.seen == ["a b", "c", "d"] * 2
    assert np.array_equal(again[2], first[0]) and np.array_equal(again[0], again[3])
    memo.embed(["c"]), memo.embed(["c"])
    assert inner.seen[6:] == ["c", "c"], "outside of a turn nothing is kept"


def test_a_turn_that_failed_is_forgotten_too():
    inner = HashEmbedder()
    for _ in range(2):
        with pytest.raises(KeyError), one_turn():
            PerTurn(inner).embed(["a"])
            raise KeyError
    assert inner.seen == ["a", "a"]


def test_turns_of_two_threads_do_not_meet():
    inner = HashEmbedder()
    memo = PerTurn(inner)
    with one_turn():
        memo.embed(["a"])
        with ThreadPoolExecutor(1) as pool:
            pool.submit(memo.embed, ["a"]).result()
    assert inner.seen == ["a", "a"]


def test_a_long_turn_stays_small_and_exact():
    memo = PerTurn(HashEmbedder())
    texts = [f"text {n}" for n in range(TURN_TEXTS + 5)]
    with one_turn():
        assert np.array_equal(memo.embed(texts), HashEmbedder().embed(texts))
        assert np.array_equal(memo.embed(texts[:3]), HashEmbedder().embed(texts[:3]))
