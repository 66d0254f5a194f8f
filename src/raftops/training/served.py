"""The served weights: one Q8_0 GGUF for the base and one for each adapter, kept in the cache by content.

An adapter is merged in 16 or 32 bits, never into NF4: that keeps 0.4 % of its change. The base is first rounded to what
the adapter learned on, so that what was trained is what is served.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import AutoConfig

from raftops.errors import StepError
from raftops.files import sha256_json
from raftops.generation.rounding import as_trained
from raftops.training.base import load_for_merging, load_tokenizer
from raftops.training.gguf import unsupported, write_gguf
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


def merged(folder: Path, adapter: Path | None) -> Any:
    """The base model of a Hugging Face folder, with an adapter folder merged into it if one is given."""
    model = load_for_merging(folder)
    return merge_into(model, adapter) if adapter else model


def merge_into(model: Any, adapter: Path) -> Any:
    """Merge an adapter into an unquantised model; a quantised one is refused."""
    if getattr(model, "is_quantized", False):
        raise StepError("an adapter must not be merged into quantised weights: its change would be rounded away")
    return PeftModel.from_pretrained(as_trained(model, adapter), adapter).merge_and_unload(safe_merge=True)
