"""How surprised an adapter is by answers that it was not trained on: what candidates are chosen by."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from raftops.training.base import Method, device, load_for_training
from raftops.training.dataset import IGNORED, Row
from raftops.training.loop import MICRO_TOKENS


def answer_loss(base: Path, method: Method, adapter: Path, rows: Sequence[Row]) -> float:
    """Mean loss over the answer tokens of all conversations, in nats, on the base as it was trained on.

    The adapter is read from its files, so that the loss is the same whoever trained it, and whenever.
    """
    model = PeftModel.from_pretrained(load_for_training(base, method), adapter).eval()
    try:
        total = sum(_loss(model, batch) for batch in batches(rows))
    finally:
        del model
        free_memory()
    return total / sum(label != IGNORED for row in rows for label in row.labels)


def batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Conversations alike in length together, as many as one forward pass may hold."""
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: (len(row), row.id)):
        if batch and (len(batch) + 1) * len(row) > MICRO_TOKENS[device()]:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _loss(model: Any, batch: Sequence[Row]) -> float:
    """Sum of the loss over the answer tokens, with logits from the first answer token on only."""
    ids, mask, labels = (_padded(values, fill) for values, fill in _columns(batch))
    first = int((labels != IGNORED).any(dim=0).nonzero()[0])
    kept = labels.shape[1] - max(0, first - 1)
    place = model.device
    with torch.inference_mode():
        logits = model(input_ids=ids.to(place), attention_mask=mask.to(place), logits_to_keep=kept).logits
        said = logits[:, :-1].float().flatten(0, 1)
        wanted = labels[:, -kept:][:, 1:].to(place).flatten()
        return float(torch.nn.functional.cross_entropy(said, wanted, ignore_index=IGNORED, reduction="sum"))


def _columns(batch: Sequence[Row]) -> Iterator[tuple[list[list[int]], int]]:
    yield [row.input_ids for row in batch], 0
    yield [[1] * len(row) for row in batch], 0
    yield [row.labels for row in batch], IGNORED


def _padded(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])


def free_memory() -> None:
    """Give back what models left behind: a loop over candidates would fill a GPU with them."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
