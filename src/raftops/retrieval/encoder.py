"""The ONNX form of a sentence encoder: the one that its folder carries, or one made in the cache, once per digest.

Needs no torch. What only torch can write (see `raftops.retrieval.bert` for what it need not) comes by `raftops models
export`, which leaves a folder that is a model source of its own.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from raftops.errors import ModelError
from raftops.files import read_json, write_json
from raftops.models import LocalModel
from raftops.retrieval.bert import is_bert, write_bert

FILES = ("model.onnx", "tokenizer.json", "embedder.json")
"""What `open_embedder` reads; `embedder.json` is written last."""
MAX_TOKENS = 512
"""Longest input of any encoder; a model's own `max_seq_length` may be shorter."""
Write = Callable[[Path, str, Path], int]
"""Writes the graph of a model folder, by its pooling, to a file; returns the dimension."""


def onnx_form(model: LocalModel, cache: Path) -> Path:
    """The folder with `FILES`. Several pods may make one in the same cache at the same time.

    Raises:
        ModelError: there is none, and torch is needed to make it.
    """
    target = cache / "models" / model.digest
    for folder in (model.path, target):
        if (folder / "embedder.json").is_file():
            return folder
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as temporary:
        whole = Path(temporary) / "whole"
        write_form(model, whole, _write)
        if not (target / "embedder.json").is_file():
            shutil.rmtree(target, ignore_errors=True)
        try:
            whole.rename(target)
        except OSError:  # another was first
            if not (target / "embedder.json").is_file():
                raise
    return target


def write_form(model: LocalModel, folder: Path, write: Write) -> None:
    """Write `FILES` into a new folder, and the configuration by which it is known for a model."""
    if not (model.path / "tokenizer.json").is_file():
        raise ModelError(f"{model.path}: no tokenizer.json", next_step="save the model with a fast tokenizer")
    config, pooling = read_json(model.path / "config.json"), _pooling(model.path)
    folder.mkdir(parents=True)
    settings = {
        "digest": model.digest, "pooling": pooling, "max_tokens": _max_tokens(model.path),
        "pad_id": int(config.get("pad_token_id") or 0), "dimension": write(model.path, pooling, folder / "model.onnx"),
    }  # fmt: skip
    for name in ("tokenizer.json", "config.json"):
        shutil.copyfile(model.path / name, folder / name)
    write_json(folder / "embedder.json", settings)


def _write(folder: Path, pooling: str, out: Path) -> int:
    config = read_json(folder / "config.json")
    try:
        if not is_bert(config):
            raise ValueError(f"{config.get('model_type', 'no model_type')} is not of the BERT family")
        return write_bert(folder, config, pooling, out)
    except ValueError as error:
        step = "where raftops[export] is installed: raftops models export SOURCE FOLDER; then models.embedder: file://FOLDER"
        raise ModelError(f"{folder}: only PyTorch can write its ONNX form ({error})", next_step=step) from error


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
    declared: Any = read_json(path).get("max_seq_length") if path.is_file() else None
    return min(int(declared or 256), MAX_TOKENS)
