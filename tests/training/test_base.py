from collections import Counter
from pathlib import Path

import bitsandbytes as bnb
import gguf
import pytest
import torch
from bitsandbytes.functional import dequantize_4bit

from raftops.errors import ModelError
from raftops.models import LocalModel
from raftops.spec.model.learning import Train
from raftops.training.adapter import attach
from raftops.training.base import hf_folder, load_for_merging, load_for_training, load_tokenizer
from raftops.training.gguf import write_gguf

CONFIG = Train(audience=("all",), rank=4, alpha=8)
IDS = torch.arange(5, 37).reshape(2, 16)


def gradient(model: torch.nn.Module) -> float:
    model.train()
    model.zero_grad()
    model(input_ids=IDS, labels=IDS).loss.backward()
    return float(sum(p.grad.norm() for p in model.parameters() if p.grad is not None))


def evaluate(model: torch.nn.Module) -> None:
    model.eval()
    with torch.no_grad():
        model(input_ids=IDS)


def four_bit(model: torch.nn.Module) -> list[bnb.nn.Linear4bit]:
    return [m for m in model.modules() if isinstance(m, bnb.nn.Linear4bit)]


def test_qlora_has_nf4_weights_with_double_quantisation(tiny: Path) -> None:
    layers = four_bit(load_for_training(tiny, "qlora"))
    assert len(layers) == 14
    assert {layer.weight.quant_type for layer in layers} == {"nf4"}
    assert all(layer.weight.quant_state.nested for layer in layers)
    assert not any(layer.weight.requires_grad for layer in layers)


def test_lora_leaves_the_weights_as_they_are(tiny: Path) -> None:
    assert not four_bit(load_for_training(tiny, "lora"))


def test_gradients_flow_the_same_after_an_evaluation(tiny: Path) -> None:
    model = attach(load_for_training(tiny, "qlora"), CONFIG, None)
    before = gradient(model)
    evaluate(model)
    assert gradient(model) == pytest.approx(before, rel=1e-4) != 0


def test_weights_dequantise_the_same_after_an_evaluation(tiny: Path) -> None:
    model = load_for_training(tiny, "qlora")
    layer = four_bit(model)[0]
    before = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    evaluate(model)
    assert torch.equal(dequantize_4bit(layer.weight.data, layer.weight.quant_state), before)


def test_bitsandbytes_may_not_repack_weights_on_any_machine(tiny: Path) -> None:
    layers = four_bit(load_for_training(tiny, "qlora"))
    assert {layer.support_avx512bf16_for_cpu for layer in layers} == {False}


def test_a_gguf_file_becomes_a_folder_and_is_parsed_once(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.gguf"
    write_gguf(load_for_merging(tiny), load_tokenizer(tiny), tiny, file)
    calls: Counter[str] = Counter()
    parse = gguf.GGUFReader

    def counted(path: Path) -> gguf.GGUFReader:
        calls["parsed"] += 1
        return parse(path)

    monkeypatch.setattr(gguf, "GGUFReader", counted)
    folder = hf_folder(LocalModel(file, "digest"), tmp_path / "cache")
    assert calls["parsed"] == 1 and gguf.GGUFReader is counted
    assert load_tokenizer(folder).get_vocab() == load_tokenizer(tiny).get_vocab()
    made = load_for_merging(folder).state_dict()
    for name, tensor in load_for_merging(tiny).state_dict().items():
        assert (made[name] - tensor).abs().max() <= tensor.abs().max() / 64, name


def test_a_file_that_is_no_gguf_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + b"\0" * 64)
    with pytest.raises(ModelError, match=r"model\.gguf: transformers cannot read this GGUF"):
        hf_folder(LocalModel(tmp_path / "model.gguf", "digest"), tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("hf"))
