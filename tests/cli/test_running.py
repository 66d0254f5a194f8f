from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipelines.cli import running
from pipelines.cli.run_screen import RunScreen
from pipelines.cli.screen import Form, Screen, duration
from pipelines.runs.events import Listener
from pipelines.runs.record import RunRecord, StepRecord
from raftops.errors import GateFailed, RaftopsError, StepError
from raftops.files import write_json
from raftops.spec.model.base import STEPS

Run = Callable[..., Any]


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., RunRecord]], None]:
    """Put a function in the place of the local run."""
    return lambda run: monkeypatch.setattr(running, "run_local", run)


def finished(loaded: Any, compiled: Any, store: Any, listener: Listener, again: Any, *how: Any) -> RunRecord:
    """A run in which validate was skipped and the other steps ran."""
    steps = {}
    for step in STEPS:
        record = StepRecord("key", {}, "done", 61.5, {"rows": 1200.0, "share": 0.25}, {"made": "/x"})
        if step == "validate":
            record.status = "skipped"
            listener.skipped(step, record)
        else:
            listener.started(step)
            listener.progressed(step, 1, 2, "half [of it]")
            listener.finished(step, record)
        steps[step] = record
    return RunRecord("1", loaded.assistant.name, "s", "t", steps, {}, {}, seconds=400.0)


def test_a_run_shows_each_step_and_ends_with_a_table(raftops: Run, project: Any, instead: Any) -> None:
    project.save()
    instead(finished)
    ended = raftops("run", project.path)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert any("1/7 validate" in line and "skipped" in line for line in lines)
    assert any("5/7 train" in line and "done" in line and "61.5 s" in line for line in lines)
    assert "half [of it]" in ended.out
    assert "6 of 7 steps ran in 6 min 40 s" in ended.out


def test_the_table_names_the_candidate_that_went_on(raftops: Run, project: Any, instead: Any) -> None:
    project.save()
    made = project.write("adapters/train.json", json.dumps({"chosen": "fast", "candidates": [{}, {}]})).parent

    def with_candidates(*given: Any) -> RunRecord:
        record = finished(*given)
        record.steps["train"].artifacts = {"adapters": str(made)}
        record.steps["train"].metrics = {"tokens": 900.0, "raft_dev_loss": 1.234, "dev_loss_fast": 1.234}
        return record

    instead(with_candidates)
    shown = " ".join(raftops("run", project.path).out.split())
    assert "fast of 2" in shown and "raft_dev_loss" in shown


def test_a_run_as_json_is_one_object_a_line(raftops: Run, project: Any, instead: Any) -> None:
    project.save()
    instead(finished)
    rows = [json.loads(line) for line in raftops("--output", "json", "run", project.path).out.splitlines()]
    assert rows[0] == {"step": "validate", "event": "skipped"}
    assert {"step": "train", "event": "progress", "done": 1, "total": 2, "note": "half [of it]"} in rows
    assert rows[-1]["steps"]["train"]["metrics"]["rows"] == 1200.0


def test_a_failed_step_is_one_line_and_the_next_step(raftops: Run, project: Any, instead: Any) -> None:
    def failed(*_: object) -> RunRecord:
        raise StepError("augment: row k7 has no evidence", next_step="mend data/examples.jsonl")

    project.save()
    instead(failed)
    ended = raftops("run", project.path)
    assert ended.code == 1
    assert ended.err == "error: augment: row k7 has no evidence\n  next: mend data/examples.jsonl\n"


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(raftops: Run, project: Any, instead: Any) -> None:
    def interrupted(*_: object) -> RunRecord:
        raise KeyboardInterrupt

    project.save()
    instead(interrupted)
    ended = raftops("run", project.path)
    assert ended.code == 130 and "goes on where it stopped" in ended.err and "Traceback" not in ended.err


def test_a_terminated_run_says_so_and_how_to_go_on(raftops: Run, project: Any, instead: Any) -> None:
    def terminated(*_: object) -> RunRecord:
        raise SystemExit(143)  # as the handler of SIGTERM does

    project.save()
    instead(terminated)
    ended = raftops("run", project.path)
    assert ended.code == 143
    assert ended.err == "error: terminated\n  next: run the same command again: it goes on where it stopped\n"


