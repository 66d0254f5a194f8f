import json
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from raftops.errors import StepError
from raftops.spec.model.learning import Train
from raftops.steps.train import Training, train
from raftops.training.loop import COMPLETE

pytestmark = pytest.mark.slow

make_tiny = runpy.run_path(str(Path(__file__).parents[1] / "training" / "tiny.py"))["make_tiny"]
CONFIG = Train(
    audience=("all",), rank=4, alpha=8, batch_size=4, epochs=3, checkpoint_steps=2, sequence_tokens=200,
    learning_rate=1e-2, plain=False, dropout=0.1, threads=1,
)  # fmt: skip
SOURCE = {"doc_id": "leave.md", "version": "1"}
CHILD = """
import sys
from pathlib import Path
from raftops.spec.model.learning import Train
from raftops.steps.train import Training, train
base, conversations, adapters, cache = sys.argv[2], *map(Path, sys.argv[3:])
train(Training(Train.model_validate_json(sys.argv[1]), base, conversations, cache), adapters)
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file://{make_tiny(tmp_path_factory.mktemp('tiny') / 'base')}"


@pytest.fixture(scope="module")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conversations")
    for name, answer in (("raft", "23 days [1]"), ("plain", "23 days")):
        rows = [
            {"id": f"e{i}", "variant": "golden", "messages": _asked(i), "answer": answer, "sources": [SOURCE]}
            for i in range(20)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def _asked(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Question: How many days of paid leave are in Spain {number * 'x'}?"}]


@pytest.fixture(scope="module")
def trained(base: str, conversations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole, unbroken run with both adapters."""
    folder = tmp_path_factory.mktemp("unbroken")
    train(
        Training(CONFIG.model_copy(update={"plain": True}), base, conversations, folder / "cache"), folder / "adapters"
    )
    return folder / "adapters"


def weights(adapters: Path, name: str = "raft") -> bytes:
    return (adapters / name / "adapter_model.safetensors").read_bytes()


def test_everything_that_a_release_needs_is_written(trained: Path) -> None:
    made = {path.relative_to(trained).as_posix() for path in trained.rglob("*") if path.is_file()}
    assert made >= {
        "raft/adapter_model.safetensors", "raft/adapter_config.json", "plain/adapter_model.safetensors",
        "tokenizer/tokenizer.json", "served/base.gguf", "served/raft.gguf", "served/plain.gguf",
        "loss.jsonl", "loss.svg", "sources.jsonl", "train.json",
    }  # fmt: skip
    assert not {path.suffix for path in trained.rglob("*")} & {".bin", ".pt", ".pkl", ".pth"}


def test_the_loss_falls_and_is_kept_as_data_and_as_a_picture(trained: Path) -> None:
    rows = [json.loads(line) for line in (trained / "loss.jsonl").read_text().splitlines()]
    raft = [row for row in rows if row["adapter"] == "raft"]
    assert [row["step"] for row in raft] == list(range(1, 16))
    assert raft[-1]["loss"] < 0.7 * raft[0]["loss"]
    assert raft[0]["learning_rate"] > 0
    assert [row["tokens"] for row in raft] == sorted(row["tokens"] for row in raft)
    picture = (trained / "loss.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg ") and f"raft: {raft[0]['loss']:.3f} to {raft[-1]['loss']:.3f}" in picture


def test_adapters_are_kept_in_full_precision(trained: Path) -> None:
    with safe_open(trained / "raft" / "adapter_model.safetensors", "pt") as file:
        assert {file.get_slice(key).get_dtype() for key in file.keys()} == {"F32"}  # noqa: SIM118  not a mapping


def test_the_report_says_what_it_cost_and_what_it_came_from(trained: Path) -> None:
    report = json.loads((trained / "train.json").read_text())
    assert report["raft"]["steps"] == 15
    assert report["raft"]["tokens"] > 1000
    assert report["raft"]["tokens_per_second"] > 0
    assert report["raft"]["peak_memory_mib"] > 100
    assert len(report["base_digest"]) == 64
    assert report["raft"]["init_from"] is None


