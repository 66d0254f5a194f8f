"""What a step imports is in its image. Read from the code: an image that lacks a library fails late, on the cluster."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from components.requirements import EVERY_STEP, requirements
from pipelines.wiring.code import source
from raftops.spec.model.base import STEPS

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
_MODULE = re.compile(r"^(raftops(?:\.\w+)+)(?::\w+)?$")
_FURTHER = {"components", "kfp", "pipelines"}
_OPTIONAL = re.compile(r'of_extra\(\s*"([\w.]+)", "(\w+)"')
OPTIONAL = {
    found
    for path in Path(str(source("raftops"))).parent.rglob("*.py")
    for found in _OPTIONAL.findall(path.read_text(encoding="utf-8"))
}
"""(module, extra) of what is asked for by name, with a message where it is not installed."""


def imported(step: str) -> dict[str, str]:
    """Third-party packages by name, each with a module that imports it, behind a step and the modules it leads to."""
    return behind(f"components.{step}.component", frozenset(module for module, _ in OPTIONAL))


def behind(first: str, without: frozenset[str] = frozenset()) -> dict[str, str]:
    """The same of a module; what is imported by the modules `without` alone is not counted."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    waiting = [first]
    while waiting:
        module = waiting.pop()
        if module in seen or module in without or not (path := source(module)):
            continue
        seen.add(module)
        for name in _named(ast.parse(path.read_text(encoding="utf-8"))):
            top, *_ = parts = name.split(".")
            if top == "raftops":
                waiting += [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
            elif top not in _FURTHER and top not in sys.stdlib_module_names and top not in without:
                found[top] = module
    return found


def _named(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _MODULE.findall(
                node.value
            )  # import_module("raftops.release.bucket"), "raftops.service.service:Service"
        elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            yield from _below(str(node.values[0].value))  # import_module(f"raftops.generation.{engine}")


def _below(prefix: str) -> Iterator[str]:
    """Every module of a package of ours, of which the name is put together."""
    package = prefix.removesuffix(".")
    if prefix.endswith(".") and _MODULE.fullmatch(package) and (path := source(package)):
        yield from (f"{package}.{file.stem}" for file in path.parent.glob("[!_]*.py"))


def installed(wanted: list[str]) -> set[str]:
    """Distributions that requirements bring, with what those need."""
    found: set[str] = set()
    for line in wanted:
        found |= _brought(line, frozenset())
    return found


@lru_cache(maxsize=4096)
def _brought(line: str, above: frozenset[str]) -> frozenset[str]:
    wanted = Requirement(line)
    name = _plain(wanted.name)
    if name in above:
        return frozenset()
    try:
        needs = [Requirement(text) for text in distribution(wanted.name).requires or []]
    except PackageNotFoundError:
        return frozenset()
    extras = ["", *wanted.extras]
    holds = [need for need in needs if not need.marker or any(need.marker.evaluate({"extra": e}) for e in extras)]
    return frozenset({name}).union(*(_brought(str(need).partition(";")[0], above | {name}) for need in holds))


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


@pytest.mark.parametrize("step", STEPS)
def test_what_a_step_imports_is_in_its_extra(step: str) -> None:
    by_import = packages_distributions()
    have = installed(requirements(step, PROJECT))
    lacking = {
        name: module for name, module in imported(step).items()
        if not any(_plain(package) in have for package in by_import.get(name, [name]))
    }  # fmt: skip
    assert lacking == {}


def test_the_reading_finds_what_is_imported_late_and_by_name() -> None:
    found = imported("deploy")
    assert {"bentoml", "openvino_genai"} <= set(found)


def test_what_not_every_image_has_is_in_the_extra_that_its_message_names() -> None:
    assert {("raftops.generation.transformers", "generation"), ("onnxruntime", "onnxruntime")} <= OPTIONAL
    by_import = packages_distributions()
    for module, extra in sorted(OPTIONAL):
        others = frozenset(name for name, _ in OPTIONAL if name != module)
        needs = behind(module, others) if module.startswith("raftops.") else {module: module}
        for step in ("evaluate", "deploy"):
            have = installed(requirements(step, PROJECT, [extra]))
            assert {name for name in needs if not any(_plain(package) in have for package in by_import[name])} == set()


@pytest.mark.parametrize("step", [step for step in STEPS if step != "train"])
def test_torch_is_in_the_image_of_the_training_alone(step: str) -> None:
    assert not installed(requirements(step, PROJECT)) & {"torch", "bitsandbytes", "transformers", "onnxruntime"}
    assert {"torch", "bitsandbytes"} <= installed(requirements("train", PROJECT))


def test_no_image_draws_by_a_library_and_what_judges_data_is_in_its_image_alone() -> None:
    have = {step: installed(requirements(step, PROJECT)) for step in STEPS}
    assert not any("matplotlib" in names for names in have.values())
    assert [step for step in STEPS if have[step] & {"great-expectations", "scipy", "altair"}] == ["validate"]


@pytest.mark.parametrize("step", STEPS)
def test_the_command_line_stays_out(step: str) -> None:
    names = {re.split(r"[^a-z0-9-]", line.lower())[0] for line in requirements(step, PROJECT)}
    assert set(EVERY_STEP) < names
    assert not names & {"kfp", "typer", "rich", "raftops", "docker"}


def test_our_own_extras_are_resolved_through_others() -> None:
    project = {
        "project": {
            "dependencies": ["pydantic>=2", "typer"],
            "optional-dependencies": {"a": ["raftops[b,s3]", "x"], "b": ["y>=1"], "s3": ["z"]},
        }
    }
    assert requirements("a", project) == ["pydantic>=2", "x", "y>=1", "z"]
    assert requirements("b", project, ["s3"]) == ["pydantic>=2", "y>=1", "z"]


def test_an_extra_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        requirements("polish", PROJECT)
