"""Candidates by KFP's local runner on a tiny model: in one step, and each in a task of its own. Minutes."""

import json
import runpy
import shutil
from pathlib import Path

import pytest
from kfp import compiler

from pipelines.local.run import run_local
from pipelines.runs.record import Store
from pipelines.wiring.compile import compile_spec
from raftops.files import read_json
from tests.conftest import TinyProject
from tests.local.side_by_side import training
from tests.pipelines.conftest import Heard, compiled_of

pytestmark = [pytest.mark.local, pytest.mark.timeout(1800)]
make_tiny = runpy.run_path(str(Path(__file__).parents[1] / "training" / "tiny.py"))["make_tiny"]
TRAIN = {
    "rank": 4, "alpha": 8, "batch_size": 4, "max_steps": 3, "dropout": 0.1, "threads": 1,
    "candidates": [{"name": "slow", "learning_rate": 1e-5}, {"name": "fast", "learning_rate": 1e-2}],
}  # fmt: skip


class Trained:
    """A tiny project that is trained as its spec says."""

    def __init__(self, root, **train):
        self.project = TinyProject(root)
        make_tiny(root / "base")
        self.project.spec["spec"]["models"]["base"] = "file://base"
        self.project.spec["spec"]["train"] |= TRAIN | train
        for name, answer in (("raft", "23 days [1]"), ("plain", "23 days"), ("dev", "23 days [1]")):
            self.project.write(f"conversations/{name}.jsonl", "".join(row(n, answer) for n in range(12)))
        self.store, self.heard = Store(root / ".raftops"), Heard()

    def run(self):
        """The record, the adapters, and what the step said."""
        loaded = self.project.load()
        compiled = compile_spec(loaded)
        pipeline = training(loaded.assistant, compiled.keys, str(self.project.root / "conversations"))
        target = self.project.root / "training.yaml"
        compiler.Compiler().compile(pipeline, str(target))
        compiled = compiled_of(target, compiled.keys, compiled.inputs)
        record = run_local(loaded, compiled, self.store, self.heard)
        log = (self.store.runs / record.run_id / "train.log").read_text()
        return record, Path(record.steps["train"].artifacts["adapters"]), log


def row(number, answer):
    asked = [{"role": "user", "content": f"Question: How many days of leave {number * 'x'}?"}]
    return json.dumps({"id": f"e{number}", "messages": asked, "answer": answer, "sources": []}) + "\n"


def weights(adapters):
    return [path.read_bytes() for path in sorted(adapters.rglob("*")) if path.suffix in (".safetensors", ".gguf")]


def trained_in(log):
    return [line.rpartition('"note": "')[2].partition(":")[0] for line in log.splitlines() if ": loading the" in line]


def test_tasks_of_their_own_end_with_the_adapters_of_one_step_and_one_more_is_one_task(tmp_path):
    whole, apart = Trained(tmp_path / "whole"), Trained(tmp_path / "apart", candidates_at_once=2)
    one, adapters, log = whole.run()
    assert trained_in(log) == ["raft (slow)", "raft (fast)", "plain"] and "train-candidate" not in log
    other, others, log = apart.run()
    assert trained_in(log) == ["raft (slow)", "raft (fast)", "plain"] and log.count(" started\n") == 3
    assert read_json(others / "train.json")["chosen"] == read_json(adapters / "train.json")["chosen"] == "fast"
    assert weights(others) == weights(adapters) and len(weights(adapters)) == 5
    assert one.steps["train"].key == other.steps["train"].key
    assert one.steps["train"].metrics["raft_dev_loss"] == other.steps["train"].metrics["raft_dev_loss"]
    assert apart.heard.steps("started").count("train") == apart.heard.steps("done").count("train") == 1

    shutil.rmtree(apart.store.cache / "train")  # as on machines that share none
    apart.project.spec["spec"]["train"]["candidates"].append({"name": "brief", "max_steps": 1})
    again, _, log = apart.run()
    assert trained_in(log) == ["raft (brief)", "plain"], "Kubeflow knows what the others made"
    assert again.steps["train"].metrics["dev_loss_fast"] == one.steps["train"].metrics["dev_loss_fast"]
