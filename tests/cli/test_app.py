from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.cli.app import COMMANDS

Run = Callable[..., Any]


def test_help_names_every_command(raftops: Run) -> None:
    ended = raftops("--help")
    assert ended.code == 0
    assert all(name in ended.out for name in COMMANDS)


def test_without_a_command_the_help_is_shown(raftops: Run) -> None:
    assert "Usage" in raftops().out + raftops().err


def test_the_version_is_told(raftops: Run) -> None:
    from raftops import __version__

    assert raftops("--version").out == f"raftops {__version__}\n"


@pytest.mark.parametrize("arguments", [["bogus"], ["compile"], ["validate", "a", "b"], ["--output", "xml", "doctor"]])
def test_a_wrong_use_ends_with_2_and_names_the_help(raftops: Run, arguments: list[str]) -> None:
    ended = raftops(*arguments)
    assert ended.code == 2 and "Traceback" not in ended.err
    assert "-h" in ended.err


def test_a_wrong_spec_ends_with_2_and_shows_the_place(raftops_process: Run, project: Any) -> None:
    project.spec["spec"]["train"]["lora_rank"] = 8
    project.save()
    ended = raftops_process("validate", project.path)
    assert ended.code == 2 and ended.out == ""
    assert "tiny.yaml:" in ended.err and "lora_rank" in ended.err and "next:" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", ["validate", "plan", "compile", "run"])
def test_a_spec_that_is_not_there_ends_with_2(raftops: Run, command: str) -> None:
    ended = raftops(command, "nowhere.yaml")
    assert ended.code == 2 and "nowhere.yaml" in ended.err


def test_another_failure_ends_with_1_and_names_what_is_next(raftops: Run, project: Any) -> None:
    project.save()
    ended = raftops("release", "show", project.path)
    assert ended.code == 1
    assert ended.err.startswith("error: ") and "next:" in ended.err and "Traceback" not in ended.err


def test_a_file_that_cannot_be_written_is_one_line(raftops: Run, project: Any) -> None:
    project.save()
    ended = raftops("compile", project.path, "-o", project.path / "below-a-file.yaml")
    assert ended.code == 1 and "Traceback" not in ended.err
    assert str(project.path) in ended.err.replace("\n", "")


def test_verbose_shows_the_traceback(raftops: Run, project: Any) -> None:
    project.save()
    assert "Traceback" in raftops("--verbose", "release", "show", project.path).err


def test_json_failures_are_one_object_on_stderr(raftops: Run, project: Any) -> None:
    project.save()
    ended = raftops("--output", "json", "release", "show", project.path)
    assert ended.code == 1 and ended.out == ""
    assert set(json.loads(ended.err)) == {"error", "next"}


def test_a_long_message_is_not_broken_and_not_taken_for_markup(raftops: Run, project: Any) -> None:
    project.save()
    name = "[bold]" + "x" * 200 + ".yaml"
    assert name in raftops("validate", name).err


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}])
def test_no_colours_where_nobody_sees_them_or_wants_them(
    raftops_process: Run, project: Any, environment: dict[str, str]
) -> None:
    project.save()
    ended = raftops_process("validate", project.path, **environment)
    assert ended.code == 0
    assert not any(f"\x1b[{code}m" in ended.out for code in range(30, 38))


def test_colours_where_they_are_wanted(raftops_process: Run, project: Any) -> None:
    project.save()
    assert "\x1b[32m" in raftops_process("validate", project.path, FORCE_COLOR="1").out


HEAVY = ("torch", "pymilvus", "milvus_lite", "great_expectations", "transformers", "bentoml", "onnxruntime", "openvino")


@pytest.mark.parametrize("command", ["validate", "plan", "compile"])
def test_reading_a_spec_loads_nothing_heavy(raftops_process: Run, project: Any, command: str) -> None:
    project.save()
    import subprocess
    import sys

    program = (
        "import sys\nfrom pipelines.cli import main\n"
        "try:\n    main()\nfinally:\n    print('LOADED', sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    command_line = [sys.executable, "-c", program, command, str(project.path)]
    done = subprocess.run(command_line, capture_output=True, text=True, cwd=project.root, check=True)
    loaded = done.stdout.partition("LOADED")[2]
    assert "pydantic" in loaded
    assert [name for name in HEAVY if f"'{name}'" in loaded] == []
    assert "'kubernetes'" not in loaded


@pytest.mark.slow
def test_completion_is_offered(raftops_process: Run) -> None:
    ended = raftops_process("--show-completion", SHELL="/bin/bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "Traceback" not in ended.err
