"""Pairs of question and text to one score each: a cross-encoder of the packaged sentence encoder and what was learned.

On disk a re-ranker is a folder with `reranker.safetensors` (low-rank matrices and a head, 1.3 MB) and `reranker.json`.
Opening merges them into the encoder's weights and writes ONNX into the cache, once per digest. Needs no torch.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from raftops.errors import ModelError
from raftops.files import link_or_copy, read_json, sha256_file, sha256_json, write_json
from raftops.models import LocalModel
from raftops.retrieval.bert import is_bert, write_cross_encoder
from raftops.retrieval.engine import Engine, Run, chosen_engine, open_graph
from raftops.retrieval.protocols import Vectors

WEIGHTS, SETTINGS, SERVED = "reranker.safetensors", "reranker.json", "served.json"
BATCH = 32
STEP = 16
"""Texts are padded to a multiple of this, so that a score does not hang on the length of the others."""
FORM = 1
"""Of the graph that is cached; another form has another key."""


@dataclass(frozen=True)
class Pairs:
    """Questions and texts to token ids; what is too long loses its end, the question from half of the room on."""

    tokenizer: Tokenizer
    max_tokens: int

    def encode(self, question: str, texts: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """Ids and types of each pair."""
        asked = self.tokenizer.encode(question, add_special_tokens=False)
        half = self.max_tokens // 2
        short = question if len(asked.ids) <= half else question[: asked.offsets[half - 1][1]]
        found = self.tokenizer.encode_batch([(short, text) for text in texts])
        return [_cut(pair.ids, pair.type_ids, self.max_tokens) for pair in found]


def _cut(ids: list[int], types: list[int], limit: int) -> tuple[list[int], list[int]]:
    """The last token is the separator: it stays."""
    return (ids, types) if len(ids) <= limit else ([*ids[: limit - 1], ids[-1]], [*types[: limit - 1], types[-1]])


def open_pairs(folder: Path, max_tokens: int) -> Pairs:
    """The tokenizer of an encoder's folder, for pairs."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Pairs(tokenizer, max_tokens)


