"""A sentence encoder of any family to ONNX, by tracing it with torch: `raftops models export`. No step needs it.

Pooling (mean or first token) and L2 normalisation are inside the graph. Encoders with further dense layers are refused.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from raftops.errors import ModelError
from raftops.models import LocalModel
from raftops.retrieval.encoder import write_form
from raftops.retrieval.engine import open_exact


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


def export_encoder(model: LocalModel, folder: Path) -> None:
    """Write the ONNX form of an encoder into a new folder, which is a model source of its own."""
    if folder.exists():
        raise ModelError(f"{folder}: is there already", next_step="name a new folder")
    write_form(model, folder, _write_onnx)


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
    found = open_exact(out, "vectors")({"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    gap = float(np.abs(found - expected).max())
    if not gap < 1e-3:
        raise ModelError(f"{out}: the exported encoder differs from the model by {gap:.4f}")
    return int(expected.shape[1])
