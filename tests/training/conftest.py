import runpy
from pathlib import Path

import pytest

make_tiny = runpy.run_path(str(Path(__file__).with_name("tiny.py")))["make_tiny"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder of a random two-layer llama."""
    return make_tiny(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for Qwen 2: biases, an own head, no rotation of q and k."""
    return make_tiny(tmp_path_factory.mktemp("tiny") / "qwen", "qwen2")
