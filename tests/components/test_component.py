"""Components are thin: a body imports, calls one step and hands on its figures."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pipelines.config import configs
from raftops.spec.model import STEPS

ROOT = Path(__file__).parents[2]


def body(step: str) -> list[ast.stmt]:
    tree = ast.parse((ROOT / "components" / step / "component.py").read_text(encoding="utf-8"))
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return function.body


@pytest.mark.parametrize("step", STEPS)
def test_a_body_has_no_logic(step: str) -> None:
    allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign)
    assert all(isinstance(node, allowed) for node in body(step))
    assert len(body(step)) <= 12


@pytest.mark.parametrize("step", STEPS)
def test_a_file_has_no_future_import_for_kfp_would_not_read_its_types(step: str) -> None:
    assert "from __future__" not in (ROOT / "components" / step / "component.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("step", STEPS)
def test_a_body_imports_its_own_step_only(step: str) -> None:
    modules = [node.module or "" for node in body(step) if isinstance(node, ast.ImportFrom)]
    assert [name for name in modules if name.startswith("raftops.steps")] == [f"raftops.steps.{step}"]


@pytest.mark.parametrize("step", STEPS)
def test_the_call_fits_the_signature_of_the_step(step: str) -> None:
    """The body passes as many arguments as the step needs. Read, not imported: a step's libraries are heavy."""
    tree = ast.parse((ROOT / "src" / "raftops" / "steps" / f"{step}.py").read_text(encoding="utf-8"))
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == step]
    needed = len(function.args.args) - len(function.args.defaults)
    assert needed <= _passed(step) <= len(function.args.args)


def _passed(step: str) -> int:
    """How many arguments the body passes: starred names count as the tuples that they were assigned."""
    sizes: dict[str, int] = {}
    for node in body(step):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            sizes[node.targets[0].id] = len(node.value.elts) if isinstance(node.value, ast.Tuple) else 1
    [call] = [
        node for statement in body(step) for node in ast.walk(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Call)
    ]  # fmt: skip
    return sum(
        sizes[a.value.id] if isinstance(a, ast.Starred) and isinstance(a.value, ast.Name) else 1 for a in call.args
    )


@pytest.mark.parametrize("step", STEPS)
def test_a_body_reads_only_what_its_config_holds(step: str, project: object) -> None:
    config = configs(project.load().assistant)[step]  # type: ignore[attr-defined]
    keys = {
        node.slice.value
        for statement in body(step) for node in ast.walk(statement)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "config"
        and isinstance(node.slice, ast.Constant)
    }  # fmt: skip
    assert keys == set(config)
