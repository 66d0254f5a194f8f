"""The numbers, dates and times of a text, as they are meant: unit of measure, what is counted, bound ("at least")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from raftops.answer.claims.dates import Moment, moments
from raftops.answer.claims.quantities import Quantity, in_digits, spelled
from raftops.answer.claims.tables import BEHIND, BOUNDS, GLUED, kind_of
from raftops.answer.claims.words import plain, words
from raftops.retrieval.stopwords import STOP_WORDS

_RANGE = re.compile(r"^\s*(?:-|–|—|to|and|or|bis|und|oder|à|et|ou|a|y|o|e|tot|en|of|até)\s*$", re.IGNORECASE)
_REACH = 3
"""Words behind a number among which its unit or what it counts is looked for."""


@dataclass(frozen=True)
class Figures:
    """The numbers, dates and times of a text."""

    quantities: tuple[Quantity, ...]
    moments: tuple[Moment, ...]
    kinds: frozenset[str]
    """Units of measure that stand in it, with a number or without."""


@lru_cache(maxsize=8192)
def figures(text: str, language: str) -> Figures:
    """Read a text."""
    text = plain(text)
    dated = sorted(moments(text, language), key=lambda m: m.start)
    rest = list(text)
    for moment in dated:
        if moment.weekday is None:
            rest[moment.start : moment.end] = " " * (moment.end - moment.start)
    blanked = "".join(rest)
    found = sorted([*in_digits(blanked, language), *spelled(blanked, language)], key=lambda q: q.start)
    size = {id(q): (q.end - q.start, q.implied) for q in found}
    found = [  # what is a part of a longer one is left out
        q for q in found
        if not any(o.start <= q.start and q.end <= o.end and size[id(o)] > size[id(q)] for o in found)
    ]  # fmt: skip
    described = tuple(_described(found, n, text, language) for n in range(len(found)))
    spoken = [word.low for word in words(text, language)] + [c for c in text if c in "%€$£¥°‰"]
    kinds = {kind_of()[word] for word in spoken if word in kind_of()} | {q.kind for q in described if q.kind}
    return Figures(described, tuple(dated), frozenset(kinds))


def _described(found: list[Quantity], place: int, text: str, language: str) -> Quantity:
    """A number with its unit, what it counts and its bound."""
    q = found[place]
    after = found[place + 1] if place + 1 < len(found) else None
    kind, counted = q.kind, q.counted
    if not kind:
        kind, counted = _counted(q, text, language)
        if not kind and not counted and after and _RANGE.match(text[q.end : after.start]):
            kind, counted = after.kind or _counted(after, text, language)[0], _counted(after, text, language)[1]
    if not kind:
        before = re.search(r"([^\W\d_]{2,4}|[^\W\d_]{0,2}[$€£¥])\s?[-–−]?$", text[: q.start])
        code = before[1].lower() if before else ""
        if code in kind_of() and before and (before[1].isupper() or code[-1] in "$€£¥" or code == "euro"):
            kind = kind_of()[code]
    return Quantity(q.value, q.text, q.start, q.end, kind, counted, bound(q, text, language), q.ordinal, q.implied)


def _counted(q: Quantity, text: str, language: str) -> tuple[str, tuple[str, ...]]:
    """The unit behind a number, and the stems of what else it counts: 30 working days, 3 yellow cards, half a day."""
    behind = text[q.end : q.end + 60]
    sign = re.match(r"\s?(%|€|£|\$|¥|°\s?[CF]?\b|℃|‰|°)", behind)
    if sign:
        return kind_of()[sign[1].replace(" ", "").lower()], ()
    behind = re.split(
        r"[.,;:!?()|\d\"]|\s[-–—]\s",
        behind.replace("per cent", "percent")
        .replace("pour cent", "pourcent")
        .replace("por ciento", "percent")
        .replace("per cento", "percent")
        .replace("por cento", "percent"),
    )[0]
    counted: list[str] = []
    articles = ("a", "an") if 0 < q.value < 1 else ()
    for n, word in enumerate(words(behind, language)[:_REACH]):
        if word.low in kind_of() or (n == 0 and word.low in GLUED and word.low != "an"):
            return kind_of().get(word.low) or GLUED[word.low], tuple(counted)
        if not word.content:
            between = word.low in (*articles, "of", "the", "more", "other", "full", "der", "de", "weitere", "mehr")
            if word.low in STOP_WORDS.get(language, ()) and (counted or not between):
                break
            continue
        counted.append(word.stem)
    return "", tuple(counted)


@lru_cache(maxsize=16)
def _bounds(language: str) -> tuple[re.Pattern[str], re.Pattern[str], dict[str, str]]:
    table = BOUNDS.get(language, {})
    meaning = {phrase: bound for bound, phrases in table.items() for phrase in re.split(r"\s*\|\s*", phrases.strip())}
    before = "|".join(re.escape(p) for p in sorted(meaning, key=len, reverse=True)) or r"(?!)"
    pattern = re.compile(
        rf"\b({before})\s+(?:(?!(?:{before})\b)[^\W\d]+\s+|[€$£¥]\s?){{0,3}}?[-–€$£¥]?\s?$", re.IGNORECASE
    )
    behind = {phrase: b for b, phrases in BEHIND.items() for phrase in re.split(r"\s*\|\s*", phrases.strip())}
    after = re.compile(
        rf"^\s?(?:[^\W\d]+\s+){{0,2}}?({'|'.join(sorted(behind, key=len, reverse=True))})\b", re.IGNORECASE
    )
    return pattern, after, meaning | behind


def bound(q: Quantity | Moment, text: str, language: str) -> str:
    """Which way a number is bound: at least, at most, exactly, or not at all."""
    before, behind, meaning = _bounds(language)
    after = behind.match(text[q.end : q.end + 40])
    if after:
        return meaning[after[1].lower()]
    found = before.search(re.split(r"[.;:|(]\s", text[max(0, q.start - 45) : q.start])[-1])
    return meaning[found[1].lower()] if found else ""
