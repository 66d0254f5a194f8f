"""The dates that a text names, and days counted between two: written out, in numbers, in lists and in ranges.

A date without a year takes the year of the next date, or of the text; without any it is not read. Nothing is read by
the calendar of today.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

_NAMES = (
    "january januar janvier enero gennaio januari janeiro jan",
    "february februar février febrero febbraio februari fevereiro feb",
    "march märz mars marzo maart março mar mrz",
    "april avril abril aprile apr",
    "may mai mayo maggio mei maio",
    "june juni juin junio giugno junho jun",
    "july juli juillet julio luglio julho jul",
    "august août agosto augustus aug",
    "september septembre septiembre settembre setembro sep sept",
    "october oktober octobre octubre ottobre outubro oct okt",
    "november novembre noviembre novembro nov",
    "december dezember décembre diciembre dicembre dezembro dec dez",
)
_MONTHS = {name: number for number, names in enumerate(_NAMES, 1) for name in names.split()}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAY = r"\d{1,2}(?:st|nd|rd|th|\.|er|º)?(?!\d|:\d)"
_BETWEEN = (
    r"(?:\s*(?:,|-|–|&|\b(?:and|or|to|till|until|through|thru|up|the|und|oder|bis|zum|den|et|au|y|al|e|a|en|tot|até"
    r"|mon|tues|wednes|thurs|fri|satur|sun)(?:day)?\b)\s*)+"
)
_DAYS = rf"(?P<days>\b{_DAY}(?:{_BETWEEN}{_DAY})*)"
_YEAR = r"(?P<year>(?:19|20)\d\d)\b"
_WRITTEN = (
    re.compile(r"\b(?P<year>(?:19|20)\d\d)-(?P<month>\d\d)-(?P<days>\d\d)\b"),
    re.compile(rf"\b(?P<days>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?{_YEAR}"),
    re.compile(rf"{_DAYS}\s*(?:of\s+|de\s+|di\s+)?(?P<month>{_MONTH})\b\.?(?:,?\s*(?:de\s+)?{_YEAR})?", re.IGNORECASE),
    re.compile(rf"\b(?P<month>{_MONTH})\b\.?\s+{_DAYS}(?:,?\s*{_YEAR})?", re.IGNORECASE),
)
_ANY_YEAR = re.compile(rf"\b{_YEAR}")


def dates_in(text: str) -> list[date]:
    """The dates of a text, each once, in the order in which they stand."""
    found = sorted(_mentions(text))
    years = [year for _, year, _, _ in found if year]
    anywhere = next((int(match["year"]) for match in _ANY_YEAR.finditer(text)), 0)
    dates: dict[date, None] = {}
    for _, year, month, day in found:
        if year:
            years = years[1:]
        if valid := _date(year or (years[0] if years else anywhere), month, day):
            dates[valid] = None
    return list(dates)


def _mentions(text: str) -> Iterator[tuple[int, int, int, int]]:
    """(place, year or 0, month, day); what one pattern has read is hidden from the next."""
    for pattern in _WRITTEN:
        for match in pattern.finditer(text):
            month = _MONTHS.get(match["month"].lower()) or int(match["month"])
            for day in re.finditer(r"\d+", match["days"]):
                yield match.start("days") + day.start(), int(match["year"] or 0), month, int(day[0])
        text = pattern.sub(lambda match: "\0" * len(match[0]), text)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def days_between(first: date, last: date) -> int:
    """Days from one to the other, both counted."""
    return (last - first).days + 1


def weekdays_between(first: date, last: date) -> int:
    """Mondays to Fridays from one date to the other, both counted; public holidays are weekdays here."""
    weeks, rest = divmod(days_between(first, last), 7)
    return weeks * 5 + sum((first + timedelta(days)).weekday() < 5 for days in range(rest))
