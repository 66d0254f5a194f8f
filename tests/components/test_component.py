"""Components are thin: a body imports, calls one step and hands on its figures."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pipelines.wiring.config import configs
from raftops.spec.model.base import STEPS

ROOT = Path(__file__).parents[2]


BESIDE = (
    "finish",
    "evaluate/hold",
    "ingest/listed",
    "ingest/shard",
    "ingest/merge",
    "index/shard",
    "index/merge",
    "augment/plain",
    "train/candidate",
    "train/choose",
    "train/plain",
    "train/beside",
)
"""Tasks that are no step of their own."""


def body(step: str) -> list[ast.stmt]:
    path = f"{step}.py" if step in BESIDE else f"{step}/component.py"
    tree = ast.parse((ROOT / "components" / path).read_text(encoding="utf-8"))
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return function.body


@pytest.mark.parametrize("step", (*STEPS, *BESIDE))
def test_a_body_has_no_logic(step: str) -> None:
    allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.Return)
    assert all(isinstance(node, allowed) for node in body(step))
    assert len(body(step)) <= 16


def test_no_file_has_a_future_import_for_kfp_would_not_read_its_types() -> None:
    files = [path for path in ROOT.glob("components/**/*.py") if "@dsl.component" in path.read_text(encoding="utf-8")]
    assert len(files) == len(STEPS) + len(BESIDE)
    assert [path for path in files if "from __future__" in path.read_text(encoding="utf-8")] == []


def test_what_merges_shards_is_known_by_the_name_and_outputs_of_its_step() -> None:
    """So that KFP, and our store, take a result in shards for the result of the step."""
    from components.index import component as index
    from components.index import merge as index_merge
    from components.ingest import component as ingest
    from components.ingest import merge as ingest_merge
    from components.train import beside as train_beside
    from components.train import choose as train_choose
    from components.train import component as train

    ways = (
        ("ingest", ingest, ingest_merge), ("index", index, index_merge), ("train", train, train_choose),
        ("train", train, train_beside),
    )  # fmt: skip
    for step, whole, merge in ways:
        one, other = getattr(whole, step).component_spec, getattr(merge, step).component_spec
        assert (one.name, one.outputs) == (other.name, other.outputs)


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
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Call) and _reported(node.func) == step
    ]  # fmt: skip
    return sum(
        sizes[a.value.id] if isinstance(a, ast.Starred) and isinstance(a.value, ast.Name) else 1 for a in call.args
    )


def _reported(call: ast.Call) -> str:
    """What `reported` is called with."""
    [argument] = call.args
    return argument.id if isinstance(argument, ast.Name) else ""


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
