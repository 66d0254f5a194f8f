"""Texts to unit vectors by an exported encoder: onnxruntime, or OpenVINO in bf16 where the CPU has it. No torch.

An index records which engine built it; its queries must use the same (vectors differ in the fifth digit).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime
import openvino
from tokenizers import Tokenizer

from raftops.errors import ModelError
from raftops.files import read_json
from raftops.retrieval.protocols import Vectors

Engine = Literal["auto", "onnxruntime", "openvino"]
Ids = npt.NDArray[np.int64]
Run = Callable[[Ids, Ids], Vectors]
BATCH = 32
THREADS = 2


@dataclass(frozen=True)
class OnnxEmbedder:
    """An `Embedder` over one exported encoder."""

    name: str
    """First twelve digits of the model's digest, and the engine."""
    engine: str
    dimension: int
    max_tokens: int
    """A longer text is cut here."""
    tokenizer: Tokenizer
    run: Run
    pad_id: int = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors in the order of the texts. Batches are made by length, so little is padded."""
        ids = [e.ids for e in self.tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        vectors = np.zeros((len(ids), self.dimension), dtype=np.float32)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            vectors[rows] = self.run(*self._padded([ids[i] for i in rows]))
        return vectors

    def tokens(self, text: str) -> int:
        """Tokens that the encoder reads of a text, with its special tokens."""
        return len(self.tokenizer.encode(text).ids)

    def _padded(self, ids: Sequence[Sequence[int]]) -> tuple[Ids, Ids]:
        shape = (len(ids), max(map(len, ids)))
        padded, mask = np.full(shape, self.pad_id, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for row, tokens in enumerate(ids):
            padded[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return padded, mask


def open_embedder(folder: Path, engine: Engine = "auto") -> OnnxEmbedder:
    """Open what `onnx_form` found or made. `auto` takes OpenVINO where the CPU computes bf16, else onnxruntime."""
    path = folder / "model.onnx"
    if not path.is_file():
        raise ModelError(f"{folder}: no encoder in ONNX form", next_step="run the index step again")
    settings = read_json(folder / "embedder.json")
    chosen = engine if engine != "auto" else ("openvino" if _has_bf16() else "onnxruntime")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(settings["max_tokens"])
    return OnnxEmbedder(
        name=f"{settings['digest'][:12]}-{chosen}",
        engine=chosen,
        dimension=settings["dimension"],
        max_tokens=settings["max_tokens"],
        tokenizer=tokenizer,
        run=_openvino(path) if chosen == "openvino" else _onnxruntime(path),
        pad_id=settings["pad_id"],
    )


def _has_bf16() -> bool:
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _onnxruntime(path: Path) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no narrower base
        raise ModelError(
            f"{path}: onnxruntime cannot load it ({error})", next_step="remove it and index again"
        ) from error

    def run(ids: Ids, mask: Ids) -> Vectors:
        (vectors,) = session.run(["vectors"], {"input_ids": ids, "attention_mask": mask})
        return np.asarray(vectors, dtype=np.float32)

    return run


def _openvino(path: Path) -> Run:
    precision = "bf16" if _has_bf16() else "f32"
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": THREADS}
    try:
        compiled = openvino.Core().compile_model(str(path), "CPU", options)
    except RuntimeError as error:
        raise ModelError(
            f"{path}: OpenVINO cannot load it ({error})", next_step="set index.engine: onnxruntime"
        ) from error

    def run(ids: Ids, mask: Ids) -> Vectors:
        request = compiled.create_infer_request()
        result = request.infer({"input_ids": ids, "attention_mask": mask})
        return _unit(np.array(result["vectors"], dtype=np.float32))

    return run


def _unit(vectors: Vectors) -> Vectors:
    """Normalised again: bf16 leaves lengths off by up to 0.4 %."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
