from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.local.run import _here, run_local
from pipelines.runs.events import reason_of
from pipelines.wiring.steps import upstream
from raftops.errors import RaftopsError, StepError, explained
from raftops.files import read_json
from raftops.spec.model.base import STEPS

pytestmark = pytest.mark.slow


def test_a_first_run_runs_every_step_and_a_second_runs_none(tiny_run: Any) -> None:
    first = tiny_run.run()
    assert [step.status for step in first.steps.values()] == ["done"] * 7
    assert tiny_run.heard.steps("started") == tiny_run.heard.steps("done") == list(STEPS)
    second = tiny_run.run()
    assert [step.status for step in second.steps.values()] == ["skipped"] * 7
    assert tiny_run.heard.steps("skipped") == list(STEPS)
    assert tiny_run.ran() == list(STEPS)


def test_figures_and_artifacts_of_every_step_are_in_the_record(tiny_run: Any) -> None:
    for record in (tiny_run.run(), tiny_run.run()):
        for step in STEPS:
            assert record.steps[step].metrics == {"rows": 3.0}
            assert Path(record.steps[step].artifacts["made"], "made.txt").read_text(encoding="utf-8") == step
    written = read_json(tiny_run.store.runs / record.run_id / "run.json")
    assert written["status"] == "done" and written["steps"]["deploy"]["metrics"] == {"rows": 3.0}


def test_progress_is_heard_behind_what_stands_on_the_line(tiny_run: Any) -> None:
    tiny_run.run()
    assert ("progressed", "train", 1, 2, "half – [done]") in tiny_run.heard.events


@pytest.mark.parametrize("manner", ["", "rejected"])
def test_a_run_leaves_no_temporary_file(
    tiny_run: Any, manner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    tiny_run.manners["augment"] = manner
    with suppress(StepError):
        tiny_run.run()
    assert list((tmp_path / "scratch").iterdir()) == []
    assert os.environ["TMPDIR"] == str(tmp_path / "scratch")


def test_what_a_step_prints_is_not_taken_for_what_kfp_says(tiny_run: Any) -> None:
    tiny_run.manners["ingest"] = "noise"
    record = tiny_run.run()
    assert tiny_run.heard.steps("started") == list(STEPS)
    assert all(step.status == "done" for step in record.steps.values())


def test_only_the_step_whose_key_changed_runs_again(tiny_run: Any) -> None:
    tiny_run.run()
    tiny_run.parts["index"] = "2"
    record = tiny_run.run()
    assert [name for name, step in record.steps.items() if step.status == "done"] == ["index"]
    assert tiny_run.ran()[7:] == ["index"]


def test_a_forced_step_runs_again(tiny_run: Any) -> None:
    tiny_run.run()
    tiny_run.run(again=("train", "deploy"))
    assert tiny_run.ran()[7:] == ["train", "deploy"]


def test_a_step_whose_result_is_gone_runs_again(tiny_run: Any) -> None:
    first = tiny_run.run()
    made = Path(first.steps["ingest"].artifacts["made"])
    (made / "made.txt").unlink()
    made.rmdir()
    second = tiny_run.run()
    assert tiny_run.ran()[7:] == ["ingest"]
    assert second.steps["ingest"].status == "done"


def test_a_rejection_reaches_the_user_as_one_line_with_step_and_next_step(tiny_run: Any) -> None:
    tiny_run.manners["augment"] = "rejected"
    with pytest.raises(StepError, match=r"^augment: row k7 has no evidence$") as caught:
        tiny_run.run()
    assert caught.value.next_step == "mend data/examples.jsonl"
    assert tiny_run.heard.events[-1] == ("failed", "augment")


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("raises", "KeyError: 'no such thing'"),
        ("killed", "it was killed, perhaps because memory ran out"),
        ("silent", "it ended with exit code 3, without a message"),
    ],
)
def test_a_step_that_dies_is_named_with_what_is_known(tiny_run: Any, manner: str, reason: str) -> None:
    tiny_run.manners["validate"] = manner
    with pytest.raises(StepError, match=r"^validate failed: ") as caught:
        tiny_run.run()
    assert str(caught.value) == f"validate failed: {reason}"
    log = Path(caught.value.next_step.removeprefix("tail -n 30 "))
    assert "a bar without an end of line" in log.read_text(encoding="utf-8")


