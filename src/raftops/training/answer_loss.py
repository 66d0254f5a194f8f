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
    width = max(map(len, batch))
    padding = [width - len(row) for row in batch]
    ids = torch.tensor([[*row.input_ids, *[0] * missing] for row, missing in zip(batch, padding, strict=True)])
    mask = torch.tensor([[1] * len(row) + [0] * missing for row, missing in zip(batch, padding, strict=True)])
    labels = torch.tensor([[*row.labels, *[IGNORED] * missing] for row, missing in zip(batch, padding, strict=True)])
    first = int((labels != IGNORED).any(dim=0).nonzero()[0])
    kept = width - max(0, first - 1)  # the logit before a token predicts it
    with torch.inference_mode():
        ids, mask, labels = (tensor.to(model.device) for tensor in (ids, mask, labels))
        logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=kept).logits
        predicted, expected = logits[:, :-1].float().flatten(0, 1), labels[:, -kept:][:, 1:].flatten()
        return float(torch.nn.functional.cross_entropy(predicted, expected, ignore_index=IGNORED, reduction="sum"))


def free_memory() -> None:
    """Give back what models left behind: a loop over candidates would fill a GPU with them."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
