"""The code that a step's result depends on: its modules and what those import from us, without comments and docstrings.

Modules are found by path and read, never imported: keys are computed without torch or Milvus. The spec's models are
left out: their values are part of the key. Libraries are left out: the lock file pins them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from raftops.files import sha256_json

LIBRARY = "raftops"
LEFT_OUT = ("raftops.spec", "raftops.errors", "raftops.progress", "raftops.files")
_MODULE = re.compile(rf"{LIBRARY}(\.\w+)+")


def code_hash(module: str) -> str:
    """Hash of a module's code and of everything in the library that it imports, itself or through others."""
    return sha256_json({name: _shape(name) for name in sorted(code_closure(module))})


def code_closure(module: str) -> set[str]:
    """A module and every module of the library that it leads to."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or _is_left_out(name) or source(name) is None:
            continue
        seen.add(name)
        waiting.extend(_imports(name))
    return seen


def _is_left_out(name: str) -> bool:
    return any(name == left or name.startswith(f"{left}.") for left in LEFT_OUT)


@lru_cache(maxsize=512)
def _imports(module: str) -> tuple[str, ...]:
    """Names that may be modules of ours: `from a import b` may mean module a.b or a name in a; so may a string."""
    return tuple(name for name in _named(_tree(module)) if name == LIBRARY or _MODULE.fullmatch(name))


def _named(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # import_module("raftops.hub")
            yield node.value


@lru_cache(maxsize=2048)
def source(module: str) -> Path | None:
    """The file of one of our modules. Only top-level packages are looked up: `find_spec("a.b.c")` would import a.b."""
    package, *inside = module.split(".")
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        return None
    base = Path(found.submodule_search_locations[0], *inside)
    candidates = (base.with_suffix(".py"), base / "__init__.py") if inside else (base / "__init__.py",)
    return next((path for path in candidates if path.is_file()), None)


@lru_cache(maxsize=512)
def _tree(module: str) -> ast.Module:
    path = source(module)
    return ast.parse(path.read_text(encoding="utf-8") if path else "")


@lru_cache(maxsize=512)
def _shape(module: str) -> str:
    return shape(_tree(module))


def shape(tree: ast.Module) -> str:
    """The code as the parser understands it: no comments, docstrings, attribute docstrings or layout."""
    return ast.unparse(_WithoutDocstrings().visit(tree))


class _WithoutDocstrings(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node
