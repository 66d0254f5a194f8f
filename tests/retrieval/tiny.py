"""Small real things for retrieval tests: an encoder of one embedding table, passages, and a passages folder on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as parquet
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from raftops.data.records import Locator, Passage, Span
from raftops.files import write_json
from raftops.models import resolve
from raftops.retrieval.rows import FIELDS, row_of

DIMENSION = 32
TOPICS = [
    "leave",
    "travel",
    "salary",
    "laptop",
    "badge",
    "bonus",
    "pension",
    "visa",
    "parking",
    "lunch",
    "training",
    "remote",
    "sick",
    "notice",
]


class HashEmbedder:
    """A bag of hashed words: the same text gives the same vector everywhere."""

    name = "hash"

    def __init__(self):
        self.seen = []

    def tokens(self, text):
        return len(text.split())

    def embed(self, texts):
        self.seen += texts
        vectors = np.full((len(texts), DIMENSION), 1e-6, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, hashlib.md5(word.strip(".,:?()").encode()).digest()[0] % DIMENSION] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def passage(number, text, policy="everyone", title="Handbook", doc_id=None, headings=()):
    """One passage whose spans are its sentences; the document's text is the passage."""
    place, spans, start = Locator(headings=tuple(headings)), [], 0
    for sentence in text.split(". "):
        end = min(len(text), start + len(sentence) + 1)
        spans.append(Span(start, end, place))
        start = end + 1
    doc = doc_id or f"doc{number}.md"
    return Passage(
        f"p{number:03}", doc, f"v{number}", title, text, 0, len(text), place, policy, f"https://x/{doc}",
        len(text.split()), tuple(spans),
    )  # fmt: skip


def corpus(size=14):
    """Passages on one topic each, in turn of three policies."""
    return [
        passage(n, f"The {TOPICS[n % 14]} rule number {n}. Ask about {TOPICS[(n + 1) % 14]} too.", f"policy{n % 3}")
        for n in range(size)
    ]


def write_passages(folder: Path, passages) -> Path:
    """The folder that the ingest step writes."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row_of(p) for p in passages]
    for row, p in zip(rows, passages, strict=True):
        row["spans"] = json.dumps([[s.start, s.end, s.locator.as_dict()] for s in p.spans])
    parquet.write_table(pa.Table.from_pylist(rows).select(["passage_id", *FIELDS]), folder / "passages.parquet")
    documents = [
        {f: getattr(p, f) for f in ("doc_id", "version", "title", "policy_id", "uri", "text")} for p in passages
    ]
    parquet.write_table(pa.Table.from_pylist(documents), folder / "documents.parquet")
    return folder


def tiny_encoder(folder: Path, cache: Path, seed: int = 0) -> str:
    """The source of an encoder already exported to the cache: an embedding table, mean pooling, unit length."""
    model = folder / "encoder"
    model.mkdir(parents=True, exist_ok=True)
    words = ["[UNK]", "rule", "number", "the", "ask", "about", "too", *TOPICS, *(str(n) for n in range(40))]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    tokenizer.save(str(model / "tokenizer.json"))
    write_json(model / "config.json", {"seed": seed})
    found = resolve(f"file://{model}", cache)
    target = cache / "models" / found.digest
    target.mkdir(parents=True)
    onnx.save(_graph(np.random.default_rng(seed).normal(size=(len(words), DIMENSION))), target / "model.onnx")
    tokenizer.save(str(target / "tokenizer.json"))
    settings = {"digest": found.digest, "pooling": "mean", "max_tokens": 64, "pad_id": 0, "dimension": DIMENSION}
    write_json(target / "embedder.json", settings)
    return f"file://{model}"


def _graph(table):
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "input_ids"], ["rows"]),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["mask", "last"], ["wide"]),
        node("Mul", ["rows", "wide"], ["kept"]),
        node("ReduceSum", ["kept", "tokens"], ["sum"], keepdims=0),
        node("ReduceL2", ["sum"], ["length"], axes=[1], keepdims=1),
        node("Div", ["sum", "length"], ["vectors"]),
    ]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "t"]) for n in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["b", DIMENSION])]
    constants = [
        numpy_helper.from_array(table.astype(np.float32), "table"),
        numpy_helper.from_array(np.array([-1]), "last"),
        numpy_helper.from_array(np.array([1]), "tokens"),
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
