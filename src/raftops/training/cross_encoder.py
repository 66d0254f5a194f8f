"""A cross-encoder that chooses evidence: LoRA on the packaged sentence encoder and a linear head, by listwise softmax.

Reads rows of choices (`{id, split, kind, question, candidates: [{text, signals, golden}]}`); `golden` may be null for a
candidate that is neither right nor an example of a wrong one, `found` is false for one that retrieval did not bring.
Continues after a kill, from its last checkpoint.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModel

from raftops.answer.evidence import WEIGHTS
from raftops.retrieval.reranker import Pairs, open_pairs

MAX_TOKENS = 96
"""Longest pair of question and text that is trained on."""
TARGETS = ("query", "key", "value", "dense")
CHECKPOINT = "checkpoint.pt"
CHECKPOINT_STEPS = 50
OnStep = Callable[[int, int, float], None]
"""Called after each step with step, steps and loss."""
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fit:
    """Settings of one training."""

    steps: int
    rank: int = 16
    alpha: int = 32
    learning_rate: float = 5e-4
    head_rate: float = 2e-3
    lists: int = 8
    """Questions a step."""
    hard: int = 4
    """Wrong candidates drawn from the first `near` of today's order."""
    near: int = 8
    random: int = 1
    """Wrong candidates drawn from behind those."""
    warm_up: float = 0.06
    bf16: bool = False
    micro: int = 16
    """Pairs of one forward pass, alike in length."""
    seed: int = 7


@dataclass(frozen=True)
class Choice:
    """A question with its candidates, best first by today's order."""

    id: str
    question: str
    texts: tuple[str, ...]
    golden: tuple[bool | None, ...]
    scores: tuple[float, ...]
    """Today's scores."""
    found: tuple[bool, ...] = ()
    """Whether retrieval brought each of them."""

    @staticmethod
    def of(row: Mapping[str, Any]) -> Choice:
        """The choice of a row."""
        weights = np.array([WEIGHTS.dense, WEIGHTS.words, WEIGHTS.passage])
        scored = [(float(np.dot(c["signals"], weights)), c) for c in row["candidates"]]
        scored.sort(key=lambda pair: -pair[0])
        return Choice(
            str(row["id"]), str(row["question"]), tuple(str(c["text"]) for _, c in scored),
            tuple(c["golden"] for _, c in scored), tuple(score for score, _ in scored),
            tuple(bool(c.get("found", True)) for _, c in scored),
        )  # fmt: skip

    @property
    def teaches(self) -> bool:
        """Whether it has a right candidate and a wrong one."""
        return True in self.golden and False in self.golden


