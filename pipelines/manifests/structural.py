"""Structural schemas, as a server wants them in the definition of a kind: every field has its type."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.resource import Resource, at, listing, mapping

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNKNOWN = ("$ref", "additionalItems", "definitions", "dependencies", "id", "patternProperties")
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_NOT_NESTED = ("type", "additionalProperties", "default", "title", "description", "nullable")
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_FREE, _MIXED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"
_LIST, _KEYS, _EMBEDDED = "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-embedded-resource"
_NO_REGEX = re.compile(r"\(\?<?[=!]|\\[1-9]")
"""What Go's expressions do not have: looking ahead and behind, and back."""


def structural(resource: Resource, path: Path, schema: Mapping[str, Any]) -> Iterator[Finding]:
    """Mistakes in the schema of a kind."""
    if schema.get("type") != "object":
        yield resource.finding((*path, "type"), f"{schema.get('type')!r:.40} at the root", "object")
    if schema.get("additionalProperties"):
        yield resource.finding((*path, "additionalProperties"), "not at the root", "name the properties")
    metadata = mapping(mapping(schema.get("properties")).get("metadata"))
    if set(mapping(metadata.get("properties"))) - {"name", "generateName"}:
        where = (*path, "properties", "metadata")
        yield resource.finding(where, "more than name and generateName", "the server knows the rest")
    yield from _field(resource, path, schema)


def _field(resource: Resource, path: Path, schema: Mapping[str, Any]) -> Iterator[Finding]:
    """A schema that stands for a value: the root, a property, an element."""
    kind = schema.get("type")
    if kind is not None and kind not in _TYPES:
        yield resource.finding((*path, "type"), f"{kind!r:.40} is not allowed", f"one of {', '.join(_TYPES)}")
    if kind is None and not schema.get(_MIXED) and not schema.get(_FREE):
        yield resource.finding((*path, "type"), "missing", f"one of {', '.join(_TYPES)}")
    if kind == "array" and not isinstance(schema.get("items"), Mapping):
        yield resource.finding((*path, "items"), "not one schema", "say what an element is")
    if schema.get(_EMBEDDED) and not schema.get(_FREE) and not schema.get("properties"):
        yield resource.finding((*path, "properties"), f"missing beside {_EMBEDDED}", f"name them, or {_FREE}: true")
    yield from _value(resource, path, schema)
    yield from _list(resource, path, schema)
    yield from _default(resource, path, schema)
    for place, inner in _inner(path, schema):
        yield from _field(resource, place, inner)


def _inner(path: Path, schema: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for name, inner in mapping(schema.get("properties")).items():
        yield (*path, "properties", str(name)), mapping(inner)
    for field in ("items", "additionalProperties"):
        if isinstance(inner := schema.get(field), Mapping):
            yield (*path, field), inner


def _value(resource: Resource, path: Path, schema: Mapping[str, Any]) -> Iterator[Finding]:
    """What no schema may say, and what those beside it may not."""
    for field in _UNKNOWN:
        if schema.get(field) is not None:
            yield resource.finding((*path, field), "not allowed here", "write the schema out")
    if schema.get("uniqueItems"):
        yield resource.finding((*path, "uniqueItems"), "not allowed", f"{_LIST}: set")
    if schema.get(_FREE) is False:
        yield resource.finding((*path, _FREE), "false", "true, or remove it")
    if schema.get("properties") and schema.get("additionalProperties") not in (None, True):
        yield resource.finding((*path, "additionalProperties"), "beside properties", "one of them")
    if (pattern := schema.get("pattern")) and not _compiles(str(pattern)):
        yield resource.finding((*path, "pattern"), f"{pattern!r:.60} is no expression", "as Go writes it")
    mixed = schema.get(_MIXED)
    for field in _JUNCTORS:
        rows = listing(schema.get(field))
        for index, row in enumerate(rows if not (mixed and rows == _INT_OR_STRING) else ()):
            both = mixed and listing(at(row, "anyOf")) == _INT_OR_STRING
            yield from _nested(resource, (*path, field, index), {} if both else mapping(row))
    if isinstance(other := schema.get("not"), Mapping):
        yield from _nested(resource, (*path, "not"), other)


def _nested(resource: Resource, path: Path, schema: Mapping[str, Any]) -> Iterator[Finding]:
    """A schema inside anyOf and its like: it may narrow a value, and not say what it is."""
    for field in _NOT_NESTED:
        if schema.get(field):
            yield resource.finding((*path, field), "not inside anyOf, allOf, oneOf, not", "say it outside")
    yield from _value(resource, path, schema)
    for place, inner in _inner(path, schema):
        yield from _nested(resource, place, inner)


def _list(resource: Resource, path: Path, schema: Mapping[str, Any]) -> Iterator[Finding]:
    how, keys, items = schema.get(_LIST), listing(schema.get(_KEYS)), mapping(schema.get("items"))
    if how is not None and (how not in ("atomic", "set", "map") or schema.get("type") != "array"):
        yield resource.finding((*path, _LIST), f"{how!r:.40} of no array", "atomic, set or map, of an array")
    if (how == "map") != bool(keys):
        yield resource.finding((*path, _KEYS), "missing" if how == "map" else "of no map", "a map has keys")
    if how in ("map", "set") and items.get("nullable"):
        yield resource.finding((*path, "items", "nullable"), f"in a {how}", "remove it")
    for key in keys if how == "map" else ():
        known = mapping(mapping(items.get("properties")).get(str(key)))
        if not known or known.get("type") in ("array", "object"):
            yield resource.finding((*path, _KEYS), f"{key} is no plain property of the items", "name one")
        elif key not in listing(items.get("required")) and known.get("default") is None:
            yield resource.finding((*path, "items", "required"), f"{key} is a key", "require it, or give a default")


def _default(resource: Resource, path: Path, schema: Mapping[str, Any]) -> Iterator[Finding]:
    if schema.get("default") is None:
        return
    try:
        wrong = next(Draft202012Validator(dict(schema)).iter_errors(schema["default"]), None)
    except (SchemaError, re.error, ValueError, TypeError):
        return  # what is wrong with the schema itself is said elsewhere
    if wrong is not None:
        yield resource.finding((*path, "default"), wrong.message[:160], "a value that fits")


def _compiles(pattern: str) -> bool:
    """Whether Go would read an expression. Python reads less of some things (\\pL, \\z), which is no mistake."""
    try:
        re.compile(pattern)
    except re.error as error:
        return not error.msg.startswith(("unterminated", "missing )", "unbalanced", "nothing to repeat"))
    return not _NO_REGEX.search(pattern)
