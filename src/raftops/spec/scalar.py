"""What a plain (unquoted) YAML scalar means in a spec: YAML 1.1 without its surprises, with 1.2's exponents."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from raftops.spec.position import quoted

_RESOLVER: Any = yaml.resolver.Resolver()
_TAG = "tag:yaml.org,2002:"
_EXPONENT = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+")
_WHOLE = re.compile(r"[-+]?(0|[1-9]\d*)")
_DECIMAL = re.compile(r"[-+]?(\d+\.\d*|\.\d+)")
_LARGEST = 2**53
"""Whole numbers beyond this do not survive a pipeline parameter."""


class NotPlain(ValueError):
    """A scalar that YAML 1.1 reads in a way that nobody means in a spec."""


def is_merge_key(text: str) -> bool:
    """Whether a plain key is YAML 1.1's merge key."""
    return _tag(text) == "merge"


def scalar(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar. Raises `NotPlain` for dates, octals, base 60, infinities, huge numbers."""
    tag = _tag(text)
    if tag == "null":
        return None
    if tag == "bool":
        return bool(yaml.constructor.SafeConstructor.bool_values[text.lower()])
    if tag == "timestamp":
        raise NotPlain(f"YAML reads {quoted(text)} as a date; put it in quotes")
    if tag not in ("int", "float") and not _EXPONENT.fullmatch(text):
        return text
    if _WHOLE.fullmatch(text):
        if len(text) > 20 or abs(int(text)) > _LARGEST:
            raise NotPlain("is too large a number (at most 2^53); put it in quotes if it is text")
        return int(text)
    if _EXPONENT.fullmatch(text) or _DECIMAL.fullmatch(text):
        value = float(text)
        if math.isfinite(value):
            return value
    if text.lower().lstrip("+-") in (".inf", ".nan") or _EXPONENT.fullmatch(text) or _DECIMAL.fullmatch(text):
        raise NotPlain(f"{quoted(text)} is not a finite number")
    raise NotPlain(
        f"YAML reads {quoted(text)} as an octal, hexadecimal, binary, base-60 or underscored number; "
        "write it in plain decimals, or in quotes if it is text"
    )


def _tag(text: str) -> str:
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
    return tag.removeprefix(_TAG)
