"""From a model's folder to its ONNX form, without torch where it need not be; torch stands here for what is right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from raftops.errors import ModelError
from raftops.models import LocalModel, resolve
from raftops.retrieval import encoder
from raftops.retrieval.embedder import open_embedder
from raftops.retrieval.encoder import FILES, onnx_form
from raftops.retrieval.export import export_encoder

SMALL: dict[str, Any] = {
    "vocab_size": 130, "hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 40,
    "max_position_embeddings": 80,
}  # fmt: skip
FAMILIES = {
    "bert": lambda: BertModel(BertConfig(**SMALL)),
    "bert without a pooler": lambda: BertModel(BertConfig(**SMALL), add_pooling_layer=False),
    "roberta": lambda: RobertaModel(RobertaConfig(**SMALL, type_vocab_size=1)),
    "xlm-roberta": lambda: XLMRobertaModel(XLMRobertaConfig(**SMALL, type_vocab_size=1, layer_norm_eps=1e-5)),
}


def saved(folder: Path, model: Any, pooling: str = "mean_tokens") -> tuple[LocalModel, Any]:
    """A model with weights that are not small, its tokenizer of numbers, and its pooling."""
    torch.manual_seed(3)
    for weight in model.parameters():
        weight.data = torch.randn_like(weight) * 0.4
    model.eval().save_pretrained(folder)
    words = Tokenizer(models.WordLevel({str(n): n for n in range(130)}, unk_token="3"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(folder / "tokenizer.json"))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{pooling}": True}), encoding="utf-8")
    return resolve(f"file://{folder}"), model


def expected(model: Any, ids: torch.Tensor, pooling: str) -> Any:
    """Unit vectors by the model itself, of rows that are padded at their end."""
    mask = (ids != model.config.pad_token_id).long()
    with torch.no_grad():
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    wide = mask.unsqueeze(-1)
    pooled = states[:, 0] if pooling == "cls_token" else (states * wide).sum(1) / wide.sum(1)
    return torch.nn.functional.normalize(pooled, dim=-1).numpy()


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token"])
@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_are_those_of_the_model(family: str, pooling: str, engine: Any, tmp_path: Path) -> None:
    local, model = saved(tmp_path / "model", FAMILIES[family](), pooling)
    embedder = open_embedder(onnx_form(local, tmp_path / "cache"), engine)
    lengths, pad = (40, 3, 17), model.config.pad_token_id
    rows = [[4 + (7 * n + row) % 55 for n in range(length)] for row, length in enumerate(lengths)]
    ids = torch.tensor([row + [pad] * (max(lengths) - len(row)) for row in rows])
    found = embedder.embed([" ".join(map(str, row)) for row in rows])
    assert embedder.pad_id == pad
    wanted = expected(model, ids, pooling)
    if engine == "onnxruntime":
        assert np.abs(found - wanted).max() < 1e-5
    assert (found * wanted).sum(1).min() > 0.999


def test_it_is_the_same_file_every_time(tmp_path: Path) -> None:
    local, _ = saved(tmp_path / "model", FAMILIES["bert"]())
    first, second = (onnx_form(local, tmp_path / name) / "model.onnx" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_weights_in_16_bits_are_read(tmp_path: Path) -> None:
    local, model = saved(tmp_path / "model", FAMILIES["bert"]().half())
    found = open_embedder(onnx_form(local, tmp_path / "cache"), "onnxruntime").embed(["5 6 7"])
    assert np.abs(found - expected(model.float(), torch.tensor([[5, 6, 7]]), "mean_tokens")).max() < 1e-4


def test_it_is_made_without_torch_and_transformers(tmp_path: Path) -> None:
    saved(tmp_path / "model", FAMILIES["bert"]())
    program = (
        "import sys\nsys.modules.update(torch=None, transformers=None)\nfrom pathlib import Path\n"
        "import raftops.steps.index\nfrom raftops.models import resolve\n"
        "from raftops.retrieval.encoder import onnx_form\nprint(onnx_form(resolve(sys.argv[1]), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", program, f"file://{tmp_path}/model", str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in Path(done.stdout.strip()).iterdir()) == sorted([*FILES, "config.json"])


def test_a_model_of_another_family_is_exported_once_with_torch_and_then_read_by_every_step(tmp_path: Path) -> None:
    local, model = saved(tmp_path / "model", MPNetModel(MPNetConfig(**SMALL)))
    with pytest.raises(ModelError, match="only PyTorch can write its ONNX form .mpnet is not of the BERT family") as no:
        onnx_form(local, tmp_path / "cache")
    assert "raftops models export" in no.value.next_step
    export_encoder(local, tmp_path / "exported")
    folder = onnx_form(resolve(f"file://{tmp_path}/exported"), tmp_path / "cache")
    assert folder == tmp_path / "exported"
    embedder = open_embedder(folder, "onnxruntime")
    assert embedder.name == f"{local.digest[:12]}-onnxruntime"
    found = embedder.embed(["5 6 7"])
    assert np.abs(found - expected(model, torch.tensor([[5, 6, 7]]), "mean_tokens")).max() < 1e-4
    with pytest.raises(ModelError, match="is there already"):
        export_encoder(local, tmp_path / "exported")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"position_embedding_type": "relative_key"}, "bert is not of the BERT family"),
        ({"hidden_act": "relu"}, "bert is not of the BERT family"),
        ({"num_hidden_layers": 3}, "no weights encoder.layer.2.attention"),
        ({"num_hidden_layers": 1}, "weights that its family does not have: encoder.layer.1"),
    ],
)
def test_a_model_that_is_not_known_to_the_letter_is_refused(
    change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    saved(tmp_path / "model", FAMILIES["bert"]())
    config = tmp_path / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(ModelError, match=reason):
        onnx_form(resolve(f"file://{tmp_path}/model"), tmp_path / "cache")
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_an_encoder_with_further_layers_is_refused(tmp_path: Path) -> None:
    for name, text in {
        "config.json": "{}",
        "tokenizer.json": "{}",
        "modules.json": '[{"type": "x.Transformer", "path": ""}, {"type": "x.Dense", "path": "2_Dense"}]',
    }.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=r"layers after pooling are not supported \(Dense, Transformer\)"):
        onnx_form(resolve(f"file://{tmp_path}"), tmp_path / "cache")


def test_two_pods_that_make_one_in_the_same_cache_at_once_both_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, _ = saved(tmp_path / "model", FAMILIES["bert"]())
    others, write = [1], encoder.write_bert

    def slow(*arguments: Any) -> int:
        if others:  # the other pod begins later and ends sooner
            others.pop()
            onnx_form(local, tmp_path / "cache")
        return write(*arguments)

    monkeypatch.setattr(encoder, "write_bert", slow)
    made = onnx_form(local, tmp_path / "cache")
    assert set(FILES) <= {path.name for path in made.iterdir()}
    assert [path.name for path in made.parent.iterdir()] == [made.name]