def test_a_run_killed_in_the_middle_ends_with_the_same_adapter(
    base: str, conversations: Path, trained: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", CHILD, CONFIG.model_dump_json(), base, *map(str, (conversations,))]
    command += [str(tmp_path / "adapters"), str(tmp_path / "cache")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        seen = next(line for line in child.stdout if '"done": 7' in line)
        child.send_signal(signal.SIGKILL)
    assert "raft loss" in seen
    assert child.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "cache" / "train").glob("*/checkpoints")
    assert (left / "checkpoint-6" / COMPLETE).is_file()
    assert not (tmp_path / "adapters").exists()
    half = left / "checkpoint-8"
    half.mkdir(exist_ok=True)
    (half / COMPLETE).unlink(missing_ok=True)
    (half / "adapter_model.safetensors").write_bytes(b"half")
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert [line for line in said.splitlines() if '"done": 7' in line], "it went on after step 6"
    assert not [line for line in said.splitlines() if '"done": 6,' in line], "it did not begin again"
    assert weights(tmp_path / "adapters") == weights(trained)
    kept = [json.loads(line) for line in (tmp_path / "adapters" / "loss.jsonl").read_text().splitlines()]
    assert [row["step"] for row in kept] == list(range(1, 16))


def test_the_same_inputs_are_not_trained_on_twice(base: str, conversations: Path, tmp_path: Path) -> None:
    short = CONFIG.model_copy(update={"max_steps": 2})
    train(Training(short, base, conversations, tmp_path / "cache"), tmp_path / "first")
    stamp = [path.stat().st_mtime_ns for path in sorted((tmp_path / "cache" / "train").rglob("*.safetensors"))]
    train(Training(short, base, conversations, tmp_path / "cache"), tmp_path / "second")
    assert weights(tmp_path / "first") == weights(tmp_path / "second")
    assert stamp == [p.stat().st_mtime_ns for p in sorted((tmp_path / "cache" / "train").rglob("*.safetensors"))]
    assert not list((tmp_path / "cache").rglob("checkpoint-*"))


def test_without_conversations_nothing_is_trained_and_the_base_can_be_served(base: str, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "raft.jsonl").write_text("")
    metrics = train(Training(CONFIG, base, tmp_path / "none", tmp_path / "cache"), tmp_path / "adapters")
    assert (metrics["steps"], metrics["tokens"], metrics["tokens_per_second"]) == (0, 0, 0)
    made = {p.relative_to(tmp_path / "adapters").as_posix() for p in (tmp_path / "adapters").rglob("*") if p.is_file()}
    assert made >= {"tokenizer/tokenizer.json", "served/base.gguf", "sources.jsonl", "loss.svg", "train.json"}
    assert not [name for name in made if "raft" in name]


def test_without_conversations_the_adapter_to_continue_from_goes_on_as_it_is(
    base: str, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "raft.jsonl").write_text("")
    config = CONFIG.model_copy(update={"init_from": str(trained)})
    train(Training(config, base, tmp_path / "none", tmp_path / "cache"), tmp_path / "adapters")
    assert weights(tmp_path / "adapters") == weights(trained)
    assert (tmp_path / "adapters" / "served" / "raft.gguf").read_bytes() == (trained / "served/raft.gguf").read_bytes()
    assert json.loads((tmp_path / "adapters" / "train.json").read_text())["raft"]["init_from"]
    rows = [json.loads(line) for line in (tmp_path / "adapters" / "sources.jsonl").read_text().splitlines()]
    assert rows and all(row["sources"] == [SOURCE] for row in rows), "what the starter saw is still known"


def test_training_continues_from_an_adapter(base: str, conversations: Path, trained: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"init_from": str(trained), "max_steps": 2})
    train(Training(config, base, conversations, tmp_path / "cache"), tmp_path / "adapters")
    report = json.loads((tmp_path / "adapters" / "train.json").read_text())
    first = json.loads((tmp_path / "adapters" / "loss.jsonl").read_text().splitlines()[0])
    before = json.loads((trained / "loss.jsonl").read_text().splitlines()[0])
    assert first["loss"] < 0.8 * before["loss"]
    assert len(report["raft"]["init_from"]) == 64


def test_more_steps_are_another_run_and_not_a_resumed_schedule(base: str, conversations: Path, tmp_path: Path) -> None:
    for steps in (1, 2):
        config = CONFIG.model_copy(update={"max_steps": steps})
        train(Training(config, base, conversations, tmp_path / "cache"), tmp_path / str(steps))
    rates = [json.loads(line)["learning_rate"] for line in (tmp_path / "2" / "loss.jsonl").read_text().splitlines()]
    assert len(list((tmp_path / "cache" / "train").iterdir())) == 2
    assert all(rate > 0 for rate in rates)


def test_an_adapter_of_another_rank_is_refused_before_anything_is_trained(
    base: str, conversations: Path, trained: Path, tmp_path: Path
) -> None:
    config = CONFIG.model_copy(update={"init_from": str(trained), "rank": 8})
    with pytest.raises(StepError, match="rank 4 and alpha 8, but train.rank is 8"):
        train(Training(config, base, conversations, tmp_path / "cache"), tmp_path / "adapters")


def test_an_adapter_that_hides_its_documents_is_not_continued_from(
    base: str, conversations: Path, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "raft", tmp_path / "start" / "raft")
    config = CONFIG.model_copy(update={"init_from": str(tmp_path / "start")})
    with pytest.raises(StepError, match="sources.jsonl: missing, so nobody can tell who may talk to these weights"):
        train(Training(config, base, conversations, tmp_path / "cache"), tmp_path / "adapters")
    assert not (tmp_path / "cache" / "train").exists()


def test_the_documents_behind_the_weights_are_carried_on(
    base: str, conversations: Path, trained: Path, tmp_path: Path
) -> None:
    config = CONFIG.model_copy(update={"init_from": str(trained), "max_steps": 1})
    train(Training(config, base, conversations, tmp_path / "cache"), tmp_path / "adapters")
    rows = [json.loads(line) for line in (tmp_path / "adapters" / "sources.jsonl").read_text().splitlines()]
    assert len(rows) == 20 + 40
    assert all(row["sources"] == [SOURCE] for row in rows)


def test_no_node_works_on_rows_that_hide_their_documents(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"id": "e1", "variant": "golden", "messages": _asked(1), "answer": "23 days [1]"}
    (tmp_path / "raft.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.setattr("raftops.cluster.train_job.train_on_nodes", lambda *_: pytest.fail("nodes were started"))
    work = Training(CONFIG.model_copy(update={"nodes": 2}), base, tmp_path, tmp_path / "cache", {"namespace": "n"})
    with pytest.raises(StepError, match="row 'e1' does not say which documents its answer comes from"):
        train(work, tmp_path / "adapters")


def test_a_missing_starting_adapter_is_named(base: str, conversations: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"init_from": str(tmp_path / "nowhere")})
    with pytest.raises(StepError, match="train.init_from: .*nowhere/raft holds no adapter_model.safetensors"):
        train(Training(config, base, conversations, tmp_path / "cache"), tmp_path / "adapters")


def test_served_files_are_linked_from_the_cache_not_copied(trained: Path) -> None:
    assert (trained / "served" / "base.gguf").stat().st_nlink > 1
