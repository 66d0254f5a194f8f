"""Texts to unit vectors by an exported encoder. No torch.

An index records which engine built it; its queries must use the same (vectors differ in the fifth digit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from raftops.errors import ModelError
from raftops.files import read_json
from raftops.retrieval.engine import Engine, Ids, Run, chosen_engine, open_graph
from raftops.retrieval.protocols import Vectors

BATCH = 32


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
            vectors[rows] = self._vectors([ids[i] for i in rows])
        return vectors

    def tokens(self, text: str) -> int:
        """Tokens that the encoder reads of a text, with its special tokens."""
        return len(self.tokenizer.encode(text).ids)

    def _vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        padded, mask = self._padded(ids)
        vectors = self.run({"input_ids": padded, "attention_mask": mask})
        return _unit(vectors) if self.engine == "openvino" else vectors

    def _padded(self, ids: Sequence[Sequence[int]]) -> tuple[Ids, Ids]:
        shape = (len(ids), max(map(len, ids)))
        padded, mask = np.full(shape, self.pad_id, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for row, tokens in enumerate(ids):
            padded[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return padded, mask


def open_embedder(folder: Path, engine: Engine = "auto") -> OnnxEmbedder:
    """Open what `onnx_form` found or made, in the engine that `chosen_engine` takes."""
    path = folder / "model.onnx"
    if not path.is_file():
        raise ModelError(f"{folder}: no encoder in ONNX form", next_step="run the index step again")
    settings = read_json(folder / "embedder.json")
    chosen = chosen_engine(engine)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(settings["max_tokens"])
    return OnnxEmbedder(
        name=f"{settings['digest'][:12]}-{chosen}",
        engine=chosen,
        dimension=settings["dimension"],
        max_tokens=settings["max_tokens"],
        tokenizer=tokenizer,
        run=open_graph(path, chosen, "vectors", "remove it and index again"),
        pad_id=settings["pad_id"],
    )


def _unit(vectors: Vectors) -> Vectors:
    """Normalised again: bf16 leaves lengths off by up to 0.4 %."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
