"""What the tests of training look at: the files of adapters, and which of them were trained."""

from __future__ import annotations

import json
from pathlib import Path


def files(adapters: Path) -> dict[str, bytes]:
    """Everything that is served or measured, by its name."""
    paths = (path for path in adapters.rglob("*") if path.is_file())
    return {str(p.relative_to(adapters)): p.read_bytes() for p in paths if p.name not in ("train.json", "loss.svg")}


def trained(said: str) -> list[str]:
    """The adapters that were trained, by what the step said."""
    notes = (json.loads(line.partition(" ")[2])["note"] for line in said.splitlines() if line.startswith("raftops-"))
    return [note.partition(":")[0] for note in notes if note.endswith(": loading the base model")]
