"""What a report is a report of: the data, the index, the base and the adapters, as the steps before say it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raftops.files import read_json, sha256_file
from raftops.release.parts import EVIDENCE

DIGITS = 16
"""Of a hash, which are enough to look it up."""


def origin(accepted: Path, built: Path, adapters: Path) -> dict[str, str]:
    """In words, by what it is about; what a step did not write down is left out."""
    counts, index, trained = (_read(path) for path in (
        accepted / "validate.json", built / "index.json", adapters / "train.json"
    ))  # fmt: skip
    said: dict[str, str] = {}
    if "documents" in counts and "examples" in counts:
        splits = ", ".join(f"{name} {number}" for name, number in counts.get("splits", {}).items())
        said["Data"] = f"{counts['documents']['accepted']} documents, {counts['examples']['accepted']} examples"
        said["Data"] += f" ({splits})" if splits else ""
    said |= {f"{name.capitalize()} by hash": _hash(accepted / f"{name}.jsonl") for name in ("documents", "examples")
             if (accepted / f"{name}.jsonl").is_file()}  # fmt: skip
    if "collection" in index:
        said["Index"] = f"{index['collection']}, {index['rows']} passages, embedder {index['embedder']}"
    if "base" in trained:
        said["Base model"] = f"{trained['base']} ({str(trained.get('base_digest', ''))[:DIGITS]})"
        said["Training"] = "; ".join(
            f"{name}: {row['conversations']} conversations, {row['tokens']} tokens in {row['steps']} steps"
            f" by {trained.get('method', '')}, {row['seconds']:.0f} s, adapter {row['digest'][:DIGITS]}"
            for name, row in trained.items() if isinstance(row, Mapping) and "digest" in row
        )  # fmt: skip
    if (adapters / EVIDENCE).is_dir():
        chooses = sorted(path.stem for path in (adapters / EVIDENCE).iterdir() if path.stem != EVIDENCE)
        said["Evidence"] = f"chosen by {' and '.join(chooses)}" if chooses else ""
    return {name: words for name, words in said.items() if words}


def _read(path: Path) -> dict[str, Any]:
    body = read_json(path) if path.is_file() else {}
    return body if isinstance(body, dict) else {}


def _hash(path: Path) -> str:
    return sha256_file(path)[:DIGITS]
