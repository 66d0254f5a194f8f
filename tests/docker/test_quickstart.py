"""The whole quickstart in its containers: the same keys and the same release as on the laptop. Minutes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from raftops.spec.model.base import STEPS

pytestmark = [pytest.mark.docker, pytest.mark.timeout(7200)]
ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from pipelines.cli import main; main()", "--output", "json"]


@pytest.fixture(scope="module")
def project(built: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's project, with all images built from the code as it stands."""
    built(*STEPS)
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "data", root / "data")
    (root / "specs").mkdir()
    shutil.copy(ROOT / "specs" / "quickstart.yaml", root / "specs")
    for name in ("box", "laptop"):
        platform = {"store": f".raftops-{name}", "registry": "raftops.test/images"}
        (root / f"{name}.yaml").write_text(yaml.safe_dump({"spec": {"platform": platform}}), encoding="utf-8")
    for folder in (root, root.parent):
        folder.chmod(0o755)
    return root


def run(project: Path, name: str, *words: str) -> dict[str, Any]:
    """The record of a run."""
    command = [*PROGRAM, "run", "specs/quickstart.yaml", "-f", f"{name}.yaml", *words]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env=_environment())
    assert done.returncode == 0, done.stderr + done.stdout[-3000:]
    record: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return record


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}


def release(record: dict[str, Any]) -> str:
    pointer = Path(record["steps"]["deploy"]["artifacts"]["release"], "release.json")
    made: str = json.loads(pointer.read_text(encoding="utf-8"))["hash"]
    return made


def test_a_run_in_containers_is_the_run_on_the_laptop(project: Path, engine: Any) -> None:
    box, laptop = run(project, "box", "--in", "containers"), run(project, "laptop")
    assert {step["status"] for step in box["steps"].values()} == {"done"}
    assert [box["steps"][s]["key"] for s in STEPS] == [laptop["steps"][s]["key"] for s in STEPS]
    assert release(box) == release(laptop)
    again = run(project, "box")
    assert {step["status"] for step in again["steps"].values()} == {"skipped"}, "a process takes a container's results"


def test_a_run_that_is_terminated_takes_its_container_along(project: Path, engine: Any) -> None:
    command = [*PROGRAM, "run", "specs/quickstart.yaml", "-f", "box.yaml", "--in", "containers", "--force", "validate"]
    with subprocess.Popen(command, cwd=project, env=_environment(), stdout=subprocess.DEVNULL) as running:
        _wait(lambda: bool(engine.containers.list(filters={"label": "io.raftops.task=validate"})))
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=120) == 128 + signal.SIGTERM
    assert engine.containers.list(all=True, filters={"label": "io.raftops.task"}) == []


def test_a_step_that_needs_more_memory_than_it_may_have_is_told_with_what_to_do(project: Path) -> None:
    resources = {"validate": {"memory": "128Mi"}}
    (project / "small.yaml").write_text(yaml.safe_dump({"spec": {"platform": {"resources": resources}}}))
    words = ["-f", "box.yaml", "-f", "small.yaml", "--in", "containers", "--force", "validate"]
    command = [*PROGRAM, "run", "specs/quickstart.yaml", *words]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env=_environment())
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "validate: it was killed: it needed more than its 128 MiB of memory" in done.stdout + done.stderr
    assert "raise memory of platform.resources.validate" in done.stdout + done.stderr
    newest = max((project / ".raftops-box" / "runs").glob("*/run.json"))
    record = json.loads(newest.read_text(encoding="utf-8"))
    assert (record["status"], record["steps"]["validate"]["status"]) == ("failed", "failed")
    assert record["steps"]["validate"]["artifacts"] == {}, "what it had half written is no result"


def _wait(until: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
