"""The model that is kept: loaded once for the same weights, and begun before anything else is imported."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from raftops.errors import ModelError, ReleaseError
from raftops.service import weights
from raftops.service.weights import Weights


def release(model, engine="openvino"):
    return SimpleNamespace(deploy=SimpleNamespace(engine=engine), parts={"model": model}, model="x.gguf")


@pytest.fixture
def opened(monkeypatch):
    """What was loaded, in order."""
    made = []
    monkeypatch.setattr(weights, "open_generator", lambda r, engine: made.append(r.parts["model"]) or object())
    return made


def test_two_releases_of_the_same_weights_share_one_model(opened):
    kept = Weights()
    assert kept.of(release("a")) is kept.of(release("a"))
    assert kept.of(release("b")) is not None and opened == ["a", "b"]


def test_what_was_begun_is_what_is_taken(opened):
    kept = Weights()
    kept.begin(SimpleNamespace(open=lambda: release("a")))
    kept.of(release("a"))
    assert opened == ["a"]


def test_a_release_that_cannot_be_opened_is_left_to_whoever_serves_it(opened):
    def broken():
        raise ReleaseError("a part is missing")

    Weights().begin(SimpleNamespace(open=broken))
    assert opened == []


def test_torch_is_not_imported_beside_other_imports(opened):
    Weights().begin(SimpleNamespace(open=lambda: release("a", "transformers")))
    assert opened == []


@pytest.mark.parametrize(
    ("asked", "model", "why"),
    [
        ("transformers", "x.gguf", "deploy.engine is transformers"),
        ("auto", None, "hf://odd has no GGUF form for OpenVINO"),
    ],
)
def test_an_image_without_torch_says_which_extra_brings_it(monkeypatch, asked, model, why):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "raftops.generation.transformers", raising=False)
    served = SimpleNamespace(deploy=SimpleNamespace(engine=asked), parts={"model": "m"}, model=model, base="hf://odd")
    with pytest.raises(ModelError, match=f"{why}, and torch is not installed here") as caught:
        Weights().of(served)
    assert "raftops[generation]" in caught.value.next_step and "EXTRAS=generation" in caught.value.next_step


def test_a_service_that_cannot_start_says_so_and_ends():
    program = (
        "import os; os.environ['RAFTOPS_IDENTITY'] = '{'\nfrom raftops.service.service import Late\nLate()._assemble()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and "raftops-error" in done.stdout and "cannot start" in done.stdout
