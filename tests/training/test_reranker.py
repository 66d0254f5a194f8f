"""Training a re-ranker on choices: it learns, continues after a kill, and is kept only where dev says so."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raftops.files import read_json
from raftops.models import LocalModel
from raftops.retrieval.reranker import SETTINGS, WEIGHTS
from raftops.training import cross_encoder, reranker
from raftops.training.cross_encoder import Choice, CrossEncoder, Fit, fit, score_texts
from raftops.training.reranker import Figures, measure, train_reranker
from tests.retrieval.test_reranker import encoder, saved


def rows(count: int, split: str, seed: int, misleading: bool = True) -> list[dict[str, Any]]:
    """Questions whose golden text has the number 77; today's order puts it last, or first."""
    draw = random.Random(seed)
    out = []
    for n in range(count):
        texts = [" ".join(str(draw.randrange(10, 70)) for _ in range(5)) for _ in range(6)]
        golden = draw.randrange(6)
        texts[golden] += " 77 77"
        signals = [[0.0 if (i == golden) == misleading else 0.01, 0.0, 0.0] for i in range(6)]
        out.append({
            "id": f"{split}-{n}", "split": split, "kind": "answerable", "question": f"{draw.randrange(10, 70)} 5",
            "candidates": [
                {"text": t, "signals": s, "golden": i == golden}
                for i, (t, s) in enumerate(zip(texts, signals, strict=True))
            ],
        })  # fmt: skip
    return out


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    """A small encoder."""
    return encoder(tmp_path_factory.mktemp("encoder") / "model")


def trained(found: list[dict[str, Any]], model: LocalModel, tmp_path: Path, **more: Any) -> dict[str, Any]:
    """What `train_reranker` says of them."""
    settings = {"start": None, "threads": 1, **more}
    return train_reranker(found, encoder=model, cache=tmp_path / "cache", out=tmp_path / "out", **settings)


def test_own_examples_make_one_that_is_kept_where_dev_says_so(
    model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reranker, "RATE", 5e-3)  # the encoder is small and knows nothing
    found = rows(120, "train", 1) + rows(20, "dev", 2)
    said = trained(found, model, tmp_path)
    assert said["kept"] == "own"
    assert said["tried"]["today"]["first"] == 0.0 < 0.5 < said["tried"]["own"]["first"]
    settings = read_json(tmp_path / "out" / SETTINGS)
    assert settings["encoder"] == model.digest and settings["trained_on"]["own examples"] == 120
    again = trained(found, model, tmp_path)
    assert again == said


def test_none_is_kept_where_todays_order_is_as_good(model: LocalModel, tmp_path: Path) -> None:
    said = trained(rows(40, "train", 1, False) + rows(20, "dev", 2, False), model, tmp_path)
    assert said["kept"] == "none" and said["tried"]["today"]["first"] == 1.0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("train", "dev", "why"), [(10, 20, "10 examples are fewer than 24"), (60, 0, "no question of the dev split")]
)
def test_the_general_one_stays_where_there_is_little(
    model: LocalModel, tmp_path: Path, train: int, dev: int, why: str
) -> None:
    start = saved(tmp_path / "start", model, CrossEncoder(model.path, Fit(steps=1, rank=4, alpha=8)))
    said = trained(rows(train, "train", 1) + rows(dev, "dev", 2), model, tmp_path, start=start)
    assert said["kept"] == "general" and why in said["why"]
    assert (tmp_path / "out" / WEIGHTS).read_bytes() == (start / WEIGHTS).read_bytes()


def test_one_of_another_encoder_is_no_start(model: LocalModel, tmp_path: Path) -> None:
    made = CrossEncoder(model.path, Fit(steps=1, rank=4, alpha=8))
    start = saved(tmp_path / "start", model, made, encoder="another")
    said = trained(rows(10, "train", 1) + rows(5, "dev", 2), model, tmp_path, start=start)
    assert said["kept"] == "none" and "general" not in said["tried"]


def test_a_killed_training_ends_as_the_unbroken_one(
    model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_encoder, "CHECKPOINT_STEPS", 2)
    choices = [Choice.of(row) for row in rows(30, "train", 1)]
    settings = Fit(steps=6, rank=4, alpha=8)

    def stop(step: int, steps: int, loss: float) -> None:
        if step == 5:
            raise KeyboardInterrupt

    steps: list[int] = []
    whole = fit(choices, model.path, settings, tmp_path / "whole", None, lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        fit(choices, model.path, settings, tmp_path / "cut", None, stop)
    cut = fit(choices, model.path, settings, tmp_path / "cut", None, lambda step, *_: steps.append(step))
    assert steps == [5, 6]
    for name, value in whole.learned().items():
        assert torch.allclose(value, cut.learned()[name], atol=1e-6), name
    assert not list((tmp_path / "cut").iterdir())


def test_training_lowers_the_loss_and_bf16_is_near(model: LocalModel, tmp_path: Path) -> None:
    choices = [Choice.of(row) for row in rows(60, "train", 1)]
    losses: dict[bool, list[float]] = {True: [], False: []}
    for half, seen in losses.items():
        settings = Fit(steps=60, rank=4, alpha=8, learning_rate=5e-3, head_rate=2e-2, bf16=half)
        fit(
            choices,
            model.path,
            settings,
            tmp_path / str(half),
            None,
            lambda step, of, loss, seen=seen: seen.append(loss),
        )
        assert np.mean(seen[-8:]) < 0.6 * np.mean(seen[:4]), seen
    assert abs(losses[True][0] - losses[False][0]) < 0.05


def test_places_of_the_golden_are_counted(model: LocalModel) -> None:
    choice = Choice("a", "1", ("2", "3", "4"), (False, None, True), (3.0, 2.0, 1.0), (True, True, True))
    missed = Choice("b", "1", ("2", "3"), (False, True), (3.0, 2.0), (True, False))
    assert measure([choice, missed], None, 15) == Figures(2, 0.0, pytest.approx(1 / 6))
    assert Figures(9, 0.5, 0.9) < Figures(9, 0.6, 0.7) and Figures(9, 0.5, 0.5) < Figures(9, 0.5, 0.6)


def test_scores_by_torch_are_in_the_order_of_the_texts(model: LocalModel) -> None:
    torch.manual_seed(1)
    made = CrossEncoder(model.path, Fit(steps=1, rank=4, alpha=8)).eval()
    torch.nn.init.normal_(made.head.weight)
    texts = ["7 8", "9 " * 30, "4"]
    assert score_texts(made, model.path, "1", texts)[::-1] == pytest.approx(
        score_texts(made, model.path, "1", texts[::-1]), abs=1e-4
    )
