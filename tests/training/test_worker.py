"""Two processes that train one adapter together, for real: torchrun, gloo, a tiny model."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from raftops.spec.model.learning import Train
from raftops.steps import train as step
from raftops.training import ranks
from raftops.training.loop import COMPLETE

make_tiny = runpy.run_path(str(Path(__file__).with_name("tiny.py")))["make_tiny"]
CONFIG = Train(
    audience=("all",), rank=4, alpha=8, batch_size=4, epochs=1, checkpoint_steps=2, sequence_tokens=200, nodes=2,
    learning_rate=1e-2, plain=False, threads=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    make_tiny(folder / "base")
    rows = [
        {
            "id": f"e{i}", "variant": "golden", "answer": f"{i} days [1]", "sources": [],
            "messages": [{"role": "user", "content": f"Question: How many days of leave {i * 'x'}?"}],
        }
        for i in range(16)
    ]  # fmt: skip
    (folder / "conversations").mkdir()
    (folder / "conversations" / "raft.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


class Nodes:
    """In the place of a cluster: runs the processes here, as the trainer's pods run them."""

    def __init__(self, project, stop_after=""):
        self.project, self.stop_after, self.log = project, stop_after, ""

    def __call__(self, config, base, jobs, cache, place):
        folder = cache / "nodes" / "x"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "raft.jsonl").write_bytes(jobs[0].conversations.read_bytes())
        told = {"train": config.model_dump(mode="json"), "base": base, "cache": str(cache)}
        (folder / "job.json").write_text(json.dumps(told))
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        done = subprocess.run(
            [*command, "-m", "raftops.training.worker", str(folder)],
            capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.log = done.stdout + done.stderr
        assert done.returncode == 0, self.log[-3000:]


def run(project, name, monkeypatch, nodes=None):
    adapters, cache = project / name / "adapters", project / name / "cache"
    if nodes:
        monkeypatch.setattr("raftops.cluster.train_job.train_on_nodes", nodes)
    config = CONFIG if nodes else CONFIG.model_copy(update={"nodes": 1})
    cluster = {"namespace": "n"} if nodes else None
    work = step.Training(config, f"file://{project / 'base'}", project / "conversations", cache, cluster)
    step.train(work, adapters)
    losses = [json.loads(line)["loss"] for line in (adapters / "loss.jsonl").read_text().splitlines()]
    return load_file(adapters / "raft" / "adapter_model.safetensors"), losses


@pytest.mark.local
def test_two_processes_learn_what_one_learns_and_the_step_goes_on_from_their_cache(project, monkeypatch):
    alone, losses = run(project, "alone", monkeypatch)
    nodes = Nodes(project)
    together, together_losses = run(project, "together", monkeypatch, nodes)
    assert len(together_losses) == len(losses) == 4
    assert together_losses == pytest.approx(losses, rel=1e-3)
    assert alone.keys() == together.keys()
    for name, weights in alone.items():
        torch.testing.assert_close(together[name], weights, atol=2e-3, rtol=1e-2)
    assert nodes.log.count('raftops-progress {"step": "train", "done": 4') >= 1
    assert nodes.log.count("raft loss") == 4, "one process speaks"
    log = nodes.log
    nodes.log = ""
    run(project, "together", monkeypatch, nodes)
    assert nodes.log == "" and log, "what is in the cache is not trained again"


def test_alone_a_process_is_the_first_of_one_and_waits_for_nobody(monkeypatch):
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    ranks.join()
    ranks.wait()
    assert ranks.count() == 1 and ranks.is_first()
    ranks.leave()


def test_the_mark_of_a_whole_checkpoint_is_written_by_the_first_process_alone(tmp_path):
    from transformers import TrainerState, TrainingArguments

    from raftops.training.loop import _Watch

    (tmp_path / "checkpoint-2").mkdir()
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    for first in (False, True):
        state = TrainerState(global_step=2, is_world_process_zero=first)
        _Watch(lambda *_: None).on_save(arguments, state, None)
        assert (tmp_path / "checkpoint-2" / COMPLETE).is_file() is first
