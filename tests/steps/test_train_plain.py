"""The plain adapter trained by a task of its own, on a tiny model: what `train` takes it for."""

import json
import runpy
from pathlib import Path

import pytest

from raftops.spec.model.learning import Train
from raftops.steps.train import Training, train, train_beside, train_plain
from tests.steps.trained import files, trained

pytestmark = pytest.mark.model
make_tiny = runpy.run_path(str(Path(__file__).parents[1] / "training" / "tiny.py"))["make_tiny"]
CONFIG = Train(
    audience=("all",), rank=4, alpha=8, batch_size=4, max_steps=5, checkpoint_steps=2, sequence_tokens=200,
    dropout=0.1, threads=1, plain_beside=True,
)  # fmt: skip


def row(number: int, answer: str) -> str:
    asked = [{"role": "user", "content": f"Question: How many days of leave {number * 'x'}?"}]
    return json.dumps({"id": f"e{number}", "messages": asked, "answer": answer, "sources": []}) + "\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file://{make_tiny(tmp_path_factory.mktemp('tiny') / 'base')}"


@pytest.fixture(scope="module")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conversations")
    for name, answer in (("raft", "23 days [1]"), ("plain", "23 days")):
        (folder / f"{name}.jsonl").write_text("".join(row(number, answer) for number in range(12)))
    return folder


@pytest.fixture(scope="module")
def whole(base: str, conversations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapters of one task that makes both."""
    folder = tmp_path_factory.mktemp("whole")
    train(
        Training(CONFIG.model_copy(update={"plain_beside": False}), base, conversations, folder / "cache"),
        folder / "adapters",
    )
    return folder / "adapters"


@pytest.fixture(scope="module")
def part(base: str, conversations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the task of the plain adapter leaves, on a machine of its own, without any other conversations."""
    folder = tmp_path_factory.mktemp("beside")
    (folder / "conversations").mkdir()
    (folder / "conversations" / "plain.jsonl").write_bytes((conversations / "plain.jsonl").read_bytes())
    metrics = train_plain(Training(CONFIG, base, folder / "conversations", folder / "cache"), folder / "part")
    assert metrics["steps"] == 3.0 and "plain_final_loss" in metrics
    return folder / "part"


def test_the_adapters_are_those_of_one_task(
    whole: Path, part: Path, base: str, conversations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    train_beside(Training(CONFIG, base, conversations, tmp_path / "cache"), part, tmp_path / "adapters")
    assert trained(capsys.readouterr().out) == ["raft"], "the plain one came with the part"
    assert files(tmp_path / "adapters") == files(whole)
    told, before = (json.loads((folder / "train.json").read_text()) for folder in (tmp_path / "adapters", whole))
    assert told["plain"]["digest"] == before["plain"]["digest"]
    assert told["totals"]["tokens"] == before["totals"]["tokens"]


def test_one_made_of_other_conversations_is_not_taken(
    part: Path, base: str, conversations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conversations").mkdir()
    for name in ("raft", "plain"):
        (tmp_path / "conversations" / f"{name}.jsonl").write_text("".join(row(n, "30 days") for n in range(12)))
    capsys.readouterr()
    train_beside(Training(CONFIG, base, tmp_path / "conversations", tmp_path / "cache"), part, tmp_path / "adapters")
    assert trained(capsys.readouterr().out) == ["raft", "plain"]
