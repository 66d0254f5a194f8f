"""Formats that a reply is held to while the model writes it: which requests want one, and what it may look like."""

from __future__ import annotations

import json
import re
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import Field, field_serializer, field_validator, model_validator

from raftops.errors import plainly
from raftops.spec.model.base import Label, Section
from raftops.spec.model.held import readable_grammar, readable_patterns, readable_regex

COUNTED = re.compile(r"(?P<count>days|weekdays)\((?P<first>[\w-]+),\s*(?P<last>[\w-]+)\)")
"""What `x-value` may say: days counted from one date of the object to another, both counted."""
GIVEN, NOT_BEFORE, VALUE = "x-from", "x-not-before", "x-value"
WHEN_SECONDS = 0.5
"""Longest that telling whether a request wants a format may take."""
_OWN = {GIVEN, NOT_BEFORE, VALUE}


class Format(Section):
    """A form that some requests want. The model can write nothing else to them: each token is held to it."""

    name: Label
    """What reports call it."""
    when: str = Field(min_length=1, max_length=500)
    """Regular expression; a request in which it is found, whatever the case, wants this format."""
    json_schema: dict[str, Any] | None = None
    """JSON Schema of the reply. In properties of an object, beside its own keywords: `x-from: given` (a value that the
    request or the evidence names; of an `enum` any, where none is named), `x-not-before: NAME` (of two dates),
    `x-value: weekdays(A, B)` or `days(A, B)` (counted from other values, not guessed)."""
    regex: str | None = Field(None, min_length=1, max_length=2000)
    """Regular expression of the whole reply."""
    grammar: str | None = Field(None, min_length=1, max_length=20_000)
    """Grammar of the reply, in EBNF from `root`."""
    sql: Literal["given"] | None = None
    """One SELECT of SQL whose tables and columns are those that the request or the evidence names."""

    @field_validator("when", "regex")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        return checked_regex(pattern)

    @field_validator("regex")
    @classmethod
    def _is_read(cls, pattern: str | None) -> str | None:
        return None if pattern is None else readable_regex(pattern)

    @field_validator("grammar")
    @classmethod
    def _is_whole(cls, grammar: str | None) -> str | None:
        return None if grammar is None else readable_grammar(grammar)

    @field_validator("json_schema", mode="before")
    @classmethod
    def _read(cls, schema: Any) -> Any:
        """As the serialiser wrote it."""
        try:
            return json.loads(schema) if isinstance(schema, str) else schema
        except (ValueError, RecursionError) as error:
            raise ValueError(f"not valid JSON ({plainly(error)})") from error

    @field_serializer("json_schema", when_used="json-unless-none")
    def _as_text(self, schema: dict[str, Any]) -> str:
        """Its properties are written in their order, and a protobuf sorts the keys of what it carries."""
        return json.dumps(schema, ensure_ascii=False)

    @field_validator("json_schema")
    @classmethod
    def _is_schema(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema is None:
            return None
        checked = checked_schema(_whole(schema))
        readable_patterns(checked)
        return checked

    @model_validator(mode="after")
    def _one(self) -> Format:
        said = [name for name in ("json_schema", "regex", "grammar", "sql") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(f"needs one of json_schema, regex, grammar and sql, has {' and '.join(said) or 'none'}")
        for name, field in self.fields.items():
            _check_own(name, field, list(self.fields)[: list(self.fields).index(name)])
        return self

    @cached_property
    def fields(self) -> dict[str, dict[str, Any]]:
        """The properties of a flat JSON object that says where values come from, in order; else none."""
        properties = (self.json_schema or {}).get("properties", {})
        own = any(_OWN & field.keys() for field in properties.values() if isinstance(field, dict))
        return {name: dict(field) for name, field in properties.items()} if own else {}

    def wanted_by(self, request: str) -> bool:
        """Whether a request asks for it; one that takes longer to tell does not: anybody may have written it."""
        library = import_module("regex")  # Python's own knows no limit of time
        try:
            return library.search(self.when, request, library.IGNORECASE, timeout=WHEN_SECONDS) is not None
        except TimeoutError:
            return False


def checked_regex(pattern: str | None) -> str | None:
    """A regular expression that can be used."""
    try:
        re.compile(pattern or "")
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise ValueError(f"not a regular expression ({plainly(error)})") from error
    return pattern


def checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema that names nothing outside of itself and, where the library is there, is a valid one."""
    if refs := re.findall(r'"\$(?:dynamicR|r)ef": "([^#"][^"]*)', json.dumps(schema)):
        raise ValueError(f"$ref {refs[0]}: only references within the schema (#/...) are followed")
    for ref in re.findall(r'"\$ref": "(#(?:/[^"]*)?)"', json.dumps(schema, ensure_ascii=False)):
        _follow(schema, ref)
    _bounded_in_time(schema)
    if '"patternProperties": {' in (whole := json.dumps(schema)) and '"unevaluatedProperties": ' in whole:
        raise ValueError("unevaluatedProperties: not beside patternProperties; additionalProperties says it, too")
    if find_spec("jsonschema"):  # a part of the extras that use a schema, not of what reads a spec
        library = import_module("jsonschema")
        try:
            library.validators.validator_for(schema, library.Draft202012Validator).check_schema(schema)
        except library.SchemaError as error:
            raise ValueError(
                f"not a JSON Schema: {'.'.join(map(str, error.absolute_path))}: {error.message}"
            ) from error
    return schema


def _bounded_in_time(part: Any, top: bool = True) -> None:
    """Nothing by which the library would match regular expressions without a limit of time."""
    if isinstance(part, dict) and not top and isinstance(part.get("$schema"), str):
        raise ValueError("$schema: may stand at the top only")
    for name, inner in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        if name not in ("const", "enum", "default", "examples"):
            _bounded_in_time(inner, top=False)


def _follow(schema: dict[str, Any], ref: str) -> None:
    """Follow a reference to what is none: it has to be there, and to have an end."""
    passed: list[str] = []
    while ref == "#" or ref.startswith("#/"):
        if ref in passed:
            raise ValueError(f"$ref {ref}: leads back to itself without end")
        passed.append(ref)
        part: Any = schema
        for name in unquote(ref).split("/")[1:]:
            key = name.replace("~1", "/").replace("~0", "~")
            if isinstance(part, list):
                part = part[int(key)] if key.isdecimal() and len(key) < 10 and int(key) < len(part) else None
            else:
                part = part.get(key) if isinstance(part, dict) else None
        if not isinstance(part, dict | bool):
            raise ValueError(f"$ref {ref}: the schema has no such part")
        ref = str(part.get("$ref", "")) if isinstance(part, dict) else ""


def _whole(value: Any) -> Any:
    """Whole numbers as such: what comes by a protobuf is 8.0 where 8 was said."""
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_own(name: str, field: dict[str, Any], before: list[str]) -> None:
    """The keywords of ours in one property; they speak of properties before it."""
    counted = COUNTED.fullmatch(str(field.get(VALUE, "days(a, b)")))
    if not counted:
        raise ValueError(f"{name}: {VALUE} is weekdays(A, B) or days(A, B), not {field[VALUE]!r}")
    named = [counted["first"], counted["last"]] if VALUE in field else []
    named += [field[NOT_BEFORE]] if NOT_BEFORE in field else []
    if unknown := [other for other in named if other not in before]:
        raise ValueError(
            f"{name}: speaks of {unknown[0]}, which is no property before it ({', '.join(before) or 'none'})"
        )
    if field.get(GIVEN, "given") != "given":
        raise ValueError(f"{name}: {GIVEN} is given, not {field[GIVEN]!r}")
