from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import authoring
from pipelines.cli.app import COMMANDS, EXTRAS, loaded

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]

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


@pytest.mark.parametrize("arguments", [["bogus"], ["compile"], ["plan", "a", "b"], ["--output", "xml", "doctor"]])
def test_a_wrong_use_ends_with_2_and_names_the_help(raftops: Run, arguments: list[str]) -> None:
    ended = raftops(*arguments)
    assert ended.code == 2 and "Traceback" not in ended.err
    assert "-h" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [(("plan", "--on", "mars", "x.yaml"), "'mars' is not one of"), (("init", "--ci", "x"), "'x' is not one of")],
)
def test_a_choice_that_is_none_is_told_in_our_words(raftops: Run, words: tuple[str, ...], said: str) -> None:
    ended = raftops(*words)
    assert ended.code == 2 and said in ended.err and "Value error" not in ended.err


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


def test_a_full_disk_is_told_with_the_file_and_what_to_do(
    raftops: Run, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of a write carries no name of a file: `[Errno 28] No space left on device` was all there was."""
    project.save()

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = project.root / "out" / "tiny.yaml"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        ended = raftops("compile", project.path, "-o", target)
    assert ended.code == 1 and "Errno" not in ended.err
    assert re.match(rf"error: {re.escape(str(project.root))}/\S+: No space left on device\n", ended.err)
    assert "raftops gc --yes" in ended.err and not list(target.parent.glob("*"))


def test_an_error_of_the_system_without_a_file_names_the_place_in_the_code(
    raftops: Run, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.save()

    def fails(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(authoring, "load_spec", fails)
    ended = raftops("validate", project.path)
    assert ended.code == 1 and "test_app.py:" in ended.err and "Input/output error" in ended.err
    assert "the disk fails" in ended.err


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    row = COMMANDS[name]
    assert loaded(row.module)[name].help.partition("\n")[0] == row.help
    assert not row.extra or row.extra in PROJECT["optional-dependencies"]


def test_the_extras_that_are_named_for_a_package_bring_it() -> None:
    brought = {extra: " ".join(PROJECT["optional-dependencies"][extra]).replace("-", "_") for extra in EXTRAS.values()}
    assert [p for p, extra in EXTRAS.items() if p != "botocore" and p not in brought[extra]] == []  # boto3 brings that


@pytest.mark.parametrize(("package", "extra"), [("numpy", "evaluate"), ("boto3.session", "s3")])
def test_a_package_that_is_not_installed_is_a_line_that_names_its_extra(
    raftops: Run, project: Any, monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    project.save()
    monkeypatch.setattr("pipelines.cli.reporting.load_spec", absent)
    ended = raftops("report", project.path)
    assert ended.code == 1 and "Traceback" not in ended.err
    assert ended.err.startswith(f"error: {package.partition('.')[0]} is not installed")
    assert f"next: pip install 'raftops[{extra}]'" in ended.err


@pytest.mark.parametrize(
    "error", [KeyError("path"), ModuleNotFoundError("No module named 'raftops.x'", name="raftops.x")]
)
def test_what_nobody_foresaw_is_a_line_that_says_how_its_traceback_is_shown(
    raftops: Run, project: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    project.save()
    monkeypatch.setattr(authoring, "load_spec", broken)
    ended = raftops("validate", project.path)
    assert ended.code == 1 and "Traceback" not in ended.err
    assert ended.err.startswith(f"error: unforeseen {type(error).__name__}: ") and "test_app.py:" in ended.err
    assert f"next: raftops --verbose validate {project.path}" in ended.err
    assert "Traceback" in raftops("--verbose", "validate", project.path).err


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


@pytest.mark.parametrize(
    ("words", "light"),
    [(["--version"], ("typer", "rich", "pydantic", "kfp")), (["--help"], ("pydantic", "kfp")), (["relase"], ("kfp",))],
)
def test_what_needs_no_spec_loads_no_spec_and_no_kubeflow(words: list[str], light: tuple[str, ...]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "raftops", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "raftops" in imported and imported.isdisjoint(light)


@pytest.mark.slow
def test_completion_is_offered(raftops_process: Run) -> None:
    ended = raftops_process("--show-completion", SHELL="/bin/bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "Traceback" not in ended.err
