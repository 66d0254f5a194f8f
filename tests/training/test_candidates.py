"""Which of several settings goes on, and what candidates tried on other machines bring."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from raftops.errors import StepError
from raftops.spec.model.learning import Candidate, Train
from raftops.training.adapter import attach, save
from raftops.training.answer_loss import answer_loss, batches
from raftops.training.base import load_for_training, load_tokenizer
from raftops.training.candidates import Trials, Tried, choose
from raftops.training.dataset import IGNORED, Row
from raftops.training.loop import plan, run
from raftops.training.tune import Adapter

pytestmark = pytest.mark.slow

CONFIG = Train(audience=("all",), rank=4, alpha=8, batch_size=4, max_steps=3, epochs=10, learning_rate=1e-2)
DRAW = torch.Generator().manual_seed(5)


def row_of(number: int, length: int, answer: int = 5) -> Row:
    ids = torch.randint(5, 300, (length,), generator=DRAW).tolist()
    return Row(str(number), ids, [IGNORED] * (length - answer) + ids[length - answer :])


ROWS = [row_of(n, length, 3 + n % 4) for n, length in enumerate([20, 33, 25, 41, 28, 36, 19, 30])]


def tried(name: str, loss: float | None, steps: int = 2) -> Tried:
    figures = {"steps": steps, "seconds": 61.0, "tokens": 10}
    return Tried(Candidate(name=name, rank=8), Adapter(Path(name), f"digest of {name}", [], figures), loss, 1.5)


def test_the_lowest_loss_goes_on_and_of_equals_the_first() -> None:
    assert choose([tried("a", 1.5), tried("b", 1.2), tried("c", 1.3)]).candidate.name == "b"
    assert choose([tried("a", 1.2), tried("b", 1.2)]).candidate.name == "a"
    assert choose([tried("a", 1.2), tried("b", 0.0)]).candidate.name == "b"


def test_a_training_that_diverged_does_not_go_on() -> None:
    assert choose([tried("wild", None), tried("b", 9.0)]).candidate.name == "b"
    with pytest.raises(StepError, match=r"every candidate diverged \(a, b\)") as caught:
        choose([tried("a", None), tried("b", None)])
    assert "learning_rate" in caught.value.next_step


def test_the_report_names_every_candidate_with_its_loss_and_time() -> None:
    trials = Trials([tried("a", 1.5), tried("b", 1.2), tried("wild", None)])
    told = trials.report()
    assert told["chosen"] == "b"
    assert [(c["name"], c["dev_loss"], c["seconds"], c["chosen"]) for c in told["candidates"]] == [
        ("a", 1.5, 61.0, False), ("b", 1.2, 61.0, True), ("wild", None, 61.0, False),
    ]  # fmt: skip
    assert told["candidates"][0]["settings"] == {"rank": 8}
    assert trials.metrics() == {"dev_loss_a": 1.5, "dev_loss_b": 1.2, "raft_dev_loss": 1.2}
    assert [one.label for one in trials.tried][1:] == [
        "raft, b: dev loss 1.200, 61 s", "raft, wild: diverged, 61 s",
    ]  # fmt: skip


def test_without_candidates_there_is_nothing_to_report() -> None:
    assert (Trials().report(), Trials().metrics(), Trials().lost) == ({}, {}, [])
    assert Trials().settings(CONFIG) is CONFIG


def test_what_a_candidate_does_not_name_is_the_sections_own() -> None:
    config = Train(audience=("all",), rank=4, dropout=0.3, candidates=(Candidate(name="a", dropout=0.0, epochs=2),))
    settings = config.tried(config.candidates[0])
    assert (settings.rank, settings.dropout, settings.epochs, settings.candidates) == (4, 0.0, 2.0, ())


def test_every_conversation_is_in_one_batch_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raftops.training.answer_loss.MICRO_TOKENS", {"cpu": 90, "cuda": 90})
    made = list(batches(ROWS))
    assert sorted(row.id for batch in made for row in batch) == sorted(row.id for row in ROWS)
    assert len(made) > 1
    assert all(len(batch) == 1 or len(batch) * max(map(len, batch)) <= 90 for batch in made)


def test_the_loss_is_the_mean_over_answer_tokens_of_the_tuned_model_whatever_the_batches(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = attach(load_for_training(tiny, "qlora"), CONFIG, None)
    run(model, load_tokenizer(tiny), plan(ROWS, CONFIG), CONFIG, tmp_path / "checkpoints", lambda *_: None)
    save(model, tmp_path / "adapter", "file://tiny", "qlora")
    model.eval()
    total, count = 0.0, 0
    for row in ROWS:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row.input_ids], device=model.device)).logits[0, :-1].float().cpu()
        labels = torch.tensor(row.labels[1:])
        total += float(torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum"))
        count += int((labels != IGNORED).sum())
    loss = answer_loss(tiny, "qlora", tmp_path / "adapter", ROWS)
    assert loss == pytest.approx(total / count, rel=1e-3)
    assert answer_loss(tiny, "qlora", tmp_path / "adapter", ROWS) == loss
    monkeypatch.setattr("raftops.training.answer_loss.MICRO_TOKENS", {"cpu": 40, "cuda": 40})
    assert answer_loss(tiny, "qlora", tmp_path / "adapter", ROWS) == pytest.approx(loss, rel=1e-3)
