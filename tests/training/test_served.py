from pathlib import Path

import bitsandbytes as bnb
import pytest
import torch
from bitsandbytes.functional import dequantize_4bit
from transformers import AutoModelForCausalLM

from raftops.errors import StepError
from raftops.generation.rounding import as_trained, record_method
from raftops.spec.model.learning import Train
from raftops.training.adapter import attach, save
from raftops.training.base import load_for_merging, load_for_training
from raftops.training.served import merge_into, merged

pytestmark = pytest.mark.slow

LAYER = "model.layers.1.self_attn.q_proj"


@pytest.fixture
def adapter(tiny: Path, tmp_path: Path) -> Path:
    """An adapter whose change is small beside the weights, as a trained one is."""
    model = attach(load_for_training(tiny, "qlora"), Train(audience=("all",), rank=4, alpha=8), None)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = 0.01 * torch.randn_like(parameter)
    save(model, tmp_path / "adapter", "file://tiny", "qlora")
    return tmp_path / "adapter"


def test_a_merged_model_keeps_the_whole_change_of_its_adapter(tiny: Path, adapter: Path) -> None:
    from safetensors.torch import load_file

    weights = load_file(adapter / "adapter_model.safetensors")
    a, b = (weights[f"base_model.model.{LAYER}.lora_{x}.weight"].float() for x in "AB")
    base = as_trained(load_for_merging(tiny), adapter).get_submodule(LAYER).weight
    change = merged(tiny, adapter).get_submodule(LAYER).weight - base
    torch.testing.assert_close(change, 2.0 * b @ a, atol=1e-6, rtol=1e-4)


def test_every_layer_is_rounded_as_in_training_and_the_head_is_not(tiny: Path, adapter: Path) -> None:
    trained, rounded = load_for_training(tiny, "qlora"), as_trained(load_for_merging(tiny), adapter)
    for name, module in trained.named_modules():
        if isinstance(module, bnb.nn.Linear4bit):
            weight = dequantize_4bit(module.weight.data, module.weight.quant_state)
            # Training computes in 16 bits where the machine has them, merging on a CPU in 32: the same numbers there.
            assert torch.equal(rounded.get_submodule(name).weight.to(weight.dtype), weight), name
    assert torch.equal(rounded.lm_head.weight.to(trained.lm_head.weight.dtype), trained.lm_head.weight)


def test_an_adapter_of_16_bit_training_finds_the_base_as_it_is(tiny: Path, adapter: Path) -> None:
    record_method(adapter, "lora")
    base = load_for_merging(tiny).state_dict()
    rounded = as_trained(load_for_merging(tiny), adapter).state_dict()
    assert all(torch.equal(value, base[name]) for name, value in rounded.items())


def test_merging_into_quantised_weights_is_refused(tiny: Path, adapter: Path) -> None:
    with pytest.raises(StepError, match="must not be merged into quantised weights"):
        merge_into(load_for_training(tiny, "qlora"), adapter)


def test_without_an_adapter_the_base_stays_as_it_is(tiny: Path) -> None:
    base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).state_dict()
    assert all(torch.equal(value, base[name]) for name, value in merged(tiny, None).state_dict().items())


def test_a_saved_adapter_is_safetensors_only_and_names_no_machine_path(tiny: Path, adapter: Path) -> None:
    assert {file.name for file in adapter.iterdir()} == {
        "adapter_model.safetensors", "adapter_config.json", "training.json",
    }  # fmt: skip
    assert str(tiny) not in (adapter / "adapter_config.json").read_text()
