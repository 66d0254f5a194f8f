"""Checks between fields, and between a spec and the files it names. Needs a spec that is valid by type.

Each check says which parts of the spec it reads; where one of them was wrong by type the check is left out,
so that nobody is told about a value that they did not write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from raftops.spec.check_cluster import CLUSTER_CHECKS
from raftops.spec.check_data import DATA_CHECKS
from raftops.spec.check_learning import LEARNING_CHECKS
from raftops.spec.check_pods import POD_CHECKS
from raftops.spec.check_serving import SERVING_CHECKS
from raftops.spec.position import Loc, Located, Place, undotted
from raftops.spec.project import Check, Problem, Project
from raftops.spec.tree import Tree, at, place_of

CHECKS: dict[Check, tuple[str, ...]] = {
    **DATA_CHECKS, **LEARNING_CHECKS, **SERVING_CHECKS, **CLUSTER_CHECKS, **POD_CHECKS,
}  # fmt: skip
"""Every check with the parts of the spec that it reads."""


def check(project: Project, tree: Tree, lost: Iterable[Loc] = ()) -> list[Located]:
    """Run every check whose inputs are sound; problems are located in the merged tree."""
    gone = [loc for loc in lost if loc]
    sound = [run for run, reads in CHECKS.items() if not _any_touch(map(undotted, reads), gone)]
    return [_located(problem, tree) for run in sound for problem in run(project)]


def problems(project: Project) -> Iterator[Problem]:
    """Every check's problems, without places: for a spec that was not read from a file."""
    for run in CHECKS:
        yield from run(project)


def _any_touch(reads: Iterable[Loc], gone: list[Loc]) -> bool:
    """Whether a lost location lies above or below one that is read."""
    return any(read[: len(loc)] == loc[: len(read)] for read in reads for loc in gone)


def _located(problem: Problem, tree: Tree) -> Located:
    if problem.place is not None:
        return problem.place
    paths = [undotted(path) for path in (problem.path, *problem.others)]
    written = next((loc for loc in paths if at(tree, loc) is not None), paths[0])
    place: Place = place_of(tree, written)
    return Located(place, problem.path, problem.message)
