"""The code that a step's result depends on: its modules and what those import from us, without comments and docstrings.

Modules are found by path and read, never imported: keys are computed without torch or Milvus. The spec's models are
left out: their values are part of the key. Libraries are left out: the lock file pins them.
"""

from __future__ import annotations

import ast
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from raftops.files import read_json, sha256_json, sha256_text, write_json

LIBRARY = "raftops"
LEFT_OUT = ("raftops.spec", "raftops.errors", "raftops.progress", "raftops.files")
_MODULE = re.compile(rf"{LIBRARY}(\.\w+)*")


@dataclass(frozen=True)
class Module:
    """What is kept of a module's text."""

    shape: str
    """Hash of the code as the parser understands it: no comments, docstrings, attribute docstrings or layout."""
    imports: tuple[str, ...]
    """Names that may be modules of ours: `from a import b` may mean module a.b or a name in a; so may a string."""


@lru_cache(maxsize=1024)
def read(text: str) -> Module:
    """Read a module's text."""
    tree, names = ast.parse(text), list[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # import_module("raftops.release.bucket")
            names.append(node.value)
        elif isinstance(body := getattr(node, "body", None), list):
            # Docstrings leave the tree on the way: rewording one changes no key.
            body[:] = [statement for statement in body if not _is_docstring(statement)]
    modules = dict.fromkeys(name for name in names if _MODULE.fullmatch(name))
    return Module(sha256_text(ast.unparse(tree)), tuple(modules))


def _is_docstring(node: ast.stmt) -> bool:
    """Whether a statement is a text and nothing else: a docstring of a module, a function or an attribute."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


class Code:
    """Our code. Keeps what it read below `cache`, by the content of each file, for reading it costs a second."""

    def __init__(self, cache: Path | None = None) -> None:
        self._memo = cache / "code.json" if cache else None
        self._known: dict[str, dict[str, Any]] = read_json(self._memo) if self._memo and self._memo.is_file() else {}
        self._modules: dict[str, Module] = {}
        self._fresh = False

    def hash_of(self, module: str) -> str:
        """Hash of a module's code and of everything in the library that it imports, itself or through others."""
        return sha256_json({name: self._module(name).shape for name in sorted(self.closure(module))})

    def closure(self, module: str) -> set[str]:
        """A module and every module of the library that it leads to."""
        seen: set[str] = set()
        pending = [module]
        while pending:
            name = pending.pop()
            left_out = any(name == package or name.startswith(f"{package}.") for package in LEFT_OUT)
            if name not in seen and not left_out and source(name) is not None:
                seen.add(name)
                pending.extend(self._module(name).imports)
        return seen

    def keep(self) -> None:
        """Write what was read, for the next process; nothing where it knew all of it."""
        if self._memo and self._fresh:
            write_json(self._memo, self._known)

    def _module(self, name: str) -> Module:
        if name not in self._modules:
            path = source(name)
            text = path.read_text(encoding="utf-8") if path else ""
            digest = sha256_text(text)
            if digest not in self._known:
                self._known[digest] = asdict(read(text))
                self._fresh = True
            known = self._known[digest]
            self._modules[name] = Module(known["shape"], tuple(known["imports"]))
        return self._modules[name]


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