def test_forcing_a_step_runs_those_behind_it_too(raftops: Run, project: Any, instead: Any) -> None:
    asked: list[object] = []

    def noted(loaded: Any, compiled: Any, store: Any, listener: Listener, again: Any, *how: Any) -> RunRecord:
        asked.append(set(again))
        return finished(loaded, compiled, store, listener, again, *how)

    project.save()
    instead(noted)
    assert raftops("run", project.path, "--force", "evaluate").code == 0
    assert asked == [{"evaluate", "deploy"}]


@pytest.mark.parametrize(
    ("words", "module"), [((), "pipelines.local.run"), (("--in", "containers"), "pipelines.local.containers")]
)
def test_a_run_is_in_processes_or_in_containers(
    instead: Any, raftops: Run, project: Any, words: tuple[str, ...], module: str
) -> None:
    chosen: list[str] = []

    def noted(loaded: Any, compiled: Any, store: Any, listener: Listener, again: Any, *how: Any) -> RunRecord:
        chosen.append(how[0].__module__)
        return finished(loaded, compiled, store, listener, again, *how)

    project.save()
    instead(noted)
    assert raftops("run", project.path, *words).code == 0
    assert chosen == [module]


def test_a_run_without_the_packages_of_its_steps_names_the_extra_before_it_starts(
    instead: Any, raftops: Run, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.save()
    instead(lambda *_: pytest.fail("nothing runs"))
    monkeypatch.setattr("pipelines.cli.doctor.is_installed", lambda name: name != "python-docx")
    ended = raftops("run", project.path)
    assert ended.code == 1 and "lacks packages of the steps validate, ingest" in ended.err
    assert "pip install 'raftops[all]'" in ended.err


def test_forcing_an_unknown_step_names_the_steps(raftops: Run, project: Any) -> None:
    project.save()
    ended = raftops("run", project.path, "--force", "trian")
    assert ended.code == 2 and "trian" in ended.err and "train" in ended.err


def test_the_screen_still_reaches_the_terminal_while_stdout_is_listened_to(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    with RunScreen(screen) as shown, redirect_stdout(io.StringIO()) as heard:
        shown.started("train")
    assert "5/7 train" in capsys.readouterr().out and heard.getvalue() == ""


ALARM = {"said": "Most questions are declined: 0.62 [of all].", "advice": "more examples"}


def told(folder: Path, alarms: list[dict[str, str]], *, as_json: bool = False) -> str:
    """What the screen says of an evaluation's report, colours included."""
    write_json(folder / "report.json", {"alarms": alarms, "conclusion": {"readers": "Readers get 7 of 10."}})
    screen, seen = Screen(), io.StringIO()
    screen.configure(form=Form.json if as_json else Form.text)
    shown = RunScreen(screen)
    screen.out = Console(file=seen, force_terminal=True, width=200, highlight=False)
    shown.finished("evaluate", StepRecord("key", {}, "done", artifacts={"report": str(folder)}))
    shown.verdict()
    return seen.getvalue()


def test_what_nobody_should_have_to_look_for_is_said_in_red_with_what_to_do(tmp_path: Path) -> None:
    text = told(tmp_path, [ALARM])
    assert "\x1b[1;31mMost questions are declined: 0.62 [of all].\x1b[0m" in text and "more examples" in text
    fine = told(tmp_path, [])
    assert "declined" not in fine and "Readers get 7 of 10." in fine
    last = told(tmp_path, [ALARM], as_json=True).splitlines()[-1]
    assert json.loads(last) == {"event": "alarm", **ALARM}


def test_alarms_are_said_although_the_report_is_known_only_when_the_run_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(tmp_path / "report.json", {"alarms": [ALARM]})
    shown, record = RunScreen(Screen()), StepRecord("key", {}, "done")
    with shown:
        shown.finished("evaluate", record)
        record.artifacts = {"report": str(tmp_path)}
        shown.verdict()
    assert ALARM["said"] in capsys.readouterr().out


def test_alarms_of_a_run_that_a_gate_holds_are_said_before_the_gate(
    raftops: Run, project: Any, instead: Any, tmp_path: Path
) -> None:
    def held(loaded: Any, compiled: Any, store: Any, listener: Listener, again: Any, *how: Any) -> RunRecord:
        write_json(tmp_path / "report" / "report.json", {"alarms": [ALARM]})
        state = StepRecord("key", {}, "done", artifacts={"report": str(tmp_path / "report")})
        listener.finished("evaluate", state)
        raise GateFailed("1 gate did not pass: served.wrong is 0.500", next_step="read report.html")

    instead(held)
    project.save()
    ended = raftops("run", project.path)
    assert ended.code == GateFailed.exit_code and ALARM["said"] in ended.out and "served.wrong" in ended.err


def test_a_run_without_an_evaluation_has_nothing_to_say_about_one(capsys: pytest.CaptureFixture[str]) -> None:
    RunScreen(Screen()).verdict()
    assert capsys.readouterr().out == ""


def test_a_long_note_leaves_the_bar_and_the_name_of_the_step_on_a_narrow_terminal() -> None:
    screen, seen = Screen(), io.StringIO()
    screen.out = Console(file=seen, force_terminal=True, color_system=None, width=80, highlight=False)
    shown = RunScreen(screen)
    shown.started("train")
    shown.progressed("train", 7, 27, "1 of 3 done; raft (brisk) loss 2.104 (4/9); raft (wide) loss 1.912 (3/9)")
    screen.out.print(shown._bar)
    line = seen.getvalue().splitlines()[-1]
    assert "5/7 train" in line and "━" in line and "7/27 1 of 3 done" in line and "0:00:00" in line


@pytest.mark.parametrize(("seconds", "said"), [(None, "-"), (1.25, "1.2 s"), (59.9, "59.9 s"), (61.0, "1 min 1 s")])
def test_times_are_said_as_people_say_them(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize("here", [True, False])
def test_where_to_look_is_a_whole_path_on_a_line(
    raftops: Run, new_project: Any, instead: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, here: bool
) -> None:
    instead(finished)
    project = new_project("p" * 90)
    monkeypatch.chdir(project.root if here else tmp_path.parent)
    lines = [line.strip() for line in raftops("run", project.path).out.splitlines()]
    path = ".raftops/latest/tiny/evaluate/report/report.html"
    assert (path if here else f"{tmp_path.name}/{'p' * 90}/{path}") in lines


def test_figures_that_a_program_reads_are_a_line_a_step(
    raftops: Run, project: Any, instead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"{'long' * 8}_{n}" for n in range(4)]

    def with_figures(*given: Any) -> RunRecord:
        record = finished(*given)
        record.steps["train"].metrics = dict.fromkeys(names, 0.5)
        return record

    instead(with_figures)
    out = raftops("run", project.path).out
    assert any(all(f"{name} 0.500" in line for name in names) for line in out.splitlines())


def test_what_comes_after_a_run_can_be_copied(raftops: Run, project: Any, instead: Any) -> None:
    instead(finished)
    overlay = project.write("my overlay.yaml", "spec: {}\n")
    words = f"{project.path} -f '{overlay}'"
    assert raftops("run", project.path, "-f", overlay).out.splitlines()[-2:] == [
        f"next: raftops serve {words}",
        f'  then, in a second terminal: raftops ask {words} "your question"',
    ]


def test_a_refused_run_says_so(raftops: Run, project: Any, instead: Any) -> None:
    def refused(*_: object) -> RunRecord:
        raise RaftopsError("another run is at work in /x", next_step="wait for it")

    project.save()
    instead(refused)
    assert raftops("run", project.path).err == "error: another run is at work in /x\n  next: wait for it\n"


def test_a_train_json_of_the_folder_that_one_stands_in_is_no_report_of_ours(
    raftops: Run, project: Any, instead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.save()
    (project.root / "train.json").write_text('{"question": 1}\n{"question": 2}\n', encoding="utf-8")
    monkeypatch.chdir(project.root)
    instead(finished)
    ended = raftops("run", project.path)
    assert ended.code == 0 and "candidates" not in ended.out
