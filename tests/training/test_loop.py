import math
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from raftops.spec.model.learning import Train
from raftops.training import base, loop
from raftops.training.adapter import attach, save
from raftops.training.base import load_for_training, load_tokenizer
from raftops.training.dataset import IGNORED, Row
from raftops.training.loop import MICRO_TOKENS, plan, rate, run

pytestmark = pytest.mark.slow

CONFIG = Train(audience=("all",), rank=4, alpha=8, batch_size=8, max_steps=3, epochs=10, learning_rate=1e-2)
DRAW = torch.Generator().manual_seed(3)


@pytest.fixture(scope="module", autouse=True)
def whole_precision() -> Iterator[None]:
    """Equalities of sums are told in 32 bits; a CPU with avx512_bf16 would train, and round, in 16."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "compute_dtype", lambda: torch.float32)
        yield


def rows_of(lengths: list[int], answer: int = 4) -> list[Row]:
    made = []
    for i, length in enumerate(lengths):
        ids = torch.randint(5, 300, (length,), generator=DRAW).tolist()
        made.append(Row(str(i), ids, [IGNORED] * (length - answer - i % 3) + ids[length - answer - i % 3 :]))
    return made


ROWS = rows_of([20, 30, 25, 40, 33, 21, 28, 36])


def trained(tiny: Path, work: Path) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Adapter weights and losses of three steps."""
    model = attach(load_for_training(tiny, "qlora"), CONFIG, None)
    result = run(model, load_tokenizer(tiny), plan(ROWS, CONFIG), CONFIG, work / "checkpoints", lambda *_: None)
    save(model, work / "adapter", "file://tiny", "qlora")
    return load_file(work / "adapter" / "adapter_model.safetensors"), [entry["loss"] for entry in result.history]


@pytest.fixture(scope="module")
def in_one(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], list[float]]:
    """The same, every step in one batch."""
    return trained(tiny, tmp_path_factory.mktemp("whole"))


def test_micro_batches_change_the_memory_and_not_the_adapter(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_one: tuple[dict[str, torch.Tensor], list[float]]
) -> None:
    whole, losses = in_one
    monkeypatch.setitem(MICRO_TOKENS, loop.device(), 40)
    assert plan(ROWS, CONFIG).micro == 1
    cut, cut_losses = trained(tiny, tmp_path / "cut")
    assert cut_losses == pytest.approx(losses, rel=1e-4)
    for name, weights in whole.items():
        torch.testing.assert_close(cut[name], weights, atol=2e-4, rtol=1e-3)


def test_the_first_loss_is_the_mean_over_answer_tokens_of_all_logits(
    tiny: Path, in_one: tuple[dict[str, torch.Tensor], list[float]]
) -> None:
    _, losses = in_one
    model = load_for_training(tiny, "qlora").eval()
    total, count = 0.0, 0
    for row in plan(ROWS, CONFIG).rows[:8]:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row.input_ids])).logits[0, :-1]
        labels = torch.tensor(row.labels[1:])
        total += float(torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum"))
        count += int((labels != IGNORED).sum())
    assert losses[0] == pytest.approx(total / count, rel=1e-4)


def test_the_schedule_wastes_no_step_and_ends_near_zero() -> None:
    rates = [rate(step, 20) for step in range(20)]
    assert min(rates) > 0
    assert max(rates) == 1.0 == rates[1]
    assert rates[-1] < 0.01
    assert rate(0, 1) == pytest.approx(0.5)


def test_epochs_and_steps_bound_the_work() -> None:
    config = CONFIG.model_copy(update={"max_steps": None, "epochs": 1.5, "batch_size": 4})
    todo = plan(ROWS, config)
    assert (todo.steps, len(todo.rows)) == (3, 12)
    assert plan(ROWS, CONFIG).steps == 3
    assert plan(ROWS[:2], config).batch == 2
    assert todo.tokens_until(3) == todo.tokens == sum(map(len, todo.rows))


def test_a_forward_pass_stays_within_its_token_budget() -> None:
    todo = plan(rows_of([500] * 8), CONFIG.model_copy(update={"batch_size": 8}))
    assert todo.micro == 2
    assert plan(rows_of([800] * 8), CONFIG.model_copy(update={"batch_size": 8})).micro == 1 + (loop.device() == "cuda")
    assert math.gcd(todo.micro, todo.batch) == todo.micro


def test_a_process_trains_on_one_gpu_however_many_it_sees(tmp_path: Path) -> None:
    arguments = loop._arguments(plan(ROWS, CONFIG), CONFIG, tmp_path)
    one = arguments.train_batch_size
    arguments._n_gpu = 2
    assert arguments.train_batch_size == 2 * one, "transformers would take them all"
    assert loop.on_one_device(arguments).train_batch_size == one


def test_a_system_without_affinity_gives_torch_all_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    loop.set_threads(0)
    loop.set_threads(3)
    assert asked == [7, 3]


@pytest.mark.parametrize(("system", "unit"), [("linux", 2**10), ("darwin", 1)])
def test_memory_is_told_in_mebibytes_whatever_the_system_counts_in(
    monkeypatch: pytest.MonkeyPatch, system: str, unit: int
) -> None:
    class Usage:
        ru_maxrss = 300 * 2**20 // unit

    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(resource, "getrusage", lambda who: Usage)
    assert loop.peak_memory_mib() == 300
