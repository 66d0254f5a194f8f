import runpy
from pathlib import Path

import pytest

from raftops.training.base import load_for_merging, load_tokenizer
from raftops.training.gguf import write_gguf

make_tiny = runpy.run_path(str(Path(__file__).parents[1] / "training" / "tiny.py"))["make_tiny"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder of a random two-layer llama."""
    return make_tiny(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="session")
def tiny_gguf(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as it is served."""
    path = tmp_path_factory.mktemp("served") / "base.gguf"
    write_gguf(load_for_merging(tiny), load_tokenizer(tiny), tiny, path)
    return path
