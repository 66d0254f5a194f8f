"""An index built once from the tiny corpus, by the tiny encoder."""

import pytest

from raftops.spec.model.knowledge import Index
from raftops.spec.model.platform import Milvus
from raftops.steps.index import index
from tests.retrieval.tiny import corpus, tiny_encoder, write_passages


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder of an embedded index; tests only read it."""
    root = tmp_path_factory.mktemp("index")
    passages = write_passages(root / "passages", corpus())
    source = tiny_encoder(root, root / "cache")
    index(Index(engine="onnxruntime"), source, Milvus(), "tiny-book", passages, root / "built", root / "cache")
    return root / "built"
