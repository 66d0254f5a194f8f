from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import Artifact
from kfp.local.cache import LocalCache

from pipelines.runs.record import RECORDS, RunRecord, StepRecord, Store
from raftops.files import write_json


def record(run_id: str, name: str, artifacts: dict[str, str] | None = None) -> RunRecord:
    steps = {"validate": StepRecord("key", {"code": "1"}, "done", 1.5, {"rows": 3.0}, artifacts or {})}
    return RunRecord(run_id, name, "specs/a.yaml", "2026-01-01T00:00:00+00:00", steps, {"a.md": "1"}, {"k1": "2"})


def artifact(store: Store, run: str, step: str) -> Path:
    path = store.artifacts / run / step / "made"
    path.mkdir(parents=True)
    return path


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    store, written = Store(tmp_path), record("1", "a")
    store.write(written)
    assert store.records("a") == [written]
    assert store.records("b") == []


def test_records_come_newest_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for run_id in ("20260102", "20260101", "20260103"):
        store.write(record(run_id, "a"))
    assert [r.run_id for r in store.records("a")] == ["20260103", "20260102", "20260101"]


def test_nothing_is_known_in_an_empty_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "absent")
    assert store.result("train", "key") is None
    assert store.records("a") == []
    assert not store.root.exists()


def test_a_result_without_its_folder_is_no_result(tiny_run: Any) -> None:
    run = tiny_run.run()
    key, folder = run.steps["train"].key, Path(run.steps["train"].artifacts["made"])
    assert tiny_run.store.result("train", key) is not None
    shutil.rmtree(folder)
    assert tiny_run.store.result("train", key) is None


def test_results_of_the_newest_runs_of_each_assistant_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = {n: artifact(store, f"run-{n}", "train") for n in range(4)}
    store.write(record("20260100", "other", {"made": str(made[0])}))
    for n in (1, 2, 3):
        store.write(record(f"2026010{n}", "a", {"made": str(made[n])}))
    store.prune(keep=2)
    assert [made[n].exists() for n in range(4)] == [True, False, True, True]
    assert not (store.artifacts / "run-1").exists()


def test_results_of_a_run_that_was_killed_are_deleted_unless_a_newer_run_used_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    used, unused = artifact(store, "killed", "ingest"), artifact(store, "killed", "train")
    store.write(record("1", "a", {"made": str(used)}))
    store.prune()
    assert (used.exists(), unused.exists()) == (True, False)


def test_records_of_long_ago_are_deleted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for n in range(RECORDS + 3):
        store.write(record(f"{n:04}", "a"))
    store.prune()
    kept = store.records("a")
    assert len(kept) == RECORDS and kept[0].run_id == f"{RECORDS + 2:04}"


def test_the_store_is_found_from_another_working_directory(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(Path(".raftops"))
    monkeypatch.chdir("/")
    assert store.artifacts == tmp_path.resolve() / ".raftops" / "artifacts"


class TestAReleaseThatIsNotServed:
    """Known by its key, and yet deploy runs again: it is what promotes."""

    @pytest.fixture
    def served(self, tiny_run: Any) -> tuple[Store, str, Path]:
        """A store whose deploy made release r1; its key; the folder of releases."""
        store, releases = tiny_run.store, tiny_run.store.root / "releases" / "tiny"
        pointer = store.artifacts / "run" / "deploy" / "release"
        write_json(pointer / "release.json", {"hash": "r1", "path": str(releases / "r1")})
        (releases / "r1").mkdir(parents=True)
        write_json(releases / "current", {"hash": "r1", "previous": [], "promoted": ""})
        name = LocalCache(str(store.keys)).compute_key("comp-deploy", "", [], {}, custom_cache_key="key")
        LocalCache(str(store.keys)).put(name, {"release": Artifact(uri=str(pointer))})
        return store, "key", releases

    def test_it_is_known_while_it_is_current(self, served: tuple[Store, str, Path]) -> None:
        store, key, _ = served
        assert store.result("deploy", key) is not None

    def test_it_is_not_known_when_another_is_current(self, served: tuple[Store, str, Path]) -> None:
        store, key, releases = served
        write_json(releases / "current", {"hash": "r2", "previous": ["r1"], "promoted": ""})
        assert store.result("deploy", key) is None

    def test_it_is_not_known_when_it_was_deleted(self, served: tuple[Store, str, Path]) -> None:
        store, key, releases = served
        (releases / "r1").rmdir()
        assert store.result("deploy", key) is None


def test_latest_points_at_what_a_run_made(tmp_path: Path) -> None:
    store = Store(tmp_path / ".raftops")
    for run in ("one", "two"):
        made = tmp_path / ".raftops" / "artifacts" / run / "report"
        made.mkdir(parents=True)
        (made / "report.html").write_text(run, encoding="utf-8")
        step = StepRecord("key", {}, "done", artifacts={"report": str(made)})
        store.link(RunRecord(run, "tiny", "tiny.yaml", "now", {"evaluate": step}, {}, {}))
        assert (store.latest / "tiny/evaluate/report/report.html").read_text(encoding="utf-8") == run


def test_a_foreign_file_of_the_folder_that_one_stands_in_is_no_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    made = artifact(store, "r", "validate")
    name = LocalCache(str(store.keys)).compute_key("comp-validate", "", [], {}, custom_cache_key="key")
    LocalCache(str(store.keys)).put(name, {"report": Artifact(uri=str(made))})
    (tmp_path / "release.json").write_text('{"version": "somebody\'s own"}', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert store.result("validate", "key") is not None


def test_in_a_store_that_was_moved_the_results_of_its_runs_are_still_theirs(tmp_path: Path) -> None:
    before, after = Store(tmp_path / "before"), Store(tmp_path / "after")
    used, other = artifact(before, "run-1", "train"), artifact(before, "run-0", "train")
    before.write(record("1", "a", {"made": str(used)}))
    before.root.rename(after.root)
    assert after.unused(keep=1) == [after.artifacts / "run-0" / "train"] and not other.exists()
