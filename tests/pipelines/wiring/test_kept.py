"""What Kubeflow runs again after a change, by the rules of its cache, and what our keys say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipelines.wiring.compile import compile_spec
from pipelines.wiring.steps import step_of
from raftops.files import sha256_json
from raftops.spec.model.base import STEPS
from tests.standin.cached import Memory

pytestmark = pytest.mark.slow

ALWAYS = {"finish"}
BUCKET = {"dvc": {"uri": "s3://team/dvc"}}
CANDIDATES = {"candidates": [{"name": "a"}, {"name": "b", "rank": 8}], "candidates_at_once": 2}
SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one task a step, data on a claim": ({"workspace": "store"}, {}),
    "shards, plain beside, data in a bucket": ({"shards": 3} | BUCKET, {"plain_beside": True}),
    "shards and candidates, data in a bucket": ({"shards": 2} | BUCKET, CANDIDATES),
}
EDITS: dict[str, tuple[Callable[[Any], object], set[str]]] = {
    "nothing": (lambda p: None, set()),
    "a document": (
        lambda p: p.write("data/documents/leave/annual.md", "# Annual leave\n\nThere are 31 days.\n"),
        set(STEPS) - {"augment", "train"},
    ),
    "an example": (lambda p: p.examples[0].update(answer="30 days a year"), set(STEPS) - {"ingest", "index"}),
    "a hyperparameter": (
        lambda p: p.spec["spec"]["train"].update(learning_rate=1e-2), {"train", "evaluate", "deploy"},
    ),
    "a gate": (
        lambda p: p.spec["spec"].update(evaluate={"gates": [{"metric": "raft.f1", "min": 0.1}]}),
        {"evaluate", "deploy"},
    ),
    "who reads": (
        lambda p: p.access["policies"]["managers-only"]["groups"].append("employees"),
        set(STEPS) - {"ingest", "index"},
    ),
}  # fmt: skip
"""What is changed, one after the other, and the steps that the laptop runs again for it."""


def pipelines(project: Any, shape: str) -> Iterator[tuple[str, str, set[str]]]:
    """(edit, compiled file, steps with another key than before) of a project that is edited again and again."""
    platform, train = SHAPES[shape]
    project.spec["spec"]["platform"] = platform
    project.spec["spec"]["train"] |= train
    project.spec["spec"]["data"]["dvc"] = "data.dvc"
    before: dict[str, str] = {}
    for edit in ("at first", *EDITS):
        EDITS.get(edit, (str, ...))[0](project)
        project.save()
        data = {p.as_posix(): p.read_text("utf-8") for p in sorted((project.root / "data").rglob("*.*"))}
        project.write("data.dvc", f"outs:\n- md5: {sha256_json(data)[:32]}.dir\n  hash: md5\n  path: data\n")
        compiled = compile_spec(project.load())
        keys = {step: key.digest for step, key in compiled.keys.items()}
        yield edit, compiled.text, {step for step in STEPS if keys[step] != before.get(step)}
        before = keys


@pytest.mark.parametrize("shape", SHAPES)
def test_kubeflow_runs_again_what_the_laptop_does_and_no_part_of_another_step(project: Any, shape: str) -> None:
    new, old = Memory(), Memory(reads_keys=False)
    for edit, text, changed in pipelines(project, shape):
        ran, ran_there = ({task.partition("[")[0] for task in memory.run(text)} - ALWAYS for memory in (new, old))
        if edit in EDITS:
            assert changed == EDITS[edit][1], edit
            assert {step_of(task) for task in ran} == changed, f"{edit}: {sorted(ran)}"
        assert changed <= ran, f"{edit}: {changed - ran} kept and stale"
        assert changed <= ran_there, f"{edit}: {changed - ran_there} kept and stale where no cache key is read"
        assert changed or not ran_there, f"{edit}: {ran_there} ran again"
