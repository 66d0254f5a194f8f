from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.wiring import code
from pipelines.wiring.code import Code, read, source
from raftops.spec.model.base import STEPS

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
    return read(text).shape


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
    closure = Code().closure(f"components.{step}.component")
    assert {f"components.{step}.component", f"raftops.steps.{step}"} <= closure
    assert not any(name.startswith(("raftops.spec", "pipelines")) for name in closure)


def test_modules_that_are_imported_by_name_are_found() -> None:
    assert "raftops.generation.transformers" in Code().closure("raftops.steps.evaluate")


def test_a_change_far_below_changes_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "records.py"
    changed.write_text((LIBRARY / "data" / "records.py").read_text(encoding="utf-8") + "\nx = 1\n", encoding="utf-8")
    before = Code().hash_of("components.index.component")
    monkeypatch.setattr(code, "source", lambda name: changed if name == "raftops.data.records" else source(name))
    assert Code().hash_of("components.index.component") != before


def test_what_was_read_once_is_known_to_the_next_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Code(tmp_path)
    expected = first.hash_of("components.index.component")
    first.keep()
    monkeypatch.setattr(code, "read", None)
    assert Code(tmp_path).hash_of("components.index.component") == expected


def test_hashing_imports_nothing_of_what_it_hashes() -> None:
    program = (
        "import sys; from pipelines.wiring.code import Code; from raftops.spec.model.base import STEPS; "
        "[Code().hash_of(f'components.{step}.component') for step in STEPS]; "
        "print([m for m in sys.modules if m.startswith(('raftops.steps', 'components.', 'torch', 'pymilvus'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_of_ours_imports_relatively_for_such_imports_are_not_followed() -> None:
    files = list(LIBRARY.rglob("*.py"))
    assert len(files) > 20
    for path in files:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        assert not any(isinstance(node, ast.ImportFrom) and node.level for node in nodes), path
