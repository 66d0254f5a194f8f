"""Conversations to token ids and labels: loss on the answer and the end-of-turn token, on nothing else.

Nothing is cut. Prompt and answer are tokenised apart, because a served prompt is tokenised without its answer.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from raftops.errors import StepError
from raftops.files import read_jsonl

IGNORED = -100
WINDOW = 128
"""Rows that are sorted by length together: enough to leave little padding, few enough to stay mixed."""


@dataclass(frozen=True)
class Row:
    """One conversation as the model trains on it."""

    id: str
    input_ids: list[int]
    labels: list[int]

    def __len__(self) -> int:
        return len(self.input_ids)


def read_rows(path: Path, tokenizer: PreTrainedTokenizerBase, limit: int) -> list[Row]:
    """Every conversation of a file; one that is too long, or has no answer, is an error that names it."""
    rows = [_row(f"{path}:{number}", value, tokenizer, limit) for number, value in read_jsonl(path)]
    if not rows:
        raise StepError(f"{path}: no conversations to train on", next_step="look at augment.json and refused.jsonl")
    return rows


def _row(place: str, value: dict[str, Any], tokenizer: PreTrainedTokenizerBase, limit: int) -> Row:
    name = f"{place}: conversation {value.get('id')!r}"
    answer = str(value.get("answer", ""))
    if not answer.strip() or not value.get("messages"):
        raise StepError(f"{name} has no {'messages' if answer.strip() else 'answer'}")
    prompt, completion = split_text(tokenizer, value["messages"], answer, name)
    prompt_ids = encode(tokenizer, prompt)
    answer_ids = _until_end_of_turn(encode(tokenizer, completion), tokenizer, name)
    if len(prompt_ids) + len(answer_ids) > limit:
        raise StepError(
            f"{name} has {len(prompt_ids) + len(answer_ids)} tokens; train.sequence_tokens is {limit}",
            next_step="raise train.sequence_tokens, or lower prompt.evidence_tokens or prompt.units",
        )
    labels = [IGNORED] * len(prompt_ids) + answer_ids
    return Row(str(value["id"]), prompt_ids + answer_ids, labels)


def split_text(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[dict[str, str]], answer: str, name: str = "conversation"
) -> tuple[str, str]:
    """The prompt as it is served, and what the template puts after it for this answer."""
    prompt = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(
        [*messages, {"role": "assistant", "content": answer}], tokenize=False, add_generation_prompt=False
    )
    if not whole.startswith(prompt):
        raise StepError(
            f"{name}: the chat template shows an answered conversation differently from the prompt before it",
            next_step="use a base model whose template only appends the assistant's turn",
        )
    return prompt, whole[len(prompt) :]


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids, none added: the template has written the special ones."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _until_end_of_turn(ids: list[int], tokenizer: PreTrainedTokenizerBase, name: str) -> list[int]:
    """Up to and with the token that ends the turn; what the template writes after it is never generated."""
    end = tokenizer.eos_token_id
    if end not in ids or ids[0] == end:
        problem = "starts with" if ids and ids[0] == end else "does not end with"
        raise StepError(f"{name}: the answer {problem} the end-of-turn token {tokenizer.eos_token!r}")
    return ids[: ids.index(end) + 1]


def arrange(rows: Sequence[Row], count: int, group: int, seed: int) -> list[Row]:
    """The rows in training order, over as many epochs as `count` rows need: groups alike in length, in random order.

    Groups and not whole batches, because length goes with kind: a batch of abstentions alone unlearns the answers.
    A pure function of its arguments, so that a resumed run sees the same batches.
    """
    epochs = (_epoch(rows, group, random.Random(f"{seed}/{epoch}")) for epoch in itertools.count())
    return list(itertools.islice(itertools.chain.from_iterable(epochs), count))


def _epoch(rows: Sequence[Row], size: int, draw: random.Random) -> list[Row]:
    """Every row once: whole groups in random order, then those that the end of a window left short."""
    shuffled = draw.sample(list(rows), len(rows))
    windows = [sorted(shuffled[i : i + WINDOW], key=len) for i in range(0, len(shuffled), WINDOW)]
    groups = [window[i : i + size] for window in windows for i in range(0, len(window), size)]
    whole = [g for g in groups if len(g) == size]
    rest = [g for g in groups if len(g) < size]
    draw.shuffle(whole)
    return [row for group in whole + rest for row in group]
