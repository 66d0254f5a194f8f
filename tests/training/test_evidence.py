"""What chooses the evidence, trained from rows of choices; the encoder is of no family that a re-ranker stands on."""

import json

import pytest

from raftops.answer.judgement import judgement_in
from raftops.files import write_json, write_jsonl
from raftops.training.evidence import Choosing, train_evidence
from tests.retrieval.tiny import tiny_encoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    root = tmp_path_factory.mktemp("encoder")
    return tiny_encoder(root, root / "cache"), root / "cache"


def row(number, kind, score, split):
    text = f"Rules: rule {number} says {number} days."
    found = {"text": text, "heading": "Rules", "doc_id": f"d{number}", "signals": [score, 0.0, 0.0], "tokens": 9}
    golden = kind == "answerable"
    return {
        "id": f"{number}-{kind}", "split": split, "kind": kind, "question": f"What does rule {number} say?",
        "documents": [f"d{number}"], "candidates": [found | {"golden": golden}],
    }  # fmt: skip


def conversations(folder, train, dev=30):
    rows = [
        row(n, kind, base + n % 7 / 10, "train" if n < train else "dev")
        for n in range(train + dev)
        for kind, base in (("answerable", 1.2), ("hidden", 0.2))
    ]
    write_jsonl(folder / "choices.jsonl", rows)
    write_json(folder / "augment.json", {"shown": {"units": 5, "evidence_tokens": 100, "candidates": 15}})
    return folder


def run(encoder, folder, start, out):
    source, cache = encoder
    return train_evidence(Choosing(folder, start, source, cache, 7, 1), out)


def account(adapters):
    return json.loads((adapters / "evidence" / "evidence.json").read_text())["judgement"]


def test_enough_examples_make_a_judgement_of_their_own(encoder, tmp_path):
    metrics = run(encoder, conversations(tmp_path / "many", 110), None, tmp_path / "out")
    assert metrics["judgement_over_refusal"] <= 0.1 and metrics["judgement_hidden_declined"] >= 0.9
    assert account(tmp_path / "out")["kept"] == "own"
    assert {p.name for p in (tmp_path / "out" / "evidence").iterdir()} == {"judgement.json", "evidence.json"}


def test_few_examples_keep_the_general_one_and_without_one_there_is_none(encoder, tmp_path):
    run(encoder, conversations(tmp_path / "many", 110), None, tmp_path / "general")
    few = conversations(tmp_path / "few", 20)
    run(encoder, few, tmp_path / "general", tmp_path / "with")
    assert account(tmp_path / "with")["kept"] == "general"
    general, kept = (judgement_in(tmp_path / name / "evidence") for name in ("general", "with"))
    assert kept == general is not None
    assert run(encoder, few, None, tmp_path / "without") == {}
    assert not (tmp_path / "without").exists()


def test_conversations_of_an_earlier_version_leave_nothing(encoder, tmp_path):
    assert run(encoder, tmp_path, None, tmp_path / "out") == {}
    assert not (tmp_path / "out").exists()
