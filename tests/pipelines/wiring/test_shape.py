"""The shape of our pipeline, run by KFP: shards, gates, and the end of a run. Real processes, tiny work."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kfp import compiler

from pipelines.wiring.compile import Compiled
from pipelines.wiring.inputs import Inputs
from pipelines.wiring.keys import Key
from raftops.access import AccessPolicies
from raftops.errors import StepError
from raftops.files import read_json
from raftops.spec.model.base import STEPS, StepName
from tests.pipelines.conftest import HERE, TinyRun, _module, compiled_of

pytestmark = pytest.mark.slow

ABOUT = {"name": "tiny", "spec": "s", "commit": "c", "data": "d", "images": {}}
SHAPE: tuple[StepName, ...] = ("validate", "ingest", "evaluate", "deploy")


@dataclass
class ShapedRun(TinyRun):
    """The tiny steps in the shape of our pipeline."""

    held: list[str] = field(default_factory=list)
    """Why the gates hold the release."""
    says: str = ""
    """What evaluate hands on instead of its verdict."""

    def compiled(self) -> Compiled:
        keys = {step: Key({"code": f"{step} {self.parts.get(step, '1')}"}) for step in STEPS}
        config = {step: {"step": step, "manner": self.manners.get(step, "well")} for step in SHAPE}
        config["evaluate"] |= {"held": self.held, "says": self.says}
        config["ingest"]["key"] = keys["ingest"].digest
        about = {"about": ABOUT, "runs": "records", "webhook": ""}
        digests = {step: key.digest for step, key in keys.items()}
        pipeline = _module("shaped").shaped(str(HERE / "tiny" / "work.py"), config, digests, about)
        target = self.store.root.parent / "shaped.yaml"
        compiler.Compiler().compile(pipeline, str(target))
        inputs = Inputs(documents={}, examples={}, access=AccessPolicies(), models={})
        return compiled_of(target, keys, inputs)

    def records(self) -> list[dict[str, Any]]:
        """What `finish` wrote, newest last."""
        found = sorted((self.loaded.root / "records").rglob("record.json"), key=lambda path: path.stat().st_mtime)
        return [read_json(path) for path in found]


@pytest.fixture
def shaped_run(tiny_run: TinyRun) -> ShapedRun:
    return ShapedRun(tiny_run.loaded, tiny_run.store)


def test_shards_are_one_step_and_run_once(shaped_run: ShapedRun) -> None:
    record = shaped_run.run()
    assert shaped_run.ran() == ["validate", "ingest-0", "ingest-1", "ingest-2", "ingest", "evaluate", "deploy"]
    assert shaped_run.heard.steps("started") == shaped_run.heard.steps("done") == list(SHAPE)
    log = (shaped_run.store.runs / record.run_id / "ingest.log").read_text(encoding="utf-8")
    assert re.findall(r"task (ingest\S*) (started|ended well)", log) == [
        *[("ingest-shard", "started"), ("ingest-shard", "ended well")] * 3,
        ("ingest", "started"), ("ingest", "ended well"),
    ]  # fmt: skip
    shaped_run.parts["evaluate"] = "2"
    again = shaped_run.run()
    assert [name for name, step in again.steps.items() if step.status == "done"] == ["evaluate"]
    assert shaped_run.ran()[7:] == ["evaluate"], "neither a shard nor the release runs again"


def test_shards_of_a_step_that_is_known_are_not_told(shaped_run: ShapedRun) -> None:
    shaped_run.run()
    for folder in shaped_run.store.artifacts.glob("*/*-iteration-*"):
        shutil.rmtree(folder)
    shaped_run.parts["evaluate"] = "2"
    shaped_run.run()
    assert shaped_run.heard.steps("started") == shaped_run.heard.steps("done") == ["evaluate"]
    assert not [heard for heard in shaped_run.heard.events if heard[:2] == ("progressed", "ingest")]


def test_a_shard_that_fails_fails_its_step(shaped_run: ShapedRun) -> None:
    shaped_run.manners["ingest"] = "rejected"
    with pytest.raises(StepError, match=r"^ingest: row k7 has no evidence$"):
        shaped_run.run()
    assert shaped_run.heard.events[-1] == ("failed", "ingest")
    assert shaped_run.records()[-1]["state"] == "FAILED"


def test_gates_that_hold_end_the_run_with_their_reasons_and_keep_the_evaluation(shaped_run: ShapedRun) -> None:
    shaped_run.held = ["raft.f1 is 0.100, wanted at least 0.5"]
    for ran in (["evaluate"], []):
        with pytest.raises(StepError, match=r"^evaluate: 1 gate did not pass: raft.f1 is 0.100, wanted") as caught:
            shaped_run.run()
        assert "evaluate.gates" in caught.value.next_step
        assert shaped_run.ran()[5:] == ["evaluate"] and shaped_run.heard.steps("done")[2:] == ran
    [newest, *_] = shaped_run.store.records("tiny")
    assert (newest.status, newest.steps["evaluate"].status, newest.steps["deploy"].status) == (
        "failed", "skipped", "waiting",
    )  # fmt: skip


def test_the_end_is_recorded_with_where_the_run_came_from(shaped_run: ShapedRun) -> None:
    shaped_run.run()
    [record] = shaped_run.records()
    assert record | ABOUT == record
    assert (record["state"], record["error"], record["notified"]) == ("SUCCEEDED", "", "nobody asked")


def test_what_shards_made_is_pruned_with_their_run(shaped_run: ShapedRun) -> None:
    def shards() -> list[Path]:
        return list(shaped_run.store.artifacts.glob("*/*-iteration-*"))

    shaped_run.run()
    assert len(shards()) == 3
    shaped_run.parts = {step: "2" for step in SHAPE}
    shaped_run.run()
    assert len(shards()) == 6
    shaped_run.store.prune(keep=1)
    assert len(shards()) == 3


@pytest.mark.parametrize("says", ["' == '' or 'x", "passed' or 'x"])
def test_an_output_that_would_be_python_is_not_evaluated_and_releases_nothing(shaped_run: ShapedRun, says: str) -> None:
    shaped_run.says = says
    with pytest.raises(StepError, match="evaluate-Output is not a word of ours"):
        shaped_run.run()
    assert "evaluate" in shaped_run.ran() and "deploy" not in shaped_run.ran()
