"""A model as a Q8_0 GGUF that openvino-genai and llama.cpp read, with tokenizer and chat template inside.

Writes the llama family and Qwen 2 and 3 with a byte-level BPE vocabulary; `unsupported` says why another is not
written.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedTokenizerBase

from raftops.errors import ModelError
from raftops.files import read_json

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA, "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3,
}  # fmt: skip
Q8_0 = gguf.GGMLQuantizationType.Q8_0
ROWS = 256
"""Quantised at a time: the same bytes as by 16, which gguf takes, in a third of the time."""
Weights = npt.NDArray[Any]


def unsupported(config: Any, tokenizer: PreTrainedTokenizerBase) -> str:
    """Why a model cannot be written; empty if it can."""
    if config.model_type not in ARCHITECTURES:
        return f"architecture {config.model_type!r} is not one of {', '.join(ARCHITECTURES)}"
    if _rope(config).get("rope_type", "default") != "default":
        return "its rotary embedding is scaled"
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or "ByteLevel" not in str(backend.pre_tokenizer) or type(backend.model).__name__ != "BPE":
        return "its vocabulary is not byte-level BPE"
    return ""


def write_gguf(model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path, path: Path) -> None:
    """Write a model, and the tokenizer that `folder` holds, to one file; the file appears whole or not at all."""
    reason = unsupported(model.config, tokenizer)
    if reason:
        raise ModelError(f"{path}: cannot be written as GGUF: {reason}")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        writer = gguf.GGUFWriter(name, gguf.MODEL_ARCH_NAMES[ARCHITECTURES[model.config.model_type]])
        _add_model(writer, model.config)
        _add_tokenizer(writer, tokenizer, folder, model.config.vocab_size)
        for tensor, weights, kind in _tensors(model):
            writer.add_tensor(tensor, weights, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _add_model(writer: gguf.GGUFWriter, config: Any) -> None:
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(size)
    writer.add_rope_freq_base(float(_rope(config)["rope_theta"]))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerBase, folder: Path, size: int) -> None:
    """The tokenizer twice: whole, as our own engine reads it (before the long lists), and in GGUF's form for others."""
    writer.add_string("tokenizer.huggingface.json", (folder / "tokenizer.json").read_text(encoding="utf-8"))
    writer.add_chat_template(tokenizer.chat_template)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(False)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_pre_tokenizer(tokenizer))

    tokens = [f"[PAD{i}]" for i in range(size)]  # the weights may have more rows than there are tokens
    kinds = [int(gguf.TokenType.UNUSED)] * size
    for token, number in tokenizer.get_vocab().items():
        tokens[number], kinds[number] = token, int(gguf.TokenType.NORMAL)
    for number, added in tokenizer.added_tokens_decoder.items():
        kinds[number] = int(gguf.TokenType.CONTROL if added.special else gguf.TokenType.USER_DEFINED)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    merges = read_json(folder / "tokenizer.json")["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])


def _tensors(model: Any) -> Iterator[tuple[str, Weights, Any]]:
    config = model.config
    names = gguf.get_tensor_name_map(ARCHITECTURES[config.model_type], config.num_hidden_layers)
    for key, tensor in model.state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue  # readers take the embedding for both
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise ModelError(f"GGUF has no name for the tensor {key}")
        weights = tensor.detach().to("cpu", torch.float32).numpy()
        yield name, *_quantised(_rotated(key, weights, config))


def _rotated(key: str, weights: Weights, config: Any) -> Weights:
    """Rows of q and k in the pairing that llama's rotary embedding has in GGUF; other families keep theirs."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    count = next((n for name, n in heads.items() if f".{name}." in key), 0)
    if not count or ARCHITECTURES[config.model_type] != gguf.MODEL_ARCH.LLAMA:
        return weights
    halves = weights.reshape(count, 2, weights.shape[0] // count // 2, *weights.shape[1:])
    return halves.swapaxes(1, 2).reshape(weights.shape)


def _quantised(weights: Weights) -> tuple[Weights, Any]:
    """Matrices as Q8_0, vectors and what Q8_0's blocks of 32 do not fit as fp32."""
    if weights.ndim < 2 or weights.shape[-1] % 32:
        return weights, None
    parts = (np.ascontiguousarray(weights[i : i + ROWS]) for i in range(0, len(weights), ROWS))
    return np.concatenate([gguf.quants.Q8_0.quantize_rows(part) for part in parts]), Q8_0


def _rope(config: Any) -> dict[str, Any]:
    return dict(config.rope_parameters)


def _pre_tokenizer(tokenizer: PreTrainedTokenizerBase) -> str:
    """llama.cpp's name of the splitting rule. Our engine does not read it: it hands over token ids."""
    rule = str(tokenizer.backend_tokenizer.pre_tokenizer)
    if "Digits" in rule:
        return "smollm"
    if "{1,3}" in rule:
        return "llama-bpe"
    return "qwen2" if "\\p{N}" in rule else "gpt-2"
