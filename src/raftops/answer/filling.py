"""A reply in a format: each value chosen by the model among those that the format and the given text allow.

What can be known without the model is not asked of it: a value with one choice, a count of days. What the given text
names is copied from it; so a small model cannot invent a date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from raftops.answer.dates import dates_in, days_between, weekdays_between
from raftops.answer.support import numbers
from raftops.data.records import Generation, Message
from raftops.generation.shape import Held, Shape, one_of, schema_shape, select_over, words_of
from raftops.spec.model.formats import COUNTED, GIVEN, NOT_BEFORE, VALUE, Format

VALUE_TOKENS = 64
"""Longest single value, in tokens."""
_TABLE = re.compile(r"CREATE TABLE ([^;]*);?", re.IGNORECASE)
Field = Mapping[str, Any]


def format_of(request: str, formats: Sequence[Format]) -> Format | None:
    """The first format that a request wants."""
    return next((format_ for format_ in formats if format_.wanted_by(request)), None)


def written(
    format_: Format, messages: Sequence[Message], given: str, model: Held, max_new_tokens: int
) -> Generation:  # fmt: skip
    """The reply in a format; `given` is what values are taken from: the request, and the evidence if there is some."""
    if format_.fields:
        return _Filled(messages, given, model).object(format_.fields)
    if format_.json_schema is not None:
        return model.generate_held(messages, max_new_tokens, schema_shape(format_.json_schema))
    if format_.sql:
        names = dict.fromkeys(re.findall(r"\b[A-Za-z_]\w+\b", " ".join(_TABLE.findall(given))))
        return model.generate_held(messages, max_new_tokens, select_over([n for n in names if n.islower()] or ["x"]))
    shape = Shape("regex", format_.regex) if format_.regex else Shape("grammar", format_.grammar or "")
    return model.generate_held(messages, max_new_tokens, shape)


class _Filled:
    """One object in the making."""

    def __init__(self, messages: Sequence[Message], given: str, model: Held) -> None:
        self._messages, self._given, self._model = messages, given, model
        self._made: list[Generation] = []

    def object(self, fields: Mapping[str, Field]) -> Generation:
        """The whole object, its properties in order."""
        values: dict[str, Any] = {}
        for name, field in fields.items():
            begun = _open(values) + f"{json.dumps(name, ensure_ascii=False)}:"
            values[name] = self._value(field, values, begun)
        first = self._made[0].prompt_tokens if self._made else 0
        spent = sum(made.completion_tokens for made in self._made)
        return Generation(json.dumps(values, ensure_ascii=False), first, spent)

    def _value(self, field: Field, values: Mapping[str, Any], begun: str) -> Any:
        choices = _choices(field, values, self._given)
        if len(choices) == 1:
            return choices[0]
        if choices:
            shape = one_of([f" {json.dumps(choice, ensure_ascii=False)}" for choice in choices], begun)
        elif GIVEN in field and field.get("type") == "string" and "format" not in field and self._given.split():
            shape = words_of(self._given, begun)
        else:
            shape = replace(schema_shape({k: v for k, v in field.items() if not k.startswith("x-")}), begun=begun)
        made = self._model.generate_held(self._messages, VALUE_TOKENS, shape)
        self._made.append(made)
        try:
            return json.loads(made.text)
        except ValueError:  # the token limit cut it
            return choices[0] if choices else made.text.strip().strip('"')


def _open(values: Mapping[str, Any]) -> str:
    """A JSON object up to its next property."""
    return json.dumps(dict(values), ensure_ascii=False)[:-1] + (", " if values else "")


def _choices(field: Field, values: Mapping[str, Any], given: str) -> Sequence[Any]:
    """The values that a property may have; none where they cannot be listed."""
    if "const" in field:
        return [field["const"]]
    if "enum" in field:
        said = [value for value in field["enum"] if GIVEN in field and _names(given, str(value))]
        return said or list(field["enum"])
    if field.get("type") == "boolean":
        return [True, False]
    if VALUE in field:
        return _counted(field[VALUE], values)
    if GIVEN not in field:
        return []
    copied: list[Any] = []
    if field.get("format") == "date":
        earliest = str(values.get(field.get(NOT_BEFORE, ""), ""))
        copied = [day for day in (found.isoformat() for found in dates_in(given)) if day >= earliest]
    elif field.get("type") in ("integer", "number"):
        found = [float(number) for number in sorted(numbers(given)) if number.replace(".", "", 1).isdigit()]
        copied = [int(n) if n.is_integer() else n for n in found if field["type"] == "number" or n.is_integer()]
    taken = list(values.values())  # a text names a value once for each of its places
    return [value for value in copied if value not in taken] or copied


def _names(text: str, value: str) -> bool:
    """Whether a text says a value, as whole words, in whatever case."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE) is not None


def _counted(rule: str, values: Mapping[str, Any]) -> list[int]:
    """Days from one value to another; none where one of them is not a date."""
    match = COUNTED.fullmatch(rule)
    try:
        ends = [date.fromisoformat(str(values[match[end]])) for end in ("first", "last")] if match else []
    except (KeyError, ValueError):
        return []
    return [(weekdays_between if match and match["count"] == "weekdays" else days_between)(*ends)]
