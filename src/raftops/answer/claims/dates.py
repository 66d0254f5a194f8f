"""Dates and times of day in their forms: 5 May, May 5th, 5.5.2026, 2026-05-05; 17:00, 5 pm, 17 Uhr, noon."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from raftops.answer.claims.tables import MONTHS, SHORT_MONTHS, WEEKDAYS

_SUFFIX = r"(?:st|nd|rd|th|er|\.|º)?"
_PART_OF_DAY = {
    "noon": 720, "midday": 720, "midnight": 0, "mittag": 720, "mitternacht": 0, "midi": 720, "minuit": 0,
    "mediodía": 720, "medianoche": 0, "mezzogiorno": 720, "mezzanotte": 0, "middernacht": 0, "meio-dia": 720,
    "meia-noite": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """A date or a time of day; what it leaves open is None."""

    text: str
    start: int
    end: int
    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None
    minutes: int | None = None
    """Minutes since midnight."""
    half: bool = False
    """The time may be of the morning or of the evening."""

    def shows(self, claimed: Moment) -> bool:
        """Whether all that another one says, this one says, too."""
        if claimed.minutes is not None and self.minutes is not None:
            apart = abs(claimed.minutes - self.minutes)
            return apart == 0 or (apart == 720 and (claimed.half or self.half))
        parts = ((self.year, claimed.year), (self.month, claimed.month), (self.day, claimed.day))
        said = [(shown, wanted) for shown, wanted in (*parts, (self.weekday, claimed.weekday)) if wanted is not None]
        return bool(said) and claimed.minutes is None and all(shown == wanted for shown, wanted in said)


@lru_cache(maxsize=16)
def _months(language: str) -> dict[str, int]:
    names = {name: n for n, name in enumerate(MONTHS["english"].split(), 1)}
    short = {name: n for n, name in enumerate(SHORT_MONTHS.split()[:12], 1)} | {"sept": 9}
    return short | names | {name: n for n, name in enumerate(MONTHS.get(language, "").split(), 1)}


@lru_cache(maxsize=16)
def _weekdays(language: str) -> dict[str, int]:
    names = {name: n for n, name in enumerate(WEEKDAYS["english"].split())}
    return names | {name: n for n, name in enumerate(WEEKDAYS.get(language, "").split())}


@lru_cache(maxsize=16)
def _patterns(
    language: str,
) -> tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], dict[str, int | bool | None]]], ...]:
    month = "|".join(sorted(_months(language), key=len, reverse=True))
    # "may" is a month only with a capital; so is every month of a language that writes them so
    named = rf"(?P<month>{month})(?<!\bmay)"

    def of_month(m: re.Match[str]) -> dict[str, int | bool | None]:
        found = m.groupdict()
        return {
            "month": _months(language)[found["month"].lower()],
            "day": int(found["day"]) if found.get("day") else None,
            "year": int(found["year"]) if found.get("year") else None,
        }

    def of_numbers(m: re.Match[str]) -> dict[str, int | bool | None]:
        day, other = int(m["day"]), int(m["month"])
        swapped = other > 12 or (m["mark"] == "/" and language == "english" and day <= 12)
        return {"year": int(m["year"]), "month": day if swapped else other, "day": other if swapped else day}

    def of_clock(m: re.Match[str]) -> dict[str, int | bool | None]:
        hour, mark = int(m["hour"]), (m.groupdict().get("mark") or "").replace(".", "").lower()
        if mark in ("am", "pm"):
            hour = hour % 12 + (12 if mark == "pm" else 0)
        return {"minutes": 60 * hour + int(m.groupdict().get("minute") or 0), "half": not mark and 1 <= hour <= 12}

    year, flags = r"(?P<year>[12]\d{3})(?!\d)", re.IGNORECASE
    case = 0 if language in ("english", "german") else flags
    of = r"(?:of\s+|de\s+|di\s+)?"
    return (
        (re.compile(r"\b(?P<year>[12]\d{3})-(?P<month>\d{2})-(?P<day>\d{2})\b"),
         lambda m: {"year": int(m["year"]), "month": int(m["month"]), "day": int(m["day"])}),
        (re.compile(rf"\b(?P<day>\d{{1,2}})(?P<mark>[./])(?P<month>\d{{1,2}})(?P=mark){year}"), of_numbers),
        (re.compile(rf"\b(?P<day>\d{{1,2}}){_SUFFIX}\s*{of}{_cased(named, case)}\b\.?(?:,?\s*(?:de\s+|del\s+)?{year})?",
                    case), of_month),
        (re.compile(rf"\b{_cased(named, case)}\.?\s+(?:the\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:%]|[.,]\d)"
                    rf"(?:\s*,?\s*{year})?", case), of_month),
        (re.compile(rf"\b{_cased(named, case)}\b\.?(?:,?\s*(?:de\s+|del\s+)?{year})?", case), of_month),
        (re.compile(r"\b(?P<hour>[01]?\d|2[0-4])[:.h](?P<minute>[0-5]\d)\s*(?P<mark>[ap]\.?m\b\.?|uhr\b|h\b)", flags),
         of_clock),
        (re.compile(r"(?<![\d.,:])(?P<hour>[01]?\d|2[0-4])[:h](?P<minute>[0-5]\d)(?![\d:])", flags), of_clock),
        (re.compile(r"(?<![\d.,:])(?P<hour>[01]?\d|2[0-4])\s*(?P<mark>[ap]\.?m\b\.?|uhr\b|o'clock\b)", flags),
         of_clock),
    )  # fmt: skip


def _cased(pattern: str, flags: int) -> str:
    """Month names with a capital where the language writes them so."""
    return pattern if flags else re.sub(r"(?<=[(|>])([a-zä])(?=[a-zä]{2,})", lambda m: m[1].upper(), pattern)


def moments(text: str, language: str) -> Iterator[Moment]:
    """Every date and time of a text; none overlaps another. The text is as `words.plain` gives it."""
    taken: list[tuple[int, int]] = []
    for pattern, read in _patterns(language):
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            taken.append(match.span())
            yield Moment(match.group(), *match.span(), **read(match))  # type: ignore[arg-type]
    for match in re.finditer(r"[^\W\d_]+(?:-[^\W\d_]+)*", text):
        low = match.group().lower()
        if low in _PART_OF_DAY:
            yield Moment(low, *match.span(), minutes=_PART_OF_DAY[low])
        elif (day := _weekdays(language).get(low.removesuffix("s"), _weekdays(language).get(low))) is not None:
            yield Moment(low, *match.span(), weekday=day)
