"""The training loop: trl's SFTTrainer over rows in a fixed order, with checkpoints that survive a kill.

A checkpoint counts only with its mark, written last. Continuing from one gives the adapter of the unbroken run.
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedTokenizerBase, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

from raftops.files import write_text
from raftops.spec.model.learning import Train
from raftops.training import ranks
from raftops.training.adapter import keep_full_precision
from raftops.training.base import compute_dtype, device
from raftops.training.dataset import Row, arrange

COMPLETE = "complete"
MICRO_TOKENS = {"cpu": 1024, "cuda": 16384}
"""Tokens of one forward pass; activations of a 135M model take about 4 MiB a token on a CPU."""
GROUPS = 4
"""Least micro-batches of a batch: each is alike in length, together they mix lengths and kinds of conversations."""
WARM_UP = 0.05
OnStep = Callable[[int, int, float], None]
"""Called after each step with step, steps and loss."""


@dataclass(frozen=True)
class Plan:
    """The rows in training order, and how they are cut into steps."""

    rows: list[Row]
    steps: int
    batch: int
    micro: int

    @property
    def tokens(self) -> int:
        """Tokens read in all."""
        return sum(map(len, self.rows))

    @property
    def padding(self) -> float:
        """Share of what is computed that is padding."""
        groups = [self.rows[i : i + self.micro] for i in range(0, len(self.rows), self.micro)]
        return 1 - self.tokens / sum(len(g) * max(map(len, g)) for g in groups)

    def tokens_until(self, step: int) -> int:
        """Tokens read by the end of a step (from 1)."""
        return sum(map(len, self.rows[: step * self.batch]))


@dataclass(frozen=True)
class Trained:
    """The outcome of one loop."""

    history: list[dict[str, float]]
    """One entry a step: step, loss, learning_rate, tokens."""
    tokens: int
    """Tokens read in this process, after the checkpoint it continued from."""
    seconds: float


def plan(rows: Sequence[Row], config: Train) -> Plan:
    """Lay out epochs, steps and micro-batches."""
    batch = min(config.batch_size, len(rows))
    count = max(1, round(config.epochs * len(rows)))
    steps = min(math.ceil(count / batch), config.max_steps or count)
    count = min(count, steps * batch)
    longest = max(map(len, rows))
    together = ranks.count()
    sizes = (n for n in range(1, batch // GROUPS + 1) if batch % (n * together) == 0)
    fitting = [n for n in sizes if n * longest <= MICRO_TOKENS[device()]]
    micro = max(fitting, default=1)
    return Plan(arrange(rows, count, micro, config.seed), steps, batch, micro)


def run(  # noqa: PLR0913  model, data, settings, folder and listener
    model: PeftModel, tokenizer: PreTrainedTokenizerBase, todo: Plan, config: Train, work: Path, on_step: OnStep
) -> Trained:
    """Train, from the last complete checkpoint below `work` if there is one."""
    set_threads(config.threads)
    last = _last_checkpoint(work)
    trainer = _Trainer(
        model=model, args=on_one_device(_arguments(todo, config, work)), processing_class=tokenizer,
        train_dataset=Dataset.from_list([{"input_ids": r.input_ids, "labels": r.labels} for r in todo.rows]),
        callbacks=[_Watch(on_step)],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    keep_full_precision(model)
    done = int(last.name.rpartition("-")[2]) if last else 0
    started = time.perf_counter()
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    seconds = time.perf_counter() - started
    history = [
        {
            "step": int(entry["step"]),
            "loss": float(entry["loss"]),
            "learning_rate": float(entry["learning_rate"]),
            "tokens": todo.tokens_until(int(entry["step"])),
        }
        for entry in trainer.state.log_history if "loss" in entry  # those before a resume are in it
    ]  # fmt: skip
    return Trained(history, todo.tokens - todo.tokens_until(done), seconds)


def _arguments(todo: Plan, config: Train, work: Path) -> SFTConfig:
    cuda = device() == "cuda"
    return SFTConfig(
        output_dir=str(work), max_steps=todo.steps, seed=config.seed, data_seed=config.seed,
        per_device_train_batch_size=todo.micro,
        gradient_accumulation_steps=max(1, todo.batch // (todo.micro * ranks.count())),
        learning_rate=config.learning_rate, weight_decay=0.0, max_grad_norm=1.0, optim="adamw_torch",
        save_steps=config.checkpoint_steps, save_total_limit=2, logging_steps=1, report_to=[], disable_tqdm=True,
        train_sampling_strategy="sequential", max_length=None, dataset_kwargs={"skip_prepare_dataset": True},
        activation_checkpointing=cuda, use_cpu=not cuda, bf16=cuda and compute_dtype() == torch.bfloat16,
        dataloader_pin_memory=cuda, log_level="error", ddp_find_unused_parameters=False if ranks.count() > 1 else None,
    )  # fmt: skip


def on_one_device(arguments: SFTConfig) -> SFTConfig:
    """One GPU for each process: transformers would else copy the model to all that it sees, for larger batches."""
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


class _Trainer(SFTTrainer):
    """trl's trainer with two differences that save time.

    A cosine schedule that wastes no step (transformers' own starts with a learning rate of 0), and logits from the
    first label on only: those of the prompt cost more than the model (47 against 108 tokens/s), and trl's own way
    round them more than this one (56 against 77 tokens per CPU second; 135M model, 49,152 tokens).
    """

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        labels = inputs["labels"]
        first = int((labels != -100).any(dim=0).nonzero()[0])
        kept = labels.shape[1] - max(0, first - 1)
        outputs = model(
            input_ids=inputs["input_ids"], attention_mask=inputs.get("attention_mask"), labels=labels[:, -kept:],
            logits_to_keep=kept, num_items_in_batch=num_items_in_batch,
        )  # fmt: skip
        loss = outputs.loss
        if num_items_in_batch is not None:  # counted over all processes, whose gradients are averaged
            loss = loss * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        self.lr_scheduler: LambdaLR = LambdaLR(optimizer or self.optimizer, partial(rate, steps=num_training_steps))
        return self.lr_scheduler


def rate(step: int, steps: int) -> float:
    """Share of the peak learning rate at a step (from 0): linear warm-up, then cosine towards 0."""
    warm_up = math.ceil(WARM_UP * steps)
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, steps - warm_up))))


class _Watch(TrainerCallback):
    """Marks finished checkpoints and reports each step."""

    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            os.sync()  # the mark must not reach the disk before what it stands for
            write_text(Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE, "")

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        loss = (kwargs.get("logs") or {}).get("loss")
        if loss is not None and state.is_world_process_zero:
            self._on_step(state.global_step, state.max_steps, float(loss))


def _last_checkpoint(work: Path) -> Path | None:
    """The last complete one; those that a kill left half-written are removed."""
    for folder in work.glob("checkpoint-*") if ranks.is_first() else ():
        if not (folder / COMPLETE).is_file():
            shutil.rmtree(folder)
    ranks.wait()
    last = get_last_checkpoint(str(work)) if work.is_dir() else None
    return Path(last) if last else None


def set_threads(threads: int) -> None:
    """CPU threads of torch; 0 takes all that this process may use."""
    if not threads:  # macOS ties no process to cores
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(threads)


def peak_memory_mib() -> float:
    """Highest memory so far: of the GPU where there is one, else of this process."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated() / 2**20)
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest / 2**20 if sys.platform == "darwin" else highest / 2**10  # bytes there, KiB on Linux
