"""The base model: a Hugging Face folder of it, its 4-bit form for training and its 16- or 32-bit form for merging.

A GGUF file is dequantised once into the cache, because bitsandbytes quantises from safetensors only.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache as remembered
from pathlib import Path
from typing import Any, Literal

import bitsandbytes as bnb
import gguf
import torch
from bitsandbytes.functional import has_avx512bf16
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GgufConfig,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from raftops.errors import ModelError
from raftops.models import LocalModel

Method = Literal["qlora", "lora"]
logging.disable_progress_bar()


def hf_folder(base: LocalModel, cache: Path) -> Path:
    """A Hugging Face folder of the base: its own, or one made in the cache from its GGUF file."""
    if base.path.is_dir():
        return base.path
    converted = cache / "models" / base.digest / "hf"
    if not converted.is_dir():
        converted.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=converted.parent, prefix=".hf-") as temporary:
            part = Path(temporary) / "hf"
            _dequantise(base.path, part)
            try:
                part.rename(converted)
            except OSError:
                if not converted.is_dir():
                    raise
                shutil.rmtree(part)  # another process was first, and made the same folder
    return converted


def _dequantise(file: Path, folder: Path) -> None:
    source: dict[str, Any] = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    try:
        with _parsed_once():
            model = AutoModelForCausalLM.from_pretrained(
                **source, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
            )
            tokenizer = AutoTokenizer.from_pretrained(**source)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{file}: transformers cannot read this GGUF ({error})") from error
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@contextmanager
def _parsed_once() -> Iterator[None]:
    """transformers parses the file three times and makes the table of names for every module: 30 s against 10 s."""
    parse, names = gguf.GGUFReader, gguf.get_tensor_name_map
    gguf.GGUFReader, gguf.get_tensor_name_map = remembered(parse), remembered(names)
    try:
        yield
    finally:
        gguf.GGUFReader, gguf.get_tensor_name_map = parse, names


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The base's tokenizer; one without a chat template cannot be trained on conversations."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        raise ModelError(
            f"{folder}: the tokenizer has no chat template or no end-of-turn token",
            next_step="use an instruct model as `models.base`",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def device() -> str:
    """`cuda` where there is one, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def compute_dtype() -> torch.dtype:
    """bf16 where the hardware has it: emulated on a CPU it is more than 7 times slower than fp32."""
    native = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else has_avx512bf16()
    return torch.bfloat16 if native else torch.float32


def load_for_training(folder: Path, method: Method) -> Any:
    """The base with frozen weights: NF4 with double quantisation, or as it is."""
    dtype = compute_dtype()
    quantisation = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, quantization_config=quantisation if method == "qlora" else None, device_map={"": device()}
    )
    keep_weights_unpacked(model)
    model.requires_grad_(False)
    model.config.use_cache = False
    return model


def keep_weights_unpacked(model: Any) -> None:
    """Forbid bitsandbytes to repack 4-bit weights in place at the first evaluation (CPUs with avx512_bf16).

    Repacked weights give no gradients to what lies below them, and garbage when dequantised; neither is an error.
    """
    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


def load_for_merging(folder: Path) -> Any:
    """The base in 16 or 32 bits: an adapter that is merged into NF4 weights is all but lost."""
    dtype = torch.float32 if device() == "cpu" else torch.bfloat16
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, device_map={"": device()})


def positions(folder: Path) -> int:
    """The longest sequence that the base can read."""
    config = AutoConfig.from_pretrained(folder)
    return int(getattr(config, "max_position_embeddings", 2048))
