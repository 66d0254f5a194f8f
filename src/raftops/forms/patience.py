"""JSON Schema's regular expressions within one time that all of a check share: Python's own know no limit.

The library matches `pattern`, `patternProperties` and, for the names that remain, `additionalProperties` by `re`; a
schema of an example may hold one that a reply of thirty letters keeps busy for hours.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any


class Patience:
    """What is left of the time."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def found(self, pattern: str, text: str) -> bool:
        """Whether a pattern is found in a text. Raises `TimeoutError` where the time is up."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return import_module("regex").search(pattern, text, timeout=left) is not None

    def pattern(self, validator: Any, wanted: str, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
        """The keyword of that name."""
        if validator.is_type(instance, "string") and not self.found(wanted, instance):
            yield _error(f"{instance!r} does not match {wanted!r}")

    def named(self, validator: Any, wanted: Mapping[str, Any], instance: Any, schema: Any) -> Iterator[Any]:
        """The keyword `patternProperties`."""
        for expression, inner in wanted.items() if validator.is_type(instance, "object") else ():
            for name in (name for name in instance if self.found(expression, name)):
                yield from validator.descend(instance[name], inner, path=name, schema_path=expression)

    def others(self, validator: Any, rest: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
        """The keyword `additionalProperties`."""
        known, expressions = schema.get("properties", {}), list(schema.get("patternProperties", {}))
        for name in instance if validator.is_type(instance, "object") else ():
            if name in known or any(self.found(expression, name) for expression in expressions):
                continue
            if rest is False:
                yield _error(f"Additional properties are not allowed ({name!r} was unexpected)")
            elif validator.is_type(rest, "object"):
                yield from validator.descend(instance[name], rest, path=name)


def patient(kind: Any, patience: Patience) -> Any:
    """A kind of validator (of jsonschema) whose regular expressions end in time."""
    keywords = {
        "pattern": patience.pattern, "patternProperties": patience.named, "additionalProperties": patience.others,
    }  # fmt: skip
    return import_module("jsonschema").validators.extend(kind, keywords)


def _error(message: str) -> Exception:
    error: Exception = import_module("jsonschema").ValidationError(message)
    return error
