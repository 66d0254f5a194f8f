"""A tree to a model by type, strictly (no text for numbers, no numbers for truth), with every mistake located."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from raftops.spec.explain import explain
from raftops.spec.place import Loc, Located, Place
from raftops.spec.tree import Mapping, plain

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Typed(Generic[M]):
    """A model, or what could be saved of it."""

    value: M | None
    """The model; with problems, the model of what is right by type, or None if too much is missing."""
    problems: tuple[Located, ...] = ()
    lost: frozenset[Loc] = frozenset()
    """Locations whose written values are not in `value`."""


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
            lost.add(loc[:-1] if _absent(data, loc) else loc)
        value = None
    return Typed(_saved(model, data, lost) if lost else value, tuple(problems), frozenset(lost))


def _saved(model: type[M], data: Any, lost: Iterable[Loc]) -> M | None:
    for loc in lost:
        data = _without(data, loc)
    try:
        return model.model_validate(data, strict=True)
    except ValidationError:
        return None


def _absent(data: Any, loc: Loc) -> bool:
    for part in loc:
        if isinstance(data, dict) and part in data:
            data = data[str(part)]
        elif isinstance(data, tuple) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return True
    return False


def _without(data: Any, loc: Loc) -> Any:
    """The data without a key; a bad list item takes its whole list along, so that no index moves."""
    if not isinstance(data, dict) or not loc or loc[0] not in data:
        return data
    rest = {key: value for key, value in data.items() if key != loc[0]}
    inner = data[str(loc[0])]
    if len(loc) == 1 or not isinstance(inner, dict):
        return rest
    return {**rest, str(loc[0]): _without(inner, loc[1:])}
