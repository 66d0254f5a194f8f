"""The LoRA adapter: new on every linear layer, or one to continue from; saved without pickles or machine paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from raftops.errors import StepError
from raftops.files import read_json, write_json
from raftops.generation.rounding import record_method
from raftops.spec.model.learning import Train
from raftops.training.base import Method

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def attach(model: Any, config: Train, start: Path | None) -> PeftModel:
    """Put a trainable adapter on a base model; `start` is the folder of an adapter to continue from."""
    if start is not None:
        return PeftModel.from_pretrained(model, start, is_trainable=True)
    torch.manual_seed(config.seed)
    lora = LoraConfig(
        r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules="all-linear",
        task_type="CAUSAL_LM",
    )  # fmt: skip
    return get_peft_model(model, lora)


def check_start(start: Path, config: Train) -> None:
    """Refuse an adapter to continue from that is not there, or has another shape than the spec asks for."""
    if not (start / WEIGHTS).is_file():
        raise StepError(
            f"train.init_from: {start} holds no {WEIGHTS}",
            next_step="name a folder with raft/ (and plain/ if train.plain), or remove train.init_from",
        )
    existing = read_json(start / CONFIG)
    if (existing.get("r"), existing.get("lora_alpha")) != (config.rank, config.alpha):
        raise StepError(
            f"{start}: rank {existing.get('r')} and alpha {existing.get('lora_alpha')}, "
            f"but train.rank is {config.rank} and train.alpha {config.alpha}",
            next_step="set train.rank and train.alpha to those of the adapter",
        )


def keep_full_precision(model: PeftModel) -> None:
    """Adapter weights in fp32: trl casts those of a 4-bit model to bf16, where small updates round to nothing."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def save(model: PeftModel, folder: Path, base: str, method: Method) -> None:
    """Write weights, configuration and method, the same bytes for the same adapter; `base` is named as in the spec."""
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)
    written = read_json(folder / CONFIG)
    named = {"base_model_name_or_path": base, "target_modules": sorted(written["target_modules"])}
    write_json(folder / CONFIG, written | named)
    (folder / WEIGHTS).chmod(0o644)
    record_method(folder, method)