@dataclass(frozen=True)
class OnnxReranker:
    """A `Reranker` over one exported cross-encoder."""

    name: str
    """First twelve digits of the digest, and the engine."""
    mix: float
    """How much a logit counts beside today's score of a unit."""
    pairs: Pairs
    run: Run
    pad_id: int = 0

    def score(self, question: str, texts: Sequence[str]) -> Vectors:
        """Logits in the order of the texts; each depends on the question and its own text alone."""
        pairs = self.pairs.encode(question, texts) if texts else []
        room = [-(-len(ids) // STEP) * STEP for ids, _ in pairs]
        scores = np.zeros(len(pairs), dtype=np.float32)
        for width in sorted(set(room)):
            alike = [i for i, size in enumerate(room) if size == width]
            for start in range(0, len(alike), BATCH):
                rows = alike[start : start + BATCH]
                scores[rows] = self._scores([pairs[i] for i in rows], width)
        return scores

    def _scores(self, pairs: Sequence[tuple[list[int], list[int]]], width: int) -> Vectors:
        ids = np.full((len(pairs), width), self.pad_id, dtype=np.int64)
        types, mask = np.zeros_like(ids), np.zeros_like(ids)
        for row, (tokens, kinds) in enumerate(pairs):
            ids[row, : len(tokens)], types[row, : len(tokens)], mask[row, : len(tokens)] = tokens, kinds, 1
        return self.run({"input_ids": ids, "attention_mask": mask, "token_type_ids": types})


def open_reranker(folder: Path, encoder: LocalModel, cache: Path, engine: Engine = "auto") -> OnnxReranker:
    """Open a re-ranker. Several processes may make its graph in the same cache at the same time.

    Raises:
        ModelError: it is broken, or was trained on another encoder than `encoder`.
    """
    settings = read_json(folder / SETTINGS)
    if settings["encoder"] != encoder.digest:
        raise ModelError(
            f"{folder}: a re-ranker of the encoder {settings['encoder'][:12]}, and this is {encoder.digest[:12]}",
            next_step="train again, or set models.embedder to the encoder that it was trained on",
        )
    about = _about(folder, encoder)
    graph = _made(cache / "rerankers" / about["digest"], lambda out: _write(folder, encoder.path, about, out))
    return _opened(about, graph, encoder.path, engine)


def write_served(folder: Path, encoder: LocalModel, cache: Path) -> None:
    """Put beside a re-ranker what it takes to open it where its encoder is not: its graph, tokenizer and settings."""
    about = _about(folder, encoder)
    graph = _made(cache / "rerankers" / about["digest"], lambda out: _write(folder, encoder.path, about, out))
    (folder / graph.name).unlink(missing_ok=True)
    link_or_copy(str(graph), str(folder / graph.name))
    shutil.copyfile(encoder.path / "tokenizer.json", folder / "tokenizer.json")
    write_json(folder / SERVED, {name: value for name, value in about.items() if name != "config"})


def open_served(folder: Path, engine: Engine = "auto") -> OnnxReranker:
    """Open what `write_served` wrote."""
    return _opened(read_json(folder / SERVED), folder / "model.onnx", folder, engine)


def reranker_in(evidence: Path) -> OnnxReranker | None:
    """The re-ranker of a folder `evidence/` of adapters or of a release, if it has one."""
    folder = evidence / "reranker"
    return open_served(folder) if (folder / SERVED).is_file() else None


def _about(folder: Path, encoder: LocalModel) -> dict[str, Any]:
    settings, config = read_json(folder / SETTINGS), read_json(encoder.path / "config.json")
    scale = settings["alpha"] / settings["rank"]
    return {
        "digest": sha256_json([FORM, encoder.digest, sha256_file(folder / WEIGHTS), scale]), "scale": scale,
        "mix": float(settings["mix"]), "max_tokens": int(settings["max_tokens"]),
        "pad_id": int(config.get("pad_token_id") or 0), "config": config,
    }  # fmt: skip


def _opened(about: dict[str, Any], graph: Path, tokenizer: Path, engine: Engine) -> OnnxReranker:
    chosen = chosen_engine(engine)
    return OnnxReranker(
        name=f"{about['digest'][:12]}-{chosen}",
        mix=about["mix"],
        pairs=open_pairs(tokenizer, about["max_tokens"]),
        run=open_graph(graph, chosen, "scores", f"remove {graph.parent}: it is made again"),
        pad_id=about["pad_id"],
    )


def _made(target: Path, write: Callable[[Path], None]) -> Path:
    """The graph in its folder of the cache; a folder is there whole or not at all."""
    graph = target / "model.onnx"
    if not graph.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as temporary:
            whole = Path(temporary) / "whole"
            whole.mkdir()
            write(whole / graph.name)
            try:
                whole.rename(target)
            except OSError:  # another was first
                if not graph.is_file():
                    raise
    return graph


def _write(folder: Path, encoder: Path, about: dict[str, Any], out: Path) -> None:
    config = about["config"]
    try:
        if not is_bert(config):
            raise ValueError(f"{config.get('model_type', 'no model_type')} is not of the BERT family")
        write_cross_encoder(encoder, config, load_file(folder / WEIGHTS), about["scale"], out)
    except (ValueError, KeyError, OSError, SafetensorError) as error:
        raise ModelError(f"{folder / WEIGHTS}: {error}", next_step="train the re-ranker again") from error


def save_reranker(folder: Path, learned: dict[str, Any], settings: dict[str, Any]) -> None:
    """Move weights in 16 bits and settings to a folder; the settings are written last."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: np.ascontiguousarray(value, dtype=np.float16) for name, value in learned.items()}, folder / WEIGHTS
    )
    (folder / WEIGHTS).chmod(0o644)  # safetensors leaves it to its owner alone; a release is read by others
    write_json(folder / SETTINGS, settings)


def copy_reranker(source: Path, target: Path) -> None:
    """Copy a re-ranker as it is."""
    target.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, SETTINGS):
        shutil.copyfile(source / name, target / name)
