from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from raftops.errors import ModelError
from raftops.training.base import load_for_merging, load_tokenizer
from raftops.training.gguf import unsupported, write_gguf


def written(folder: Path, path: Path) -> Path:
    write_gguf(load_for_merging(folder), load_tokenizer(folder), folder, path)
    return path


@pytest.mark.parametrize("family", ["tiny", "tiny_qwen"])
def test_another_reader_finds_the_same_weights_in_the_same_places(
    family: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = request.getfixturevalue(family)
    gguf = written(folder, tmp_path / "model.gguf")
    read = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file=gguf.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    ).state_dict()
    for name, tensor in load_for_merging(folder).state_dict().items():
        assert (read[name] - tensor).abs().max() <= tensor.abs().max() / 127, name


def test_another_reader_finds_the_same_tokenizer_and_template(tiny: Path, tmp_path: Path) -> None:
    gguf = written(tiny, tmp_path / "model.gguf")
    read, own = AutoTokenizer.from_pretrained(tmp_path, gguf_file=gguf.name), load_tokenizer(tiny)
    text = "<|im_start|>user\nA hotel may cost 140 euros, naïve façade 😀<|im_end|>\n"
    assert read(text)["input_ids"] == own(text)["input_ids"]
    assert read.chat_template == own.chat_template


def test_the_same_model_gives_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    assert written(tiny, tmp_path / "a.gguf").read_bytes() == written(tiny, tmp_path / "b.gguf").read_bytes()


def test_an_unknown_architecture_is_refused_and_nothing_is_left_behind(tiny: Path, tmp_path: Path) -> None:
    model, tokenizer = load_for_merging(tiny), load_tokenizer(tiny)
    model.config.model_type = "gpt_neox"
    assert "'gpt_neox' is not one of llama" in unsupported(model.config, tokenizer)
    with pytest.raises(ModelError, match="cannot be written as GGUF"):
        write_gguf(model, tokenizer, tiny, tmp_path / "made" / "model.gguf")
    assert not list(tmp_path.rglob("*.gguf"))


def test_a_failed_write_leaves_no_half_file(tiny: Path, tmp_path: Path) -> None:
    model = load_for_merging(tiny)
    model.model.register_parameter("unheard_of", torch.nn.Parameter(torch.zeros(4)))
    with pytest.raises(ModelError, match="no name for the tensor"):
        write_gguf(model, load_tokenizer(tiny), tiny, tmp_path / "model.gguf")
    assert not list(tmp_path.iterdir())
