"""Checks between fields, and between a spec and the files it names. Needs a spec that is valid by type.

Each check says which parts of the spec it reads; where one of them was wrong by type the check is left out,
so that nobody is told about a value that they did not write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from raftops.spec.check_cluster import CLUSTER_CHECKS
from raftops.spec.check_data import DATA_CHECKS
from raftops.spec.check_directory import DIRECTORY_CHECKS
from raftops.spec.check_learning import LEARNING_CHECKS
from raftops.spec.check_pods import POD_CHECKS
from raftops.spec.check_serving import SERVING_CHECKS
from raftops.spec.position import Loc, Located, undotted
from raftops.spec.project import Check, Problem, Project
from raftops.spec.tree import Tree, at, letter_of, place_of

CHECKS: dict[Check, tuple[str, ...]] = {
    **DATA_CHECKS, **LEARNING_CHECKS, **SERVING_CHECKS, **DIRECTORY_CHECKS, **CLUSTER_CHECKS,
    **POD_CHECKS,
}  # fmt: skip
"""Every check with the parts of the spec that it reads."""


def check(
    project: Project, tree: Tree, lost: Iterable[Loc] = (), only: Collection[Check] = tuple(CHECKS)
) -> list[Located]:
    """Run every check (or `only` these) whose inputs are sound; problems are located in the merged tree."""
    gone = [loc for loc in lost if loc]
    located = []
    for run, reads in CHECKS.items():
        if run not in only:
            continue
        # A location above one that is read was lost, or one below it.
        if any(read[: len(loc)] == loc[: len(read)] for read in map(undotted, reads) for loc in gone):
            continue
        for problem in run(project):
            paths = [undotted(path) for path in (problem.path, *problem.others)]
            # The default of a key that nobody wrote may clash with one that somebody did: point at what is written.
            written = next((loc for loc in paths if at(tree, loc) is not None), paths[0])
            place = letter_of(tree, written, problem.offset) if problem.offset else place_of(tree, written)
            located.append(problem.place or Located(place, problem.path, problem.message))
    return located


def problems(project: Project) -> Iterator[Problem]:
    """Every check's problems, without places: for a spec that was not read from a file."""
    for run in CHECKS:
        yield from run(project)
