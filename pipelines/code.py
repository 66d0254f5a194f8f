"""The code that a step's result depends on: its module and what that imports from us, without comments and docstrings.

The spec's models are left out: their values are part of the key. Libraries are left out: the lock file pins them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from raftops.files import sha256_json

PACKAGE = "raftops"
LEFT_OUT = ("raftops.spec", "raftops.errors", "raftops.progress", "raftops.files")


def code_hash(module: str) -> str:
    """Hash of a module's code and of everything of ours that it imports, itself or through others."""
    return sha256_json({name: _shape(name) for name in sorted(_closure(module))})


def _closure(module: str) -> set[str]:
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name.startswith(LEFT_OUT) or _source(name) is None:
            continue
        seen.add(name)
        waiting.extend(_imports(name))
    return seen


def _imports(module: str) -> Iterator[str]:
    """Names of our modules that a module imports; `from a import b` may mean module a.b or a name in a."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(PACKAGE))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@lru_cache(maxsize=512)
def _source(module: str) -> Path | None:
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(found.origin) if found and found.origin else None


@lru_cache(maxsize=512)
def _tree(module: str) -> ast.Module:
    path = _source(module)
    return ast.parse(path.read_text(encoding="utf-8") if path else "")


@lru_cache(maxsize=512)
def _shape(module: str) -> str:
    """The module's syntax tree without positions, comments and docstrings."""
    tree = ast.parse(ast.unparse(_tree(module)))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
