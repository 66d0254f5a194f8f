"""Vectors are computed once."""

import sqlite3

import numpy as np
import pytest

from raftops.errors import IndexUnusable
from raftops.retrieval.memo import Remembering, VectorCache
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
