"""A tree to a model by type, strictly (no text for numbers, no numbers for truth), with every mistake located."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any, Generic, TypeVar, get_origin

from pydantic import BaseModel, ValidationError

from raftops.spec import shape
from raftops.spec.explain import explain
from raftops.spec.position import Loc, Located, Place
from raftops.spec.tree import Mapping, plain

M = TypeVar("M", bound=BaseModel)
MOST_ROUNDS = 6
"""Levels of required sections that placeholders are put into."""


@dataclass(frozen=True)
class Typed(Generic[M]):
    """A model, or what could be saved of it."""

    value: M | None
    """The model; with problems, the model of what is right by type, with placeholders for what is lost and required."""
    problems: tuple[Located, ...] = ()
    lost: frozenset[Loc] = frozenset()
    """Locations that are wrong or missing: `value` holds a default or a placeholder there."""


def typed(model: type[M], tree: Mapping, broken: dict[Loc, Place] | None = None) -> Typed[M]:
    """Validate a tree; a value that is already told as `broken` is not told again."""
    data, known = plain(tree), broken or {}
    problems: list[Located] = []
    lost = set(known)
    try:
        value: M | None = model.model_validate(data, strict=True)
    except ValidationError as error:
        for loc, of_key, problem in explain(error, model, tree):
            if not any(loc[: len(b)] == b for b in known) or (of_key and problem.place not in known.values()):
                problems.append(problem)
            lost.add(loc)
        value = None
    return Typed(_saved(model, data, lost) if lost else value, tuple(problems), frozenset(lost))


def _saved(model: type[M], data: Any, lost: Iterable[Loc]) -> M | None:
    """The model of what is not lost: defaults where there are any, placeholders where there are none."""
    for loc in lost:
        _remove(data, loc)
    for _ in range(MOST_ROUNDS):
        try:
            return model.model_validate(data, strict=True)
        except ValidationError as error:
            missing = [tuple(item["loc"]) for item in error.errors(include_url=False) if item["type"] == "missing"]
        for loc in missing:
            kind = shape.wanted(model, loc)
            one = {} if shape.is_section(kind) else (shape.choices(kind) or ("x",))[0]
            parent = reduce(getitem, loc[:-1], data)
            parent[loc[-1]] = ("x",) if get_origin(kind) is tuple else one
    return None


def _remove(data: Any, loc: Loc) -> None:
    """Take a key out of the data; a bad list item takes its whole list along, so that no index moves."""
    for depth, part in enumerate(loc):
        if not isinstance(data, dict) or part not in data:
            return
        if depth == len(loc) - 1 or not isinstance(data[str(part)], dict):
            del data[str(part)]
            return
        data = data[str(part)]