def test_what_ran_before_a_failure_is_kept(tiny_run: Any) -> None:
    tiny_run.manners["train"] = "killed"
    with pytest.raises(StepError):
        tiny_run.run()
    [failed] = tiny_run.store.records("tiny")
    assert failed.status == "failed" and failed.steps["train"].status == "failed"
    assert failed.steps["augment"].metrics == {"rows": 3.0}
    tiny_run.manners.clear()
    tiny_run.run()
    assert tiny_run.ran() == [*STEPS[:5], *STEPS[4:]]


def test_a_run_leaves_working_directory_environment_and_stdout_as_they_were(tiny_run: Any) -> None:
    before = (Path.cwd(), dict(os.environ), sys.stdout)
    tiny_run.run()
    assert (Path.cwd(), dict(os.environ), sys.stdout) == before


def test_the_listener_prints_to_the_terminal_and_not_into_the_log(
    tiny_run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_run.heard.started = lambda step: sys.stdout.write(f"now {step}\n")
    record = tiny_run.run()
    assert capsys.readouterr().out.split("\n")[:2] == ["now validate", "now ingest"]
    assert "now ingest" not in (tiny_run.store.runs / record.run_id / "ingest.log").read_text(encoding="utf-8")


def test_a_second_run_at_the_same_time_is_refused_and_changes_nothing(tiny_run: Any) -> None:
    tiny_run.run()
    with tiny_run.store.locked(), pytest.raises(RaftopsError, match="another run is at work"):
        tiny_run.run(again=("train",))
    assert tiny_run.store.result("train", tiny_run.compiled().keys["train"].digest) is not None
    assert len(tiny_run.store.records("tiny")) == 1


@pytest.mark.parametrize(
    ("end", "manner"),
    [
        (signal.SIGINT, "slow"), (signal.SIGTERM, "slow"), (signal.SIGKILL, "slow"), (signal.SIGKILL, "family"),
        (signal.SIGTERM, "family"), (signal.SIGHUP, "family"),
    ],
)  # fmt: skip
def test_a_run_that_is_ended_leaves_no_step_working_and_goes_on_later(
    tiny_run: Any, end: signal.Signals, manner: str
) -> None:
    tiny_run.manners["ingest"] = manner
    program = textwrap.dedent(f"""
        from pathlib import Path
        from tests_pipelines_conftest import Heard, TinyRun
        from pipelines.runs.record import Store
        from raftops.spec.load import load_spec
        run = TinyRun(load_spec(Path({str(tiny_run.loaded.path)!r})), Store(Path({str(tiny_run.store.root)!r})))
        run.manners["ingest"] = {manner!r}
        run.run()
    """)
    conftest = Path(__file__).parents[1] / "conftest.py"
    loader = (
        "import importlib.util, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        f"spec = importlib.util.spec_from_file_location('tests_pipelines_conftest', {str(conftest)!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "sys.modules['tests_pipelines_conftest'] = module\n"
        "spec.loader.exec_module(module)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", loader + program], stderr=subprocess.DEVNULL)
    _wait(lambda: tiny_run.ran() == ["validate", "ingest"])
    if manner == "family":
        _wait(lambda: sum("sleep 300" in line for line in _processes_with(str(tiny_run.store.root))) == 2)
    run.send_signal(end)
    run.wait(timeout=120)
    _wait(lambda: not _processes_with(str(tiny_run.store.root)), 20)
    tiny_run.manners.clear()
    record = tiny_run.run()
    assert record.steps["validate"].status == "skipped"
    assert tiny_run.ran() == ["validate", "ingest", *STEPS[1:]]


def test_no_run_works_beside_the_steps_of_one_that_was_killed(
    tiny_run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where they do not end at all, because somebody ended the watcher as well."""
    monkeypatch.setattr("pipelines.runs.record.ORPHANS_SECONDS", 0.3)
    run = (
        "import os, subprocess, sys; from pathlib import Path; from pipelines.runs.record import Store\n"
        "with (store := Store(Path(sys.argv[1]))).locked():\n"
        "    step = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL, pass_fds=store.held)\n"
        "    print(step.pid, flush=True); os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", run, tiny_run.store.root], check=False, stdout=subprocess.PIPE)
    orphan = int(killed.stdout)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(RaftopsError, match="steps of a run that was killed are still at work") as refused:
        tiny_run.run()
    assert "run.lock" in refused.value.next_step and tiny_run.ran() == []
    os.kill(orphan, signal.SIGKILL)
    monkeypatch.setattr("pipelines.runs.record.ORPHANS_SECONDS", 30)
    assert tiny_run.run().status == "done"


def test_a_second_run_is_told_whose_run_is_at_work(tiny_run: Any) -> None:
    with tiny_run.store.locked(), pytest.raises(RaftopsError, match=rf"\(process {os.getpid()}\)") as refused:
        tiny_run.run()
    assert f"kill {os.getpid()}" in refused.value.next_step


def test_a_clock_that_was_set_back_takes_nothing_from_the_last_run(
    tiny_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        days = iter(range(28, 0, -1))

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2026, 1, next(cls.days), tzinfo=tz)

    monkeypatch.setattr("pipelines.runs.history.datetime", Clock)
    for number in range(7):
        tiny_run.parts["train"] = str(number)
        record = tiny_run.run()
    assert [run.sequence for run in tiny_run.store.records("tiny")] == [7, 6, 5, 4, 3, 2, 1]
    assert record.sequence == 7
    for state in record.steps.values():
        assert Path(state.artifacts["made"], "made.txt").is_file(), "what the last run made or used is there"
    tiny_run.store.prune(keep=1)
    assert all(Path(state.artifacts["made"], "made.txt").is_file() for state in record.steps.values())


def test_a_full_disk_is_told_by_step_and_file_with_what_to_do(tiny_run: Any) -> None:
    tiny_run.manners["train"] = "full"
    with pytest.raises(StepError, match=r"^train: .*weights: No space left on device$") as caught:
        tiny_run.run()
    assert "raftops gc --yes" in caught.value.next_step


@contextmanager
def _small_files(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size`: to a program, a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_run_without_room_for_its_own_files_names_one_and_says_what_to_do(tiny_run: Any) -> None:
    compiled = tiny_run.compiled()
    with _small_files(2_000), pytest.raises((StepError, OSError)) as caught:
        run_local(tiny_run.loaded, compiled, tiny_run.store, tiny_run.heard)
    message = caught.value if isinstance(caught.value, StepError) else explained(caught.value)[0]
    assert str(tiny_run.store.root) in str(message) and "File too large" in str(message)
    assert tiny_run.run().status == "done", "and the next one, with room, goes on"


def _wait(until: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def _processes_with(text: str) -> list[str]:
    """Command lines of processes that name a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([], "it ended without a message"),
        (["one", "two"], "two"),
        (["x", "Killed"], "it was killed, perhaps because memory ran out"),
        (["Traceback (most recent call last):", "  File", "a.B: first", "second"], "a.B: first"),
        (["Traceback (most recent call last):", "  File", "E: old", "Traceback (most recent call last):", "F: new"],
         "F: new"),
    ],
)  # fmt: skip
def test_the_reason_is_the_exception_the_signal_or_the_last_line(said: list[str], reason: str) -> None:
    assert reason_of(said) == reason


class TestUntil:
    """A run that ends at a step."""

    def test_only_the_step_and_what_it_reads_run(self, tiny_run: Any) -> None:
        record = run_local(tiny_run.loaded, tiny_run.compiled(), tiny_run.store, tiny_run.heard, until="index")
        assert tiny_run.ran() == ["validate", "ingest", "index"] and record.status == "done"
        assert [step for step in STEPS if record.steps[step].status == "waiting"] == list(STEPS[3:])
        assert (tiny_run.store.latest / "tiny" / "index").is_dir()
        tiny_run.run()
        assert tiny_run.ran() == list(STEPS), "what ran before is not run again"

    @pytest.mark.parametrize(
        ("until", "left"),
        [
            ("validate", {"validate", "finish", "exit-handler-1"}),
            ("index", {"validate", "ingest", "index", "finish", "exit-handler-1"}),
            ("evaluate", {*STEPS[:6], "finish", "exit-handler-1"}),
        ],
    )
    def test_of_the_pipeline_only_these_tasks_are_left(
        self, project: Any, compile_project: Any, until: Any, left: set[str]
    ) -> None:
        pipeline = next(yaml.safe_load_all(_here(compile_project(project), upstream(until))))
        [group] = [task["componentRef"]["name"] for n, task in pipeline["root"]["dag"]["tasks"].items() if "exit" in n]
        inside = pipeline["components"][group]["dag"]["tasks"]
        assert {*pipeline["root"]["dag"]["tasks"], *inside} == left
