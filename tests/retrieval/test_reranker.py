"""A cross-encoder from its folder to logits, without torch; torch's own PEFT stands here for what is right."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from raftops.answer.evidence import select_units
from raftops.data.records import Hit
from raftops.errors import ModelError
from raftops.files import read_json, write_json
from raftops.models import LocalModel, resolve
from raftops.retrieval.bert import merge
from raftops.retrieval.reranker import SETTINGS, WEIGHTS, open_reranker, save_reranker
from raftops.spec.model.learning import Prompt
from raftops.training.cross_encoder import CrossEncoder, Fit, score_texts
from tests.retrieval.tiny import HashEmbedder, passage

SIZE: dict[str, Any] = {
    "vocab_size": 130, "hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 40,
    "max_position_embeddings": 140,
}  # fmt: skip
TEXTS = ["1 2 3", "5 6 7 8 9 10 11 12 13 14", "20 " * 40, "1", "9 9 9 30 31"]


def encoder(folder: Path, kind: str = "bert") -> LocalModel:
    """A small encoder with weights that are not small and a tokenizer of numbers that marks pairs."""
    torch.manual_seed(3)
    made = BertModel(BertConfig(**SIZE)) if kind == "bert" else RobertaModel(RobertaConfig(**SIZE, type_vocab_size=2))
    for weight in made.parameters():
        weight.data = torch.randn_like(weight) * 0.3
    made.eval().save_pretrained(folder)
    words = Tokenizer(models.WordLevel({str(n): n for n in range(130)}, unk_token="3"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="101 $A 102", pair="101 $A 102 $B:1 102:1", special_tokens=[("101", 101), ("102", 102)]
    )
    words.save(str(folder / "tokenizer.json"))
    return resolve(f"file://{folder}")


def learned(model: LocalModel, seed: int = 5) -> CrossEncoder:
    """A cross-encoder by torch whose every learned matrix says something."""
    torch.manual_seed(seed)
    made = CrossEncoder(model.path, Fit(steps=1, rank=4, alpha=8)).eval()
    with torch.no_grad():
        for value in made.learned().values():
            value.copy_((torch.randn_like(value) * 0.2).half().float())  # as it is kept: in 16 bits
        made.head.weight.mul_(64)
    return made


def saved(folder: Path, model: LocalModel, made: CrossEncoder, **settings: Any) -> Path:
    """The folder of a re-ranker."""
    about = {"encoder": model.digest, "rank": 4, "alpha": 8, "max_tokens": 96, "mix": 0.5, **settings}
    save_reranker(folder, {name: p.detach().numpy() for name, p in made.learned().items()}, about)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> tuple[LocalModel, CrossEncoder, Path]:
    """Encoder, cross-encoder by torch, and its folder."""
    model = encoder(tmp_path / "encoder")
    made = learned(model)
    return model, made, saved(tmp_path / "reranker", model, made)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize(("engine", "near"), [("onnxruntime", 1e-4), ("openvino", 0.2)])
def test_scores_are_those_of_torch_with_its_adapter(tmp_path: Path, kind: str, engine: Any, near: float) -> None:
    model = encoder(tmp_path / "encoder", kind)
    made = learned(model)
    reranker = open_reranker(saved(tmp_path / "reranker", model, made), model, tmp_path / "cache", engine)
    expected = score_texts(made, model.path, "1 2 40 50", TEXTS)
    assert np.ptp(expected) > 1  # or nearness would say nothing
    assert np.abs(reranker.score("1 2 40 50", TEXTS) - expected).max() < near * max(1, np.abs(expected).max())


def test_merged_weights_are_those_that_peft_merges(small: tuple[LocalModel, CrossEncoder, Path]) -> None:
    model, made, _ = small
    before = {name: p.numpy() for name, p in BertModel.from_pretrained(model.path).state_dict().items()}
    merged = dict(before)
    merge(merged, {name: p.detach().numpy() for name, p in made.learned().items()}, scale=2.0)
    right = made.encoder.merge_and_unload().state_dict()
    assert all(np.abs(merged[name] - right[name].numpy()).max() < 1e-5 for name in right)
    changed = [name for name in right if not np.array_equal(merged[name], before[name])]
    assert len(changed) == 12  # query, key, value, output and both of the feed-forward, twice


def test_a_score_does_not_hang_on_the_other_texts(small: tuple[LocalModel, CrossEncoder, Path], tmp_path: Path) -> None:
    model, _, folder = small
    reranker = open_reranker(folder, model, tmp_path / "cache", "onnxruntime")
    together = reranker.score("1 2", TEXTS)
    for i, text in enumerate(TEXTS):
        assert reranker.score("1 2", [text])[0] == pytest.approx(together[i], abs=1e-4)
    assert reranker.score("1 2", TEXTS[::-1]) == pytest.approx(together[::-1], abs=1e-4)
    assert np.array_equal(together, reranker.score("1 2", TEXTS))


def test_no_texts_no_scores(small: tuple[LocalModel, CrossEncoder, Path], tmp_path: Path) -> None:
    model, _, folder = small
    scores = open_reranker(folder, model, tmp_path / "cache", "onnxruntime").score("1 2", [])
    assert scores.shape == (0,) and scores.dtype == np.float32


@pytest.mark.parametrize("question", ["1 2", "7 " * 500, ""])
def test_long_texts_and_questions_are_cut(
    small: tuple[LocalModel, CrossEncoder, Path], tmp_path: Path, question: str
) -> None:
    model, _, folder = small
    reranker = open_reranker(folder, model, tmp_path / "cache", "onnxruntime")
    longest = [("4 " * 90 + "9 ") * 30, "4 " * 90 + "9 " * 600, ""]
    scores = reranker.score(question, longest)
    assert np.isfinite(scores).all()
    pairs = reranker.pairs.encode(question, longest)
    assert all(len(ids) == len(types) <= 96 and ids[-1] == 102 for ids, types in pairs)
    assert sum(types := pairs[0][1]) >= 96 - 48 - 2 and types[0] == 0  # the text has half of the room at least


def test_order_mixes_score_and_logit_and_is_the_same_each_time(
    small: tuple[LocalModel, CrossEncoder, Path], tmp_path: Path
) -> None:
    model, made, folder = small
    hits = [Hit(passage(n, f"{n} {n + 1} {n + 2} {n + 40}. 7 8 {n} 9 10 {n + 60}."), 1 - n / 10) for n in range(5)]

    def chosen(mix: float, **prompt: Any) -> list[Any]:
        settings = Prompt(units=10, evidence_tokens=4000, **prompt)
        other = saved(tmp_path / f"mix{mix}", model, made, mix=mix)
        reranker = open_reranker(other, model, tmp_path / "cache", "onnxruntime")
        return select_units("7 8 3", hits, HashEmbedder(), settings, lambda text: len(text.split()), reranker=reranker)

    def plain() -> list[Any]:
        settings = Prompt(units=10, evidence_tokens=4000)
        return select_units("7 8 3", hits, HashEmbedder(), settings, lambda text: len(text.split()))

    today = plain()
    assert [u.rerank for u in today] == [None] * 10
    assert [replaced(u) for u in chosen(0.0)] == [replaced(u) for u in today]
    by_logit = chosen(1000.0)
    assert [u.rerank for u in by_logit] == sorted((u.rerank for u in by_logit), reverse=True)
    assert {u.text: u.score for u in by_logit} == {u.text: u.score for u in today}
    assert by_logit == chosen(1000.0)
    few = chosen(1000.0, candidates=3)
    assert {u.text for u in few[:3]} == {u.text for u in today[:3]}
    assert [(u.text, u.rerank) for u in few[3:]] == [(u.text, None) for u in today[3:]]


def replaced(unit: Any) -> tuple[Any, ...]:
    """A unit without its logit."""
    return unit.text, unit.number, unit.score


def test_another_encoder_is_refused(small: tuple[LocalModel, CrossEncoder, Path], tmp_path: Path) -> None:
    _, _, folder = small
    other = encoder(tmp_path / "other", "roberta")
    with pytest.raises(ModelError, match="a re-ranker of the encoder"):
        open_reranker(folder, other, tmp_path / "cache")


def test_what_was_learned_must_fit(small: tuple[LocalModel, CrossEncoder, Path], tmp_path: Path) -> None:
    model, _, folder = small
    save_reranker(folder, {"encoder.layer.9.output.dense.lora_A": np.zeros((4, 40))}, read_json(folder / SETTINGS))
    with pytest.raises(ModelError, match="learned for another encoder"):
        open_reranker(folder, model, tmp_path / "cache")
    (folder / WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"reranker\.safetensors"):
        open_reranker(folder, model, tmp_path / "cache")


def test_several_at_once_make_one_graph(small: tuple[LocalModel, CrossEncoder, Path], tmp_path: Path) -> None:
    model, _, folder = small
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: open_reranker(folder, model, cache, "onnxruntime"), range(4)))
    assert len({r.name for r in found}) == 1
    assert [p.name for p in (cache / "rerankers").iterdir()] == [next((cache / "rerankers").iterdir()).name]
    write_json(folder / SETTINGS, read_json(folder / SETTINGS) | {"alpha": 4})
    assert open_reranker(folder, model, cache, "onnxruntime").name != found[0].name


def test_needs_no_torch(small: tuple[LocalModel, CrossEncoder, Path], tmp_path: Path) -> None:
    model, _, folder = small
    code = (
        "import sys; from pathlib import Path; from raftops.models import resolve;"
        "from raftops.retrieval.reranker import open_reranker;"
        f"r = open_reranker(Path({str(folder)!r}), resolve({f'file://{model.path}'!r}), Path({str(tmp_path / 'c')!r}));"
        "import json; print(json.dumps([len(r.score('1 2', ['3 4', '5'])), 'torch' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [2, False]
