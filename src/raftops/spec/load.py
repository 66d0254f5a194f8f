"""A spec file and its overlays to an `Assistant`, or one `SpecError` with every mistake at its place."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from raftops.errors import SpecError
from raftops.spec.check import CHECKS, check
from raftops.spec.model.assistant import Assistant
from raftops.spec.position import report
from raftops.spec.project import Check, Project
from raftops.spec.read import read_yaml
from raftops.spec.tree import merge
from raftops.spec.typed import typed


@dataclass(frozen=True)
class LoadedSpec:
    """A valid spec and where it came from."""

    assistant: Assistant
    root: Path
    """The project: every path of the spec is relative to this folder."""
    path: Path
    overlays: tuple[Path, ...] = ()


def load_spec(
    path: Path, overlays: Sequence[Path] = (), *, data_is_here: bool = True, only: Collection[Check] = tuple(CHECKS)
) -> LoadedSpec:
    """Read a spec with its overlays. Raises one `SpecError` that lists every problem with file, line and column.

    Where the data is still to be fetched (`data_is_here` is false), the spec is read by type only; else it is held to
    every check, or `only` to some.
    """
    path, overlays = Path(path), tuple(Path(o) for o in overlays)
    reads = [read_yaml(path, "a spec (apiVersion, kind, metadata, spec)")]
    reads += [read_yaml(overlay, "keys of a spec") for overlay in overlays]
    root = project_root(path)
    trees = [read.tree for read in reads if read.tree is not None]
    problems = [problem for read in reads for problem in read.problems]
    assistant = None
    if len(trees) == len(reads):
        tree = reduce(merge, trees)
        result = typed(Assistant, tree, dict(item for read in reads for item in read.broken.items()))
        assistant = result.value
        problems += result.problems
        problems += check(Project(assistant, root), tree, result.lost, only) if assistant and data_is_here else []
    if problems or assistant is None:
        command = command_line("validate", path, overlays=overlays)
        raise SpecError(report(problems), next_step=f"mend the places above, then: {command}")
    return LoadedSpec(assistant, root, path, overlays)


def command_line(verb: str, *specs: Path, overlays: Sequence[Path] = ()) -> str:
    """A command on specs with their overlays, as it is typed into a shell."""
    return shlex.join(["raftops", verb, *map(str, specs), *(word for path in overlays for word in ("-f", str(path)))])


def project_root(path: Path) -> Path:
    """The folder that holds `specs/` if the spec lies in one, at any depth below it; else the spec's own folder."""
    folder = Path(os.path.abspath(path)).parent
    specs = next((p for p in (folder, *folder.parents) if p.name == "specs"), None)
    return specs.parent if specs else folder
