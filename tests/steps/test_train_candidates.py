"""Candidates tried for real on a tiny model: in the step, and each by itself with a step that chooses."""

import json
import os
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

from raftops.errors import StepError
from raftops.spec.model.learning import Candidate, Train
from raftops.steps.train import Training, train, train_candidate, train_choose
from tests.steps.trained import files, trained

pytestmark = pytest.mark.model
make_tiny = runpy.run_path(str(Path(__file__).parents[1] / "training" / "tiny.py"))["make_tiny"]
SLOW, FAST = Candidate(name="slow", learning_rate=1e-5), Candidate(name="fast", learning_rate=1e-2, rank=8)
CONFIG = Train(
    audience=("all",), rank=4, alpha=8, batch_size=4, max_steps=5, checkpoint_steps=2, sequence_tokens=200,
    dropout=0.1, threads=1, candidates=(SLOW, FAST),
)  # fmt: skip
MOVES = ("second", "memory")
"""In the names of figures that differ between two runs."""


def rows(name: str, count: int, answer: str) -> str:
    made = (
        {
            "id": f"{name}{i}", "variant": "golden", "answer": answer, "sources": [],
            "messages": [{"role": "user", "content": f"Question: How many days of leave {i * 'x'}?"}],
        }
        for i in range(count)
    )  # fmt: skip
    return "".join(json.dumps(row) + "\n" for row in made)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file://{make_tiny(tmp_path_factory.mktemp('tiny') / 'base')}"


@pytest.fixture(scope="module")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conversations")
    for name, count, answer in (("raft", 12, "23 days [1]"), ("plain", 12, "23 days"), ("dev", 5, "23 days [1]")):
        (folder / f"{name}.jsonl").write_text(rows(name, count, answer))
    return folder


@pytest.fixture(scope="module")
def whole(base: str, conversations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The step with both candidates."""
    folder = tmp_path_factory.mktemp("whole")
    train(Training(CONFIG, base, conversations, folder / "cache"), folder / "adapters")
    return folder


@pytest.fixture(scope="module")
def parts(base: str, conversations: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What the tasks of both candidates leave, each on a machine of its own."""
    return [tried(one, base, conversations, tmp_path_factory.mktemp(one.name)) for one in CONFIG.candidates]


def tried(candidate: Candidate, base: str, conversations: Path, folder: Path) -> Path:
    train_candidate(Training(CONFIG, base, conversations, folder / "cache"), candidate, folder / "part")
    return folder / "part"


def report(adapters: Path) -> dict[str, Any]:
    return dict(json.loads((adapters / "train.json").read_text()))


def steady(value: Any) -> Any:
    """A report without times and memory."""
    if isinstance(value, dict):
        return {k: steady(v) for k, v in value.items() if not any(m in k for m in MOVES)}
    return [steady(v) for v in value] if isinstance(value, list) else value


def test_the_candidate_that_learned_goes_on_with_its_settings(whole: Path) -> None:
    told = report(whole / "adapters")
    slow, fast = told["candidates"]
    assert told["chosen"] == "fast" and fast["dev_loss"] < slow["dev_loss"]
    assert (slow["chosen"], fast["chosen"]) == (False, True)
    assert fast["digest"] == told["raft"]["digest"]
    assert told["totals"]["raft_dev_loss"] == fast["dev_loss"]
    assert told["totals"]["tokens"] == 2 * told["raft"]["tokens"] + told["plain"]["tokens"]
    for name in ("raft", "plain"):
        settings = json.loads((whole / "adapters" / name / "adapter_config.json").read_text())
        assert (settings["r"], settings["lora_alpha"]) == (8, 8)
    curves = {json.loads(line)["adapter"] for line in (whole / "adapters" / "loss.jsonl").read_text().splitlines()}
    assert curves == {"raft", "raft (slow)", "plain"}


def test_it_is_what_its_settings_alone_would_have_given(
    whole: Path, base: str, conversations: Path, tmp_path: Path
) -> None:
    train(Training(CONFIG.tried(FAST), base, conversations, tmp_path / "cache"), tmp_path / "adapters")
    alone, chosen = files(tmp_path / "adapters"), files(whole / "adapters")
    assert {name for name in alone.keys() | chosen.keys() if alone.get(name) != chosen.get(name)} == {"loss.jsonl"}
    assert "candidates" not in report(tmp_path / "adapters")


def test_candidates_tried_elsewhere_and_one_that_chooses_give_the_same_bytes(
    whole: Path, parts: list[Path], base: str, conversations: Path, tmp_path: Path
) -> None:
    train_choose(Training(CONFIG, base, conversations, tmp_path / "cache"), parts, tmp_path / "adapters")
    assert files(tmp_path / "adapters") == files(whole / "adapters")
    assert steady(report(tmp_path / "adapters")) == steady(report(whole / "adapters"))
    assert len(list((tmp_path / "cache" / "train").iterdir())) == 3, "both candidates and the plain adapter"


def test_what_one_cache_holds_already_is_not_brought_again(
    whole: Path, base: str, conversations: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(whole / "cache", cache, copy_function=os.link)
    for one in CONFIG.candidates:
        train_candidate(Training(CONFIG, base, conversations, cache), one, tmp_path / one.name)
    before = {path: path.stat().st_ino for path in cache.rglob("*.safetensors")}
    train_choose(
        Training(CONFIG, base, conversations, cache), [tmp_path / "slow", tmp_path / "fast"], tmp_path / "adapters"
    )
    assert {path: path.stat().st_ino for path in cache.rglob("*.safetensors")} == before


def test_one_more_candidate_trains_none_of_the_others(
    whole: Path, base: str, conversations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole / "cache", tmp_path / "cache")
    more = CONFIG.model_copy(update={"candidates": (*CONFIG.candidates, Candidate(name="brief", max_steps=1))})
    capsys.readouterr()
    train(Training(more, base, conversations, tmp_path / "cache"), tmp_path / "adapters")
    assert trained(capsys.readouterr().out) == ["raft (brief)"]
    assert report(tmp_path / "adapters")["chosen"] == "fast"


def test_a_candidate_that_no_task_trained_is_named(
    parts: list[Path], base: str, conversations: Path, tmp_path: Path
) -> None:
    with pytest.raises(StepError, match="no task trained the candidate fast"):
        train_choose(Training(CONFIG, base, conversations, tmp_path / "cache"), parts[:1], tmp_path / "adapters")
    assert not (tmp_path / "adapters").exists()


def test_other_dev_conversations_measure_again_and_train_nothing(
    whole: Path, base: str, conversations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole / "cache", tmp_path / "cache")
    shutil.copytree(conversations, tmp_path / "conversations")
    (tmp_path / "conversations" / "dev.jsonl").write_text(rows("dev", 3, "23 days [1]"))
    capsys.readouterr()
    train(Training(CONFIG, base, tmp_path / "conversations", tmp_path / "cache"), tmp_path / "adapters")
    assert trained(capsys.readouterr().out) == []
    before, now = (report(folder / "adapters")["candidates"] for folder in (whole, tmp_path))
    assert [one["dev_loss"] for one in now] != [one["dev_loss"] for one in before]


def test_without_dev_conversations_nothing_is_trained(base: str, conversations: Path, tmp_path: Path) -> None:
    shutil.copytree(conversations, tmp_path / "conversations")
    (tmp_path / "conversations" / "dev.jsonl").unlink()
    with pytest.raises(StepError, match=r"dev\.jsonl: cannot be read"):
        train(Training(CONFIG, base, tmp_path / "conversations", tmp_path / "cache"), tmp_path / "adapters")
    assert not (tmp_path / "cache" / "train").exists()
