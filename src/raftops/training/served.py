"""The served weights: one Q8_0 GGUF for the base and one for each adapter, kept in the cache by content."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoConfig

from raftops.files import sha256_json
from raftops.training.base import load_tokenizer
from raftops.training.gguf import unsupported, write_gguf
from raftops.training.merge import merged
from raftops.training.tune import Adapter, Base

FORMAT = 2
"""Raised when the same weights would be written differently."""


def why_not(base: Base) -> str:
    """Why a base cannot be written as GGUF (it is then served by transformers); empty if it can."""
    return unsupported(AutoConfig.from_pretrained(base.folder), load_tokenizer(base.folder))


def served_gguf(base: Base, adapter: Adapter | None, cache: Path) -> Path:
    """The GGUF of the base, alone or with an adapter merged in."""
    key = sha256_json([FORMAT, base.digest, adapter.digest if adapter else ""])[:32]
    path = cache / "gguf" / f"{key}.gguf"
    if not path.is_file():
        model = merged(base.folder, adapter.folder if adapter else None)
        write_gguf(model, load_tokenizer(base.folder), base.folder, path)
    return path
