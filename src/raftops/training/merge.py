"""Base weights with an adapter folded in, in 16 or 32 bits. Never into NF4: that keeps 0.4 % of its change.

The base is first rounded to what the adapter learned on, so that what was trained is what is served.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import PeftModel

from raftops.errors import StepError
from raftops.generation.rounding import as_trained
from raftops.training.base import load_for_merging


def merged(folder: Path, adapter: Path | None) -> Any:
    """The base model of a Hugging Face folder, with an adapter folder merged into it if one is given."""
    model = load_for_merging(folder)
    return merge_into(model, adapter) if adapter else model


def merge_into(model: Any, adapter: Path) -> Any:
    """Merge an adapter into an unquantised model; a quantised one is refused."""
    if getattr(model, "is_quantized", False):
        raise StepError("an adapter must not be merged into quantised weights: its change would be rounded away")
    return PeftModel.from_pretrained(as_trained(model, adapter), adapter).merge_and_unload(safe_merge=True)
