"""Runs on this machine as commands show them, and what of a store can go."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.runs.record import RunRecord, StepRecord, Store
from raftops.files import write_json, write_text
from raftops.spec.model.base import STEPS

Run = Callable[..., Any]


def a_run(store: Store, number: int, status: str = "done", name: str = "shop") -> RunRecord:
    """A run whose train step made weights of 100 kB, which the cache has, too, by the same inode."""
    run_id = f"2026113{number}T000000.000000"
    steps = {step: StepRecord(f"key-{step}", {}, "done", 2.0) for step in STEPS}
    if status == "failed":
        steps |= {"train": StepRecord("key", {}, "failed", 3.0), "evaluate": StepRecord("key", {})}
    made = store.artifacts / f"{name}-{number}" / "train" / "adapters"
    weights = store.cache / "gguf" / f"{number}.gguf"
    write_text(weights, str(number) * 100_000)
    made.mkdir(parents=True)
    os.link(weights, made / "raft.gguf")
    steps["train"].artifacts = {"adapters": str(made)}
    record = RunRecord(run_id, name, "raftops.yaml", "2026-11-30T00:00:00+00:00", steps, {}, {}, "", 9.0, status)
    write_json(store.runs / run_id / "run.json", asdict(record))
    write_text(store.runs / run_id / "train.log", f"epoch {number}\n")
    return record


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / ".raftops")
    for number in (1, 2, 3):
        a_run(store, number)
    return store


def shown(raftops: Run, *words: str) -> Any:
    ended = raftops(*words, "--output", "yaml")
    assert ended.code == 0, ended.err
    return yaml.safe_load(ended.out)


def test_runs_are_listed_newest_first_and_one_shows_its_steps_and_logs(raftops: Run, store: Store) -> None:
    assert [row["run_id"][7] for row in shown(raftops, "runs")] == ["3", "2", "1"]
    ended = raftops("runs", "20261132")
    assert ended.code == 0 and "train" in ended.out and "20261132T000000.000000/train.log" in ended.out


def test_a_log_is_that_of_the_step_that_came_last_or_failed(raftops: Run, store: Store) -> None:
    assert raftops("logs", "latest").out == "epoch 3\n" == raftops("logs", "20261133", "train").out
    ended = raftops("logs", "latest", "index")
    assert ended.code == 1 and "its log has train" in ended.err


@pytest.mark.parametrize("words", [("runs", "2026"), ("runs", "1999")])
def test_a_run_that_is_none_or_several_is_told(raftops: Run, store: Store, words: tuple[str, ...]) -> None:
    ended = raftops(*words)
    assert ended.code == 1 and "raftops runs lists them" in ended.err


BROKEN = (
    b"{", b"", b"\xff\xfe{", b"[]", b"5", b'{"steps": 3}', b"[" * 100_000, b'{"run_id": "x", "steps": {}}',
    b'{"name": "shop", "run_id": "x", "spec": 4, "started": "", "steps": {}, "documents": {}, "examples": {}}',
)  # fmt: skip


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_record_is_told_with_its_path_and_the_others_are_shown(
    raftops: Run, store: Store, content: bytes
) -> None:
    path = store.runs / "20261133T000000.000000" / "run.json"
    path.write_bytes(content)
    for words in (("runs",), ("logs", "latest"), ("gc",)):
        ended = raftops(*words)
        assert ended.code == 0, ended.err
        assert f"note: .raftops/runs/{path.parent.name}/run.json: " in ended.err
        assert f"next: rm -r .raftops/runs/{path.parent.name}" in ended.err
    assert [row["run_id"][7] for row in shown(raftops, "runs")] == ["2", "1"]
    assert raftops("logs", "latest").out == "epoch 2\n"
    ended = raftops("runs", "20261133")
    assert ended.code == 1 and "run.json: " in ended.err and "next:" in ended.err


def test_nothing_is_deleted_that_a_record_which_cannot_be_read_may_name(raftops: Run, store: Store) -> None:
    (store.runs / "20261131T000000.000000" / "run.json").write_text("{")
    assert shown(raftops, "gc", "--yes")["deleted"]
    assert sorted(path.name for path in store.artifacts.iterdir()) == ["shop-1", "shop-3"]
    assert len(list((store.cache / "gguf").iterdir())) == 3, "the cache is shared with what cannot be read"
    store.prune(1)
    assert (store.artifacts / "shop-1").is_dir() and (store.runs / "20261131T000000.000000").is_dir()


def test_what_no_kept_run_has_is_shown_and_deleted_by_yes_only(raftops: Run, store: Store) -> None:
    would = shown(raftops, "gc")
    assert not would["deleted"] and would["freed"] >= 200_000
    gone = sorted(Path(row["path"]).relative_to(store.root).as_posix() for row in would["garbage"])
    assert gone == ["artifacts/shop-1/train", "artifacts/shop-2/train", "cache/gguf/1.gguf", "cache/gguf/2.gguf"]
    assert not shown(raftops, "gc", "--yes", "--dry-run")["deleted"] and (store.cache / "gguf/1.gguf").is_file()
    assert shown(raftops, "gc", "--yes")["freed"] == would["freed"]
    assert sorted(path.name for path in store.artifacts.iterdir()) == ["shop-3"]
    assert [path.name for path in (store.cache / "gguf").iterdir()] == ["3.gguf"]
    assert shown(raftops, "gc")["garbage"] == []


def test_what_shares_a_file_with_something_kept_frees_nothing(raftops: Run, store: Store) -> None:
    os.link(store.cache / "gguf/1.gguf", store.root / "elsewhere")
    assert shown(raftops, "gc", "--keep", "2")["freed"] < 100_000


def test_a_release_keeps_its_weights_in_the_cache(raftops: Run, store: Store) -> None:
    release = store.root / "releases" / "shop" / "abc" / "model"
    release.mkdir(parents=True)
    os.link(store.cache / "gguf/1.gguf", release / "raft.gguf")
    assert "cache/gguf/1.gguf" not in [row["path"][-17:] for row in shown(raftops, "gc")["garbage"]]


def test_a_run_that_failed_keeps_the_last_whole_one_and_the_cache_that_it_goes_on_from(
    raftops: Run, store: Store
) -> None:
    a_run(store, 4, "failed")
    gone = sorted(Path(row["path"]).relative_to(store.root).as_posix() for row in shown(raftops, "gc")["garbage"])
    assert gone == ["artifacts/shop-1/train", "artifacts/shop-2/train"]


def test_a_run_until_a_step_does_not_stand_for_a_whole_one(raftops: Run, store: Store) -> None:
    part = a_run(store, 4)
    part.steps["deploy"].status = "waiting"
    write_json(store.runs / part.run_id / "run.json", asdict(part))
    assert not any("shop-3" in row["path"] for row in shown(raftops, "gc")["garbage"])


def test_nothing_is_deleted_while_a_run_is_at_work(raftops: Run, store: Store) -> None:
    with store.locked():
        ended = raftops("gc", "--yes")
    assert ended.code == 1 and "another run is at work" in ended.err
    assert (store.artifacts / "shop-1" / "train").is_dir()
