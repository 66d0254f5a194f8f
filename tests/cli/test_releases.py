"""Releases and data through a bucket, by the commands as people type them, on a real S3 server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raftops.files import write_json
from raftops.release.current import promote
from raftops.release.release import Release, write_release
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Router
from tests.service.release_files import fake_parts
from tests.storage import KEYS, Storage, storage_fixture

__all__ = ["storage_fixture"]
Run = Callable[..., Any]


@pytest.fixture
def kept(project: Any, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project whose overlay names the bucket."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    project.save()
    project.overlay = project.write(
        "specs/env/s3.yaml", json.dumps({"spec": {"platform": {"artifacts": storage.section()}}})
    )
    return project


def release(project: Any) -> Release:
    """A release of the project's assistant, current in its store, as a run leaves it."""
    parts = fake_parts(project.root / "parts")
    (parts.report / "report.html").write_text("<h1>report</h1>")
    parts = type(parts)(**{**vars(parts), "name": "tiny"})
    folder = project.root / ".raftops" / "releases" / "tiny"
    made = write_release(Deploy(), Prompt(), Router(), parts, folder)
    promote(folder, made.short)
    return made


def test_a_pushed_release_is_pulled_elsewhere_and_served_there(
    raftops: Run, kept: Any, storage: Storage, tmp_path: Path
) -> None:
    made = release(kept)
    pushed = raftops("release", "push", kept.path, "-f", kept.overlay)
    assert pushed.code == 0 and f"release {made.short} is in s3://team/raftops/main" in pushed.out
    assert f"raftops/main/reports/tiny/{made.short}/report.html" in storage.names()
    shutil.rmtree(kept.root / ".raftops")
    pulled = raftops("--output", "json", "release", "pull", kept.path, "-f", kept.overlay, "--promote")
    assert json.loads(pulled.out)["hash"] == made.short
    listed = json.loads(raftops("--output", "json", "release", "list", kept.path).out)
    assert [(row["hash"], row["current"]) for row in listed] == [(made.short, True)]


def test_before_the_first_push_there_is_no_report_and_that_is_no_failure(
    raftops: Run, kept: Any, tmp_path: Path
) -> None:
    ended = raftops("release", "pull", kept.path, "-f", kept.overlay, "--report-to", tmp_path / "base")
    assert ended.code == 0 and "no release was pushed yet" in ended.out and not (tmp_path / "base").exists()


def test_a_recorded_run_tells_a_plan_elsewhere_what_need_not_run(raftops: Run, kept: Any, tmp_path: Path) -> None:
    release(kept)
    raftops("release", "push", kept.path, "-f", kept.overlay)
    assert raftops("release", "record", kept.path, "-f", kept.overlay).code == 0
    shutil.rmtree(kept.root / ".raftops")
    base = tmp_path / "base"
    assert raftops("release", "pull", kept.path, "-f", kept.overlay, "--report-to", base).code == 0
    same = raftops("plan", kept.path, "--against", base / "run.json", "--markdown").out
    assert "Nothing changed: no step runs" in same
    kept.write("data/documents/leave/annual.md", "# Annual leave\n\nEvery employee has 31 days of annual leave.\n")
    changed = raftops("plan", kept.path, "--against", base / "run.json", "--markdown").out
    assert "documents: 1 changed" in changed and "| `train` | skip |" in changed


def test_the_record_of_a_run_here_goes_with_its_release(raftops: Run, kept: Any, tmp_path: Path) -> None:
    made = release(kept)
    pointer = kept.root / ".raftops" / "artifacts" / "1" / "deploy" / "release"
    write_json(pointer / "release.json", {"hash": made.hash, "path": str(made.path)})
    step = {"key": "k", "parts": {}, "status": "done", "artifacts": {"release": str(pointer)}}
    record = {"run_id": "1", "name": "tiny", "status": "done", "steps": {"deploy": step}}
    write_json(kept.root / ".raftops" / "runs" / "1" / "run.json", record)
    raftops("release", "push", kept.path, "-f", kept.overlay)
    raftops("release", "pull", kept.path, made.short, "-f", kept.overlay, "--report-to", tmp_path / "base")
    assert json.loads((tmp_path / "base" / "run.json").read_text())["run_id"] == "1"


def test_without_a_bucket_it_says_where_one_is_named(raftops: Run, project: Any) -> None:
    project.save()
    ended = raftops("release", "push", project.path)
    assert ended.code == 2 and "platform.artifacts names no bucket" in ended.err and "-f" in ended.err


def test_no_key_reaches_the_screen_or_the_compiled_pipeline(
    raftops: Run, kept: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTIFACTS_SECRET_KEY", "hunter2-hunter2")
    overlay = json.loads(kept.overlay.read_text())
    overlay["spec"]["platform"]["artifacts"]["push"] = True
    kept.overlay.write_text(json.dumps(overlay))
    assert raftops("compile", kept.path, "-f", kept.overlay, "-o", tmp_path / "pipeline.yaml").code == 0
    text = (tmp_path / "pipeline.yaml").read_text()
    assert "hunter2" not in text and "defaultPipelineRoot: s3://team/raftops/main/pipelines/tiny" in text
    assert text.count("envVar: ARTIFACTS_SECRET_KEY") == 1, "only the deploy step has the key"


def test_where_artifacts_lie_changes_no_key(raftops: Run, kept: Any, tmp_path: Path) -> None:
    def keys(*more: object) -> Any:
        return json.loads(raftops("--output", "json", "compile", kept.path, "-o", tmp_path / "p", *more).out)["keys"]

    assert keys() == keys("-f", kept.overlay)


@pytest.mark.slow
def test_data_of_an_overlays_bucket_is_fetched_by_its_hash(
    raftops: Run, kept: Any, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kept.root)
    kept.spec["spec"]["data"]["dvc"] = "data.dvc"
    kept.save()
    dvc = {name: value for name, value in storage.section().items() if name != "push"} | {"uri": "s3://team/dvc"}
    overlay = kept.write("specs/env/bucket.yaml", json.dumps({"spec": {"platform": {"dvc": dvc}}}))
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "add", "-q", "data"]):
        program = [str(Path(sys.executable).parent / command[0])] if command[0] == "dvc" else [command[0]]
        subprocess.run([*program, *command[1:]], check=True, cwd=kept.root, capture_output=True)
    before = (kept.root / ".dvc" / "config").read_text()
    assert raftops("data", "push", kept.path, "-f", overlay).code == 0
    shutil.rmtree(kept.root / "data")
    shutil.rmtree(kept.root / ".dvc" / "cache")
    pulled = raftops("data", "pull", kept.path, "-f", overlay)
    assert (pulled.code, pulled.err) == (0, "") and (kept.root / "data/documents/leave/annual.md").is_file()
    assert (kept.root / ".dvc" / "config").read_text() == before and not (kept.root / ".dvc/config.local").exists()


def test_data_without_a_pointer_file_is_a_mistake_of_the_spec(raftops: Run, project: Any) -> None:
    project.save()
    ended = raftops("data", "pull", project.path)
    assert ended.code == 2 and "data.dvc names no pointer file" in ended.err