class CrossEncoder(torch.nn.Module):
    """Pairs of token ids to one number each: mean of the last layer, then a linear head."""

    def __init__(self, encoder: Path, fit: Fit) -> None:
        super().__init__()
        none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        inner = AutoModel.from_pretrained(encoder, add_pooling_layer=False, dtype=torch.float32, **none)
        lora = LoraConfig(r=fit.rank, lora_alpha=fit.alpha, target_modules=list(TARGETS))
        self.encoder = get_peft_model(inner, lora)
        self.head = torch.nn.Linear(inner.config.hidden_size, 1)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)
        for layer in self.encoder.modules() if fit.bf16 else ():
            if isinstance(layer, torch.nn.Linear) and not layer.weight.requires_grad:
                layer.to(torch.bfloat16)  # autocast would turn frozen weights anew in every pass

    def forward(self, ids: torch.Tensor, types: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits, one a pair."""
        out = self.encoder(input_ids=ids, token_type_ids=types, attention_mask=mask).last_hidden_state
        wide = mask.unsqueeze(-1).to(out.dtype)
        mean = (out * wide).sum(1) / wide.sum(1)
        return self.head(mean.float()).squeeze(-1)

    def learned(self) -> dict[str, torch.Tensor]:
        """What training changes, by the names it has on disk."""
        return {
            name.removeprefix("encoder.base_model.model.").replace(".default.weight", ""): p
            for name, p in self.named_parameters() if p.requires_grad
        }  # fmt: skip


def fit(  # noqa: PLR0913  data, settings, where it begins, where it is kept and a listener
    choices: Sequence[Choice], encoder: Path, settings: Fit, work: Path, start: Path | None, on_step: OnStep
) -> CrossEncoder:
    """Train on choices that have a golden candidate; `start` is the file of a re-ranker of the same rank to go on from.

    A killed training goes on from its checkpoint in `work`, which the end removes.
    """
    torch.manual_seed(settings.seed)
    model = CrossEncoder(encoder, settings)
    if start:
        _take(model, load_file(start))
    heads = [p for name, p in model.learned().items() if name.startswith("head.")]
    bodies = [p for name, p in model.learned().items() if not name.startswith("head.")]
    groups = [{"params": bodies, "lr": settings.learning_rate}, {"params": heads, "lr": settings.head_rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, settings))
    done = _resume(work, model, optimizer, schedule)
    pairs = open_pairs(encoder, MAX_TOKENS)
    model.train()
    order = list(_order(choices, settings))
    for step in range(done, settings.steps):
        drawn = order[step * settings.lists : (step + 1) * settings.lists]
        loss = _loss(model, pairs, [_drawn(c, settings, step) for c in drawn], settings)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*bodies, *heads], 1.0)
        optimizer.step()
        schedule.step()
        on_step(step + 1, settings.steps, float(loss.detach()))
        if (step + 1) % CHECKPOINT_STEPS == 0:
            _keep(work, model, optimizer, schedule, step + 1)
    (work / CHECKPOINT).unlink(missing_ok=True)
    return model.eval()


def _order(choices: Sequence[Choice], settings: Fit) -> Iterator[Choice]:
    """The choices that can teach, shuffled anew in each pass over them."""
    able = [c for c in choices if c.teaches]
    draw = random.Random(settings.seed)
    given = 0
    while given < settings.steps * settings.lists:
        yield from draw.sample(able, len(able))
        given += len(able)


def _drawn(choice: Choice, settings: Fit, step: int) -> tuple[str, list[str]]:
    """The question, and its texts: a golden one first, then wrong ones, most of them from the head of today's order."""
    draw = random.Random(f"{settings.seed}:{step}:{choice.id}")
    golden = [t for t, g in zip(choice.texts, choice.golden, strict=True) if g is True]
    wrong = [t for t, g in zip(choice.texts, choice.golden, strict=True) if g is False]
    near, far = wrong[: settings.near], wrong[settings.near :]
    hard = draw.sample(near, min(settings.hard, len(near)))
    return choice.question, [draw.choice(golden[:2]), *hard, *draw.sample(far, min(settings.random, len(far)))]


def _loss(model: CrossEncoder, pairs: Pairs, lists: Sequence[tuple[str, list[str]]], settings: Fit) -> torch.Tensor:
    """Mean over the lists of the negative log-probability of the first text."""
    read = [pair for question, texts in lists for pair in pairs.encode(question, texts)]
    with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
        scores = _scores(model, read, settings.micro)
    parts = torch.split(scores, [len(texts) for _, texts in lists])
    return torch.stack([torch.logsumexp(part, 0) - part[0] for part in parts]).mean()


def _scores(model: CrossEncoder, pairs: Sequence[tuple[list[int], list[int]]], micro: int) -> torch.Tensor:
    """Logits in the order of the pairs, computed in batches of alike length."""
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]))
    found = []
    for at in range(0, len(order), micro):
        rows = [pairs[i] for i in order[at : at + micro]]
        shape = (len(rows), max(len(ids) for ids, _ in rows))
        ids, types, mask = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
        for i, (tokens, kinds) in enumerate(rows):
            ids[i, : len(tokens)], types[i, : len(tokens)] = torch.tensor(tokens), torch.tensor(kinds)
            mask[i, : len(tokens)] = 1
        found.append(model(ids, types, mask))
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(found)[back]


def score_texts(model: CrossEncoder, encoder: Path, question: str, texts: Sequence[str]) -> Scores:
    """Logits of one question's texts, by torch."""
    with torch.no_grad():
        scores = _scores(model, open_pairs(encoder, MAX_TOKENS).encode(question, texts), 32)
    return np.asarray(scores.float().numpy(), dtype=np.float32)


def _rate(step: int, settings: Fit) -> float:
    warm_up = max(1, round(settings.warm_up * settings.steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return max(0.02, 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, settings.steps - warm_up))))


def _keep(work: Path, model: CrossEncoder, optimizer: Any, schedule: Any, step: int) -> None:
    work.mkdir(parents=True, exist_ok=True)
    state = {
        "learned": dict(model.learned()), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
        "step": step,
    }  # fmt: skip
    torch.save(state, work / f".{CHECKPOINT}")
    (work / f".{CHECKPOINT}").replace(work / CHECKPOINT)


def _resume(work: Path, model: CrossEncoder, optimizer: Any, schedule: Any) -> int:
    if not (work / CHECKPOINT).is_file():
        return 0
    state = torch.load(work / CHECKPOINT, weights_only=True)
    _take(model, state["learned"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    return int(state["step"])


def _take(model: CrossEncoder, found: dict[str, torch.Tensor]) -> None:
    learned = model.learned()
    with torch.no_grad():
        for name, value in learned.items():
            value.copy_(found[name].to(value.dtype))
