"""Vectors beside an index: what is stored is not computed, what is not stored is, and both are the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftops.errors import IndexUnusable
from raftops.retrieval.stored import Stored, store_vectors
from tests.retrieval.tiny import DIMENSION, HashEmbedder


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "units.arrow"
    assert store_vectors(file, DIMENSION, [["a", "b"], ["b", "c"], ["a"]], HashEmbedder().embed) == 3
    return file


def test_each_text_is_embedded_and_written_once(tmp_path):
    inner = HashEmbedder()
    assert store_vectors(tmp_path / "u", DIMENSION, [["a", "b", "a"], ["b", "c"]], inner.embed) == 3
    assert inner.seen == ["a", "b", "c"]


def test_only_what_is_not_stored_is_computed(path):
    inner = HashEmbedder()
    Stored(inner, path).embed(["a", "new", "c", "new"])
    assert inner.seen == ["new"]


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e", ""])))
def test_vectors_are_those_of_the_embedder_in_the_order_of_the_texts(tmp_path_factory, texts):
    file = tmp_path_factory.mktemp("stored") / "units.arrow"
    store_vectors(file, DIMENSION, [["a"], ["c", "d"]], HashEmbedder().embed)
    vectors = Stored(HashEmbedder(), file).embed(texts)
    assert vectors.shape == (len(texts), DIMENSION)
    assert np.array_equal(vectors, HashEmbedder().embed(texts))


def test_without_a_file_all_is_computed(tmp_path):
    inner = HashEmbedder()
    Stored(inner, tmp_path / "none").embed(["a", "b"])
    assert inner.seen == ["a", "b"]


def test_an_index_without_a_unit_has_an_empty_file(tmp_path):
    assert store_vectors(tmp_path / "u", DIMENSION, [[]], HashEmbedder().embed) == 0
    assert Stored(HashEmbedder(), tmp_path / "u").embed(["a"]).shape == (1, DIMENSION)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"not arrow" * 9, lambda b: b""])
def test_a_damaged_file_is_refused_with_its_name(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(IndexUnusable, match=r"units\.arrow") as caught:
        Stored(HashEmbedder(), path)
    assert caught.value.next_step == "run the index step again"


def test_the_same_texts_give_the_same_file(path, tmp_path):
    store_vectors(tmp_path / "again", DIMENSION, [["a", "b"], ["b", "c"], ["a"]], HashEmbedder().embed)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
