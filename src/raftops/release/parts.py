"""The parts of a release: the folders that earlier steps made, and one hash for each.

A hash is over what a part means, not over what differs from run to run. Lays nothing out: `release.py` does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from raftops.errors import RaftopsError, ReleaseError
from raftops.files import read_json, sha256_file, sha256_json
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Router

SERVED = {"raft": "raft", "base+rag": "base", "fine-tuned+rag": "plain"}
"""Arms that answer with citations, and the model that each of them serves."""
CHOSEN = {"answer": "policy", "least_confidence": "least_confidence", "least_quote": "least_quote"}
"""Settings of the prompt that an evaluation decides, and their names in a report's `answering`."""
EVIDENCE, EVIDENCE_ACCOUNT, RERANKER = "evidence", "evidence.json", "reranker"
"""Folder of adapters and of a release with what chooses the evidence; its file that says how, its folder that ranks."""
PLACE_ONLY = {"smoke_questions", "keep_releases", "keep_indexes_days", "target", "signing", "redteam", "kubernetes"}
"""Keys of `deploy` that change how a release is made, not what is served."""
VOLATILE = {"created", "started", "machine", "path", "time", "seconds", "latency", "memory", "peak_memory_mib"}
"""Names of figures that differ between two runs over the same inputs: whole names, behind the last dot."""
TIMED = ("_seconds", "_per_second")
"""How the names of other such figures end."""

BESIDE, RUN, END = "<!-- beside -->", "<!-- run -->", "<!-- end -->"
"""Around links of the report's page that lead to the files of its folder, or to its run's."""


@dataclass(frozen=True)
class Parts:
    """What a release is made of: the folders of earlier steps."""

    name: str
    title: str
    accepted: Path
    built: Path
    adapters: Path
    report: Path


def without_links(page: str, *kinds: str) -> str:
    """The report's page as it may lie elsewhere: without links of these kinds, which would lead nowhere."""
    for kind in kinds:
        page = re.sub(f"{kind}.*?{END}", "", page, flags=re.DOTALL)
    return page


def winner(report: Path) -> str:
    """The arm that a release serves.

    Raises:
        ReleaseError: the report names one that cannot be served with citations.
    """
    arm = read_part(report / "report.json").get("winner") or "raft"
    if arm not in SERVED:
        raise ReleaseError(
            f"{report / 'report.json'}: the winner is {arm}, which answers without citations",
            next_step=f"compare one of {', '.join(SERVED)} in evaluate.arms",
        )
    return str(arm)


def measured_router(router: Router, report: Path) -> Router:
    """The router that was calibrated and measured with the report, or the spec's where there is none."""
    path = report / "router.json"
    return Router.model_validate(read_part(path)) if path.is_file() else router


def served_prompt(prompt: Prompt, report: Path) -> Prompt:
    """The prompt as it is served: with what the evaluation chose on the dev split, where the spec left it to that."""
    chosen = read_part(report / "report.json").get("answering") or {}
    kept = {name: chosen[key] for name, key in CHOSEN.items() if key in chosen}
    return prompt.model_validate(prompt.model_dump() | kept)


def digests(config: Deploy, prompt: Prompt, router: Router, parts: Parts, arm: str) -> dict[str, str]:
    """One hash per part; together they are the release."""
    model = served_weights(parts.adapters, arm)
    serving = config.model_dump(mode="json", exclude=PLACE_ONLY)
    return {
        "adapter": adapter_digest(parts.adapters, arm),
        "model": digest_of(model) if model else read_part(parts.adapters / "train.json")["base_digest"],
        "evidence": evidence_digest(parts.adapters),
        "index": index_digest(parts.built),
        "prompt": sha256_json(prompt.model_dump(mode="json")),
        "router": sha256_json(router.model_dump(mode="json")),
        "policies": sha256_json(read_part(parts.accepted / "access.json")),
        "report": report_digest(parts.report),
        "serving": sha256_json({"name": parts.name, "title": parts.title, "arm": arm, "deploy": serving}),
    }


def served_weights(adapters: Path, arm: str) -> Path | None:
    """The arm's GGUF, or None where the base has no such form (the train step says why)."""
    path = adapters / "served" / f"{SERVED[arm]}.gguf"
    return None if read_part(adapters / "train.json").get("not_served") else needed(path, "train")


def adapter_digest(adapters: Path, arm: str) -> str:
    """The weights and the settings that give them meaning; the base arm has neither."""
    if arm == "base+rag":
        return sha256_json(None)
    folder = adapters / SERVED[arm]
    settings = read_part(needed(folder / "adapter_config.json", "train"))
    kept = {name: settings.get(name) for name in ("peft_type", "r", "lora_alpha", "use_rslora", "use_dora")}
    modules = settings.get("target_modules") or []
    kept["target_modules"] = modules if isinstance(modules, str) else sorted(modules)
    sources = sha256_file(needed(adapters / "sources.jsonl", "train"))
    return sha256_json([kept, sources, sha256_file(needed(folder / "adapter_model.safetensors", "train"))])


def evidence_digest(adapters: Path) -> str:
    """What chooses the evidence: the re-ranker and the judgement, without the account of what was tried."""
    folder = adapters / EVIDENCE
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / EVIDENCE_ACCOUNT)
    return sha256_json([[p.relative_to(folder).as_posix(), sha256_file(p)] for p in files] or None)


def index_digest(built: Path) -> str:
    """The passages that were indexed, by what, and who may read which document; not Milvus' own files."""
    about = read_part(needed(built / "index.json", "index"))
    parquet = import_module("pyarrow.parquet")  # only where a release is made: reading one needs no extra
    table = parquet.read_table(needed(built / "documents.parquet", "index"), columns=["doc_id", "version", "policy_id"])
    rows = sorted([row["doc_id"], row["version"], row["policy_id"] or ""] for row in table.to_pylist())
    words = sha256_file(needed(built / "bm25.json", "index"))
    return sha256_json([about["built_from"], about["embedder"], about["rows"], about.get("dense_type"), words, rows])


def report_digest(report: Path) -> str:
    """What was measured; a report that states its own identity (figures and answers, no times) is taken at its word."""
    body = read_part(report / "report.json")
    return sha256_json([body["identity"], body.get("winner")] if "identity" in body else steady(body))


def steady(value: Any) -> Any:
    """A JSON value without what is volatile: times, speeds, places. Judged by whole names: `sentiment` is no time."""
    if isinstance(value, dict):
        return {k: steady(v) for k, v in value.items() if not _is_volatile(k.lower().rpartition(".")[2])}
    return [steady(v) for v in value] if isinstance(value, list) else value


def _is_volatile(name: str) -> bool:
    return name in VOLATILE or name.endswith(TIMED)


def digest_of(path: Path) -> str:
    """Hex SHA-256 of a file. One that this process read before and that was not touched since is not read again."""
    about = path.stat()
    return _digest_of(path, about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)


@lru_cache(maxsize=4096)
def _digest_of(path: Path, *touched: int) -> str:
    return sha256_file(path)


def needed(path: Path, step: str) -> Path:
    """The path, if it is there."""
    if not path.exists():
        raise ReleaseError(f"{path}: missing", next_step=f"run the {step} step again")
    return path


def read_part(path: Path) -> Any:
    """A JSON file of a part."""
    try:
        return read_json(path)
    except RaftopsError as error:
        raise ReleaseError(str(error), next_step="run the spec again") from error
