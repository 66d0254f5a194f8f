"""A sentence encoder folder to ONNX, once per content digest. The only retrieval module that needs torch.

Pooling (mean or first token) and L2 normalisation are inside the graph. Encoders with further dense layers are refused.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from raftops.errors import ModelError
from raftops.files import read_json, write_json
from raftops.models import LocalModel

MAX_TOKENS = 512
"""Longest input of any export; a model's own `max_seq_length` may be shorter."""


class _Encoder(torch.nn.Module):
    """Token ids and mask to unit sentence vectors."""

    def __init__(self, model: Any, pooling: str) -> None:
        super().__init__()
        self.model = model
        self.pooling = pooling

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.pooling == "cls":
            pooled = states[:, 0]
        else:
            mask = attention_mask.unsqueeze(-1).to(states.dtype)
            pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(pooled, dim=-1)


def export_encoder(model: LocalModel, cache: Path) -> Path:
    """The folder with `model.onnx`, `tokenizer.json` and `embedder.json`; made on first use, whole or not at all."""
    target = cache / "models" / model.digest
    if (target / "embedder.json").is_file():
        return target
    if not (model.path / "tokenizer.json").is_file():
        raise ModelError(f"{model.path}: no tokenizer.json", next_step="save the model with a fast tokenizer")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as temporary:
        whole = Path(temporary) / "whole"
        _export(model, whole)
        _take_place(whole, target)
    return target


def _export(model: LocalModel, folder: Path) -> None:
    folder.mkdir()
    pooling = _pooling(model.path)
    settings = {"digest": model.digest, "pooling": pooling, "max_tokens": _max_tokens(model.path)}
    settings |= {"pad_id": _pad_id(model.path), "dimension": _write_onnx(model.path, pooling, folder / "model.onnx")}
    shutil.copyfile(model.path / "tokenizer.json", folder / "tokenizer.json")
    write_json(folder / "embedder.json", settings)


def _take_place(whole: Path, target: Path) -> None:
    """The first that is whole takes the name: several pods may export into one cache at the same time."""
    if not (target / "embedder.json").is_file():
        shutil.rmtree(target, ignore_errors=True)
    try:
        whole.rename(target)
    except OSError:
        if not (target / "embedder.json").is_file():
            raise


def _write_onnx(folder: Path, pooling: str, out: Path) -> int:
    """Export and compare; the dimension."""
    encoder = _Encoder(_load(folder), pooling).eval()
    ids = torch.ones((2, 8), dtype=torch.int64)
    axes = {0: "batch", 1: "tokens"}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder,
            (ids, ids),
            str(out),
            dynamo=False,
            opset_version=17,
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "vectors": {0: "batch"}},
        )
        return _compare(encoder, out)


def _load(folder: Path) -> Any:
    transformers_logging.disable_progress_bar()
    try:
        return AutoModel.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: not a readable encoder ({error})") from error


def _compare(encoder: _Encoder, out: Path) -> int:
    """A traced graph may be right for one shape only: try another, with padding."""
    ids = torch.arange(1, 112).reshape(3, 37)
    mask = (torch.arange(37)[None, :] < torch.tensor([[37], [5], [20]])).long()
    expected = encoder(ids, mask).numpy()
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    gap = float(np.abs(found - expected).max())
    if not gap < 1e-3:
        raise ModelError(f"{out}: the exported encoder differs from the model by {gap:.4f}")
    return int(expected.shape[1])


def _pooling(folder: Path) -> str:
    """`mean` (also where the folder does not say) or `cls`; anything else is refused."""
    modules = json.loads((folder / "modules.json").read_text()) if (folder / "modules.json").is_file() else []
    kinds = {str(m["type"]).rsplit(".", 1)[-1] for m in modules}
    if kinds - {"Transformer", "Pooling", "Normalize"}:
        raise ModelError(f"{folder}: layers after pooling are not supported ({', '.join(sorted(kinds))})")
    path = next((m["path"] for m in modules if str(m["type"]).endswith("Pooling")), "1_Pooling")
    config = folder / path / "config.json"
    chosen = read_json(config) if config.is_file() else {"pooling_mode_mean_tokens": True}
    names = {k.removeprefix("pooling_mode_") for k, v in chosen.items() if k.startswith("pooling_mode_") and v is True}
    if names not in ({"mean_tokens"}, {"cls_token"}):
        raise ModelError(f"{folder}: pooling {sorted(names)} is not supported", next_step="use a mean or CLS encoder")
    return "cls" if names == {"cls_token"} else "mean"


def _max_tokens(folder: Path) -> int:
    path = folder / "sentence_bert_config.json"
    declared = read_json(path).get("max_seq_length") if path.is_file() else None
    return min(int(declared or 256), MAX_TOKENS)


def _pad_id(folder: Path) -> int:
    return int(read_json(folder / "config.json").get("pad_token_id") or 0)
