from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.code import code_closure, code_hash, shape, source
from raftops.spec.model import STEPS

LIBRARY = Path(str(source("raftops"))).parent

CODE = '''
"""Module docstring."""
import json

@dataclass
class A:
    """Class docstring."""
    size: int = 1
    """What the field means."""

def f(x):
    """Function docstring."""
    return json.dumps(x)  # why
'''


def shaped(text: str) -> str:
    return shape(ast.parse(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# why", "# another reason"),
        ("Module docstring.", "Other."),
        ("Class docstring.", "Other."),
        ("What the field means.", "Other."),
        ("Function docstring.", "Other."),
        ('    """Function docstring."""\n', ""),
        ("return json.dumps(x)", "return json.dumps(\n        x\n    )"),
    ],
)
def test_comments_docstrings_and_layout_are_not_code(old: str, new: str) -> None:
    assert old in CODE
    assert shaped(CODE.replace(old, new)) == shaped(CODE)


@pytest.mark.parametrize(("old", "new"), [("size: int = 1", "size: int = 2"), ("dumps", "loads"), ("f(x)", "f(y)")])
def test_what_runs_is_code(old: str, new: str) -> None:
    assert shaped(CODE.replace(old, new)) != shaped(CODE)


def test_a_string_that_is_used_is_code() -> None:
    assert shaped("x = 'a'") != shaped("x = 'b'")


@pytest.mark.parametrize("step", STEPS)
def test_the_code_of_a_step_holds_its_component_and_its_module(step: str) -> None:
    closure = code_closure(f"components.{step}.component")
    assert {f"components.{step}.component", f"raftops.steps.{step}"} <= closure
    assert not any(name.startswith(("raftops.spec", "pipelines")) for name in closure)


def test_modules_that_are_imported_by_name_are_found() -> None:
    assert "raftops.retrieval.export" in code_closure("raftops.steps.index")


def test_a_change_far_below_changes_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines import code

    before = code_hash("components.index.component")
    real = code._shape
    monkeypatch.setattr(code, "_shape", lambda name: real(name) + ("x" if name == "raftops.records" else ""))
    assert code_hash("components.index.component") != before


def test_hashing_imports_nothing_of_what_it_hashes() -> None:
    program = (
        "import sys; from pipelines.code import code_hash; from raftops.spec.model import STEPS; "
        "[code_hash(f'components.{step}.component') for step in STEPS]; "
        "print([m for m in sys.modules if m.startswith(('raftops.steps', 'components', 'torch', 'pymilvus'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_of_ours_imports_relatively_for_such_imports_are_not_followed() -> None:
    files = list(LIBRARY.rglob("*.py"))
    assert len(files) > 20
    for path in files:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        assert not any(isinstance(node, ast.ImportFrom) and node.level for node in nodes), path
