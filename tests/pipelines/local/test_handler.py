"""One task as KFP's handler: what it prints is heard, kept and told. The work is a function of the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kfp.local import subprocess_task_handler, task_dispatcher
from kfp.local.status import Status

from pipelines.local.handler import LONGEST, Ending, Handler, Tasks
from pipelines.local.run import run_process
from pipelines.runs.record import RunRecord, StepRecord
from raftops.errors import DataRejected, RaftopsError
from raftops.files import read_json
from raftops.spec.model.base import STEPS

Work = Callable[[Handler], Ending]
WELL = Ending(0)
ROOT = Path(__file__).parents[3]
HALF = b'raftops-progress {"step": "train", "done": 1, "total": 2, "note": "half"}\n'
TRACEBACK = b"Traceback (most recent call last):\n  File 'a.py', line 1\nOSError: a cache that was not there\n"
"""Of something that went on: what ended the step came later."""


def prints(*chunks: bytes, ending: Ending = WELL) -> Work:
    """Work that prints this and ends so."""

    def work(task: Handler) -> Ending:
        for chunk in chunks:
            task.hear(chunk)
        return ending

    return work


class Bench:
    """The tasks of a run that a test starts by name, each with the work that it is given."""

    def __init__(self, folder: Path, heard: Any) -> None:
        self.work: Work = prints()
        self.heard, self.folder = heard, folder
        steps = {step: StepRecord("key", {}) for step in STEPS}
        self.record = RunRecord("1", "tiny", "spec", "now", steps, documents={}, examples={})
        self.tasks = Tasks(lambda task: self.work(task), self.record, folder, heard)

    def handler(self, name: str, script: str = "") -> Handler:
        given = {"inputs": {"n": 1}, "outputs": {"outputFile": f"/store/run-1/loop-iteration-0/{name}/output.json"}}
        command = ["sh", "-ec", script, "--executor_input", json.dumps(given), "--function_to_execute", name]
        return Handler(self.tasks, image="one", full_command=command, pipeline_root="/store", runner=None, env_vars={})

    def run(self, name: str, *chunks: bytes, ending: Ending = WELL) -> Status:
        self.work = prints(*chunks, ending=ending)
        return self.handler(name).run()

    def error(self) -> Any:
        return self.tasks.failure(RuntimeError("KFP says that a task failed"))

    def log(self, step: str) -> list[str]:
        """Lines of a log, without those that we write ourselves."""
        lines = (self.folder / f"{step}.log").read_text(encoding="utf-8").split("\n")
        return [line for line in lines if line and line[9:14] != "task "]


@pytest.fixture
def bench(tmp_path: Path, tiny_run: Any) -> Bench:
    return Bench(tmp_path, tiny_run.heard)


def test_start_progress_and_end_are_told(bench: Bench) -> None:
    assert bench.run("train", b"a bar without an end ", HALF) == Status.SUCCESS
    assert bench.heard.events == [("started", "train"), ("progressed", "train", 1, 2, "half"), ("done", "train")]


@pytest.mark.parametrize("code", [1, 2, 3, 9, 15, 125, 137, 255, -9])
def test_only_exit_code_zero_is_success(bench: Bench, code: int) -> None:
    assert bench.run("train") == Status.SUCCESS
    assert bench.run("deploy", ending=Ending(code)) == Status.FAILURE
    assert bench.record.steps["deploy"].status == "failed"


@pytest.mark.parametrize(
    ("said", "ending", "message"),
    [
        (b"no such file\n" + HALF, Ending(3), "train failed: no such file (exit code 3)"),
        (b"", Ending(3), "train failed: it ended with exit code 3, without a message"),
        (b"", Ending(9), "train failed: it ended with exit code 9, without a message"),
        (b"without an end of line", Ending(1), "train failed: without an end of line (exit code 1)"),
        (TRACEBACK, Ending(1), "train failed: OSError: a cache that was not there"),
        (TRACEBACK, Ending(137), "train failed: it was killed, perhaps because memory ran out"),
        (TRACEBACK, Ending(-9), "train failed: it was killed, perhaps because memory ran out"),
        (b"Terminated\n", Ending(143), "train failed: it was terminated from outside"),
        (TRACEBACK, Ending(137, "it needed more memory"), "train: it needed more memory"),
        (b'raftops-error {"message": "row k7", "next": "mend"}\n' + TRACEBACK, Ending(1), "train: row k7"),
    ],
)
def test_a_failure_says_why(bench: Bench, said: bytes, ending: Ending, message: str) -> None:
    bench.run("train", said, ending=ending)
    assert str(bench.error()) == message


def test_what_kfp_prints_of_its_own_is_no_reason(bench: Bench) -> None:
    given = json.dumps({"inputs": {"n": 1}, "outputs": {"outputFile": "/store/run-1/loop-iteration-0/train/output.json"}}, indent=4)  # fmt: skip  # noqa: E501
    banner = f"[KFP Executor 2026 INFO]: Got executor_input:\n{given}\n".encode()
    bench.run("train", banner, ending=Ending(3))
    assert "without a message" in str(bench.error())
    assert '    "inputs": {' in bench.log("train")


def test_lines_are_whole_although_letters_come_in_halves_and_what_is_no_utf_8_is_shown(bench: Bench) -> None:
    text = "Größe – 1\r\nbar 1\rbar 2\r".encode() + b"a\xff\nlast \xe2\x82"
    bench.run("train", *(text[n : n + 1] for n in range(len(text))))
    assert bench.log("train") == ["Größe – 1", "bar 1", "bar 2", "a\\xff", "last \\xe2\\x82"]


def test_a_line_that_never_ends_is_kept_in_the_log_and_not_in_memory(bench: Bench) -> None:
    chunk = b"x" * 2**16
    tracemalloc.start()
    bench.run("train", *[chunk] * 512, HALF)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * LONGEST
    assert len(bench.log("train")[0]) == 512 * 2**16 + len(HALF) - 1
    assert ("progressed", "train", 1, 2, "half") in bench.heard.events


@pytest.mark.parametrize("broken", [b"raftops-progress {}\n", b"raftops-progress [1]\n", b"raftops-error no json\n"])
def test_a_mark_with_nothing_behind_it_changes_nothing(bench: Bench, broken: bytes) -> None:
    assert bench.run("train", broken) == Status.SUCCESS
    assert bench.heard.events == [("started", "train"), ("done", "train")]


def test_parts_of_a_step_side_by_side_do_not_mix(bench: Bench) -> None:
    """What stdout of KFP could not tell: it has one stream for all of them."""
    first, second = bench.handler("ingest-shard"), bench.handler("ingest-shard")

    def inner(task: Handler) -> Ending:
        task.hear(b"the other one is fine\n")
        return WELL

    def outer(task: Handler) -> Ending:
        task.hear(b'raftops-error {"message": "row k7", "next": "mend"}\n')
        bench.work = inner
        assert second.run() == Status.SUCCESS
        return Ending(1)

    bench.work = outer
    assert first.run() == Status.FAILURE
    assert str(bench.error()) == "ingest: row k7"
    assert bench.heard.events == [("started", "ingest"), ("failed", "ingest")]


def test_a_step_fails_once_and_the_first_failure_is_the_one_that_is_told(bench: Bench) -> None:
    bench.run("ingest-shard", b"the first\n", ending=Ending(1))
    bench.run("ingest-shard", b"the second\n", ending=Ending(1))
    bench.run("finish", b"the end\n", ending=Ending(1))
    assert bench.heard.events == [("started", "ingest"), ("failed", "ingest")]
    assert str(bench.error()) == "ingest failed: the first (exit code 1)"


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (DataRejected("train: the image is not there", next_step="make images"), "train: the image is not there"),
        (RaftopsError("no engine"), "train failed: no engine"),
        (OSError(28, "No space left on device"), "train failed: {log}: No space left on device"),
    ],
)
def test_a_task_that_cannot_be_launched_is_a_failed_step(bench: Bench, problem: Exception, message: str) -> None:
    def work(task: Handler) -> Ending:
        raise problem

    bench.work = work
    assert bench.handler("train").run() == Status.FAILURE
    assert str(bench.error()) == message.format(log=bench.tasks.folder / "train.log") and bench.heard.events[-1] == (
        "failed",
        "train",
    )


def test_before_the_first_step_the_failure_is_kfps(bench: Bench) -> None:
    assert "before the first step" in str(bench.error()) and bench.error().next_step == "raftops doctor"


def test_kfp_is_as_before_when_the_run_is_over(bench: Bench) -> None:
    with pytest.raises(KeyboardInterrupt), bench.tasks.under_kfp():
        assert task_dispatcher.subprocess_task_handler is not subprocess_task_handler
        raise KeyboardInterrupt
    assert task_dispatcher.subprocess_task_handler is subprocess_task_handler


def test_a_process_that_prints_much_on_both_streams_ends(bench: Bench) -> None:
    bench.work = run_process
    script = "for n in $(seq 3000); do printf '%01000d\\n' $n; printf '%01000d\\n' $n >&2; done; exit 4"
    assert bench.handler("train", script).run() == Status.FAILURE
    assert len(bench.log("train")) == 6000
    assert str(bench.error()).endswith("3000 (exit code 4)")


def test_a_process_has_the_environment_of_its_task_and_our_python(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "kept")
    bench.work = run_process
    handler = bench.handler("train", "echo $OURS $THEIRS; python3 -c 'import sys; print(sys.executable)'")
    handler.environment = {"THEIRS": "given"}
    handler.run()
    assert bench.log("train") == ["kept given", sys.executable]


@pytest.mark.slow
def test_a_run_that_is_ended_starts_no_task_more_and_waits_for_none(bench: Bench) -> None:
    def work(task: Handler) -> Ending:
        task.stopped.set()
        return run_process(task)

    bench.work = work
    started = time.monotonic()
    assert bench.handler("train", "exec sleep 60").run() == Status.FAILURE
    assert bench.handler("deploy").run() == Status.FAILURE
    assert time.monotonic() - started < 30
    assert bench.heard.events == [("started", "train")]


@pytest.mark.parametrize(("end", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)])
def test_ctrl_c_among_shards_ends_the_run_and_starts_no_shard_more(
    tiny_run: Any, end: signal.Signals, code: int
) -> None:
    program = textwrap.dedent(f"""
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from pathlib import Path
        from pipelines.runs.record import Store
        from raftops.spec.load import load_spec
        from tests.pipelines.wiring.test_shape import ShapedRun
        run = ShapedRun(load_spec(Path({str(tiny_run.loaded.path)!r})), Store(Path({str(tiny_run.store.root)!r})))
        run.manners["ingest"] = "slow"
        try:
            run.run()
        except KeyboardInterrupt:
            raise SystemExit(1)
    """)
    python = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    run = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, env=python, cwd=ROOT)
    while tiny_run.ran() != ["validate", "ingest-0"] and run.poll() is None:
        time.sleep(0.05)
    run.send_signal(end)
    _, said = run.communicate(timeout=120)
    assert run.returncode == code, said.decode()
    assert tiny_run.ran() == ["validate", "ingest-0"]
    [record] = tiny_run.store.runs.glob("*/run.json")
    assert read_json(record)["status"] == "failed"


@pytest.mark.parametrize(("task", "code"), [("hold", 3), ("evaluate", 1)])
def test_a_run_that_its_gates_hold_ends_with_a_code_of_its_own(bench: Bench, task: str, code: int) -> None:
    bench.run(task, b'raftops-error {"message": "served.wrong is 0.4", "next": "mend"}\n', ending=Ending(1))
    error = bench.error()
    assert error.exit_code == code and "served.wrong is 0.4" in str(error)


def test_what_a_task_made_is_known_when_it_ends(bench: Bench) -> None:
    made = {"report": {"artifacts": [{"uri": "/store/run-1/evaluate/report"}]}}
    given = {"outputs": {"outputFile": "/store/run-1/evaluate/output.json", "artifacts": made}}
    command = ["sh", "-ec", "", "--executor_input", json.dumps(given), "--function_to_execute", "evaluate"]
    for ending, artifacts in ((Ending(1), {}), (WELL, {"report": "/store/run-1/evaluate/report"})):
        bench.work, bench.record.steps["evaluate"] = prints(ending=ending), StepRecord("key", {})
        Handler(bench.tasks, image="one", full_command=command).run()
        assert bench.record.steps["evaluate"].artifacts == artifacts
