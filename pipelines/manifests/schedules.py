"""What a server refuses about the time at which a CronJob runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from zoneinfo import available_timezones

from pipelines.manifests.finding import Finding
from pipelines.manifests.resource import Resource, at

NAME_LETTERS = 52
"""A CronJob's jobs append 11 to its name."""
_NAMES = frozenset(("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"))
_EVERY = re.compile(r"@every [+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[int, int, Sequence[str]], ...] = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
"""Minute, hour, day, month, weekday: first, last, and names."""


def schedules(resource: Resource) -> Iterator[Finding]:
    """Mistakes in the schedule, the time zone and the name of a CronJob."""
    if resource.kind != "CronJob":
        return
    schedule, zone = str(at(resource.body, "spec", "schedule") or ""), at(resource.body, "spec", "timeZone")
    if "TZ=" in schedule:
        yield resource.finding(("spec", "schedule"), "a time zone in a schedule", "set timeZone")
    elif not is_schedule(schedule):
        yield resource.finding(("spec", "schedule"), "not a schedule", "five fields: minute hour day month weekday")
    if isinstance(zone, str) and not _is_zone(zone):
        yield resource.finding(("spec", "timeZone"), f"{zone!r:.60} is no time zone", "Etc/UTC, Europe/Berlin, …")
    if len(resource.name) > NAME_LETTERS:
        yield resource.finding(("metadata", "name"), f"{len(resource.name)} letters", f"at most {NAME_LETTERS}")


def is_schedule(text: str) -> bool:
    """Whether Kubernetes reads a text as a schedule."""
    if text.startswith("@"):
        return text in _NAMES or bool(_EVERY.fullmatch(text))
    fields = text.split()
    return len(fields) == len(_FIELDS) and all(
        _is_range(part, *bounds) for field, bounds in zip(fields, _FIELDS, strict=True) for part in field.split(",")
    )


def _is_range(text: str, low: int, high: int, names: Sequence[str]) -> bool:
    span, slash, step = text.partition("/")
    if slash and not (step.isdecimal() and int(step)):
        return False
    if span in ("*", "?"):
        return True
    first, dash, last = span.partition("-")
    start, end = _number(first, low, names), _number(last if dash else first, low, names)
    return start is not None and end is not None and low <= start <= end <= high


def _number(text: str, low: int, names: Sequence[str]) -> int | None:
    if text.lower() in names:
        return names.index(text.lower()) + low
    return int(text) if text.isdecimal() else None


def _is_zone(name: str) -> bool:
    known = _zones()
    return name in known if known else bool(name) and name.lower() != "local"


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    """Every time zone; none where neither the system nor a package has a list."""
    return frozenset(available_timezones() - {"localtime", "posixrules"})
