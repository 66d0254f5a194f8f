"""Changes in a resource, at a path as findings write it."""

from __future__ import annotations

import copy
import re
from typing import Any

from tests.manifests.broken import GONE


def keys(path: str) -> list[str | int]:
    """`a.b[0].c[x/y]` as its parts."""
    found = [bracketed or plain for bracketed, plain in re.findall(r"\[([^\]]+)\]|([^.\[\]]+)", path)]
    return [int(part) if part.isdigit() else part for part in found]


def mutate(body: dict[str, Any], path: str, value: Any) -> None:
    *way, last = keys(path)
    place: Any = body
    for part in way:
        if isinstance(place, list) and part == len(place):
            place.append({})
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
    if value is GONE:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    elif value == "COPY":
        place[last] = copy.deepcopy(place["containers"])
    else:
        place[last] = value
