"""What a pydantic model wants at a location: its keys, choices and descriptions. For messages; decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from raftops.spec.position import Loc

Model = type[BaseModel]


def fields(model: Model) -> dict[str, FieldInfo]:
    """A model's fields by the name that a person writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def wanted(model: Model, loc: Loc) -> Any:
    """The type wanted at a location, without Optional and Annotated; None where the model knows no such place."""
    current: Any = model
    for part in loc:
        kind, arguments = bare(current), get_args(bare(current))
        if is_section(kind):
            field = fields(kind).get(str(part))
            current = field.annotation if field else None
        elif get_origin(kind) is dict and isinstance(part, str):
            current = arguments[1]
        else:
            current = arguments[0] if get_origin(kind) in (tuple, list) and isinstance(part, int) else None
    return bare(current)


def description(model: Model, loc: Loc) -> str:
    """The docstring of the nearest field above a location."""
    for end in range(len(loc), 0, -1):
        parent = wanted(model, loc[: end - 1])
        field = fields(parent).get(str(loc[end - 1])) if is_section(parent) else None
        if field:
            return field.description or ""
    return ""


def keys(model: Model, loc: Loc) -> tuple[str, ...]:
    """The keys allowed at a location; empty where any key is."""
    kind = wanted(model, loc)
    if is_section(kind):
        return tuple(fields(kind))
    return choices(get_args(kind)[0]) if get_origin(kind) is dict else ()


def choices(kind: Any) -> tuple[str, ...]:
    """The values of a Literal as text."""
    kind = bare(kind)
    return tuple(str(value) for value in get_args(kind)) if get_origin(kind) is Literal else ()


def is_section(kind: Any) -> bool:
    """Whether a wanted type is a model."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


@lru_cache(maxsize=8)
def homes(model: Model) -> dict[str, tuple[Loc, ...]]:
    """Every key of the model with the sections that have it."""
    found: dict[str, tuple[Loc, ...]] = {}
    for loc, key in _every_key(model, ()):
        found[key] = (*found.get(key, ()), loc)
    return found


def bare(kind: Any) -> Any:
    """A type without Annotated and without `| None`."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        rest = [arg for arg in get_args(kind) if arg is not NoneType]
        return bare(rest[0]) if len(rest) == 1 else kind
    return kind


def _every_key(model: Model, loc: Loc) -> Iterator[tuple[Loc, str]]:
    for key, field in fields(model).items():
        yield loc, key
        kind = bare(field.annotation)
        if is_section(kind):
            yield from _every_key(kind, (*loc, key))
