"""The in-memory retriever keeps the contract."""

import pytest

from raftops.retrieval.memory import MemoryRetriever
from tests.retrieval.contract import RetrieverContract
from tests.retrieval.tiny import HashEmbedder, corpus


class TestMemoryRetriever(RetrieverContract):
    @pytest.fixture(scope="class")
    def retriever(self):
        return MemoryRetriever(corpus(), HashEmbedder(), dense_share=0.5)


def test_no_passages_find_nothing():
    assert MemoryRetriever([], HashEmbedder()).search("x", frozenset({"p"}), 3) == []
