"""Numbers in digits and in words, with sign, ordinals and fractions, by language. What they count: `figures.py`.

Does not do arithmetic beyond units of one family: 1 week shows 7 days, 12 months show 1 year.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from raftops.answer.claims.tables import (
    COMMA_DECIMAL,
    FRACTIONS,
    GLUED,
    JOINERS,
    KINDS,
    ONES,
    ORDINALS,
    SCALES,
    WIDER,
    kind_of,
    number_words,
)

_DIGITS = re.compile(
    r"(?P<sign>(?<![\w)\]%.,/-])(?<!\d )[-–](?=[€$£¥]?\d))?(?P<before>[€$£¥])?\s?"
    r"(?P<number>\d+(?:[.,'\u00a0\u202f]\d+)*(?:\s?[½¼¾])?|[½¼¾])(?P<over>\s?/\s?\d+(?![\d/]))?(?P<tail>[^\W\d_]{1,10})?"
)
_VULGAR = {"½": 0.5, "¼": 0.25, "¾": 0.75}
_NEGATIVE = re.compile(r"\b(?:minus|negative|meno|moins|menos|min)\s+(?:[€$£¥]\s?)?$", re.IGNORECASE)
_BELOW_ZERO = re.compile(r"^\W*(?:\w+\W+){0,2}?(?:below zero|unter null)", re.IGNORECASE)


@dataclass(frozen=True)
class Quantity:
    """A number and what it is about."""

    value: float
    text: str
    start: int
    end: int
    kind: str = ""
    """Unit of measure as `tables.KINDS` names it, or empty."""
    counted: tuple[str, ...] = ()
    """Stems of the words that it counts."""
    bound: str = ""
    ordinal: bool = False
    implied: bool = False
    """An article that may be a one: it shows, but does not claim."""

    def equals(self, other: Quantity) -> bool:
        """Whether two are of one value in units that can be compared."""
        left, right = KINDS.get(self.kind), KINDS.get(other.kind)
        if left and right and self.ordinal != other.ordinal:
            return False
        if left and right and left[0] == right[0]:
            return abs(self.value * left[1] - other.value * right[1]) < 1e-6 * max(1.0, abs(self.value * left[1]))
        as_share = {self.kind, other.kind} == {"%", ""} and (self.value < 1) != (other.value < 1)
        if as_share and abs(self.value * (0.01 if left else 1) - other.value * (0.01 if right else 1)) < 1e-9:
            return True
        hours = {"seconds": 1.0, "days": 86400.0}
        if left and right and {left[0], right[0]} == set(hours):
            seconds = [q.value * k[1] * hours[k[0]] for q, k in ((self, left), (other, right))]
            return seconds[0] == seconds[1]
        return abs(self.value - other.value) < 1e-9 and same_kind(self.kind, other.kind)


def same_kind(left: str, right: str) -> bool:
    """Whether two units of measure may be the same; one that is not said may be any."""
    return not left or not right or left == right or right in WIDER.get(left, ()) or left in WIDER.get(right, ())


def number(written: str, language: str) -> float:
    """The value of digits with separators, as the language writes them: 1,500 or 1.500."""
    whole, half = (written[:-1], _VULGAR[written[-1]]) if written[-1] in _VULGAR else (written, 0.0)
    digits = re.sub(r"['\u00a0\u202f\s]", "", whole)
    if not digits:
        return half
    group, point = (".", ",") if language in COMMA_DECIMAL else (",", ".")
    if re.fullmatch(rf"\d{{1,3}}(?:\{group}\d{{3}})+(?:\{point}\d+)?", digits):
        digits = digits.replace(group, "").replace(point, ".")
    elif re.fullmatch(rf"\d{{1,3}}(?:\{point}\d{{3}}){{2,}}", digits):
        digits = digits.replace(point, "")
    elif re.fullmatch(r"\d+[.,]\d+", digits):
        digits = digits.replace(",", ".")
    else:
        digits = re.sub(r"\D", "", digits)  # a version or a clause: 1.2.3
    return float(digits) + half


def in_digits(text: str, language: str) -> Iterator[Quantity]:
    """The numbers in digits; blanks between groups of three are separators where the language writes so."""
    if language in COMMA_DECIMAL:
        text = re.sub(r"(?<![\d.,])(\d{1,3}) (?=\d{3}(?: \d{3})*(?![\d.]))", "\\1\u202f", text)
    scales = _pairs(SCALES, language)
    for match in _DIGITS.finditer(text):
        before, tail, value = text[: match.start("number")], match["tail"] or "", number(match["number"], language)
        if before and (before[-1].isalpha() or (before[-1] == "-" and len(before) > 1 and before[-2].isalpha())):
            yield Quantity(value, match["number"], match.start("number"), match.end("number"))  # B12, COVID-19
            continue
        if match["over"]:
            below = float(re.sub(r"\D", "", match["over"]))
            value, tail = (value / below if below else value), ""
        low, ordinal, end = tail.lower(), False, match.end("number")
        end = match.end("over") if match["over"] else end
        if low in ("st", "nd", "rd", "th", "er", "º", "ª", "e"):
            ordinal, end = True, match.end()
        elif low in scales:
            value, end = value * scales[low], match.end()
        follows = re.match(r"\s?([^\W\d_]+)", text[end:]) if not tail else None
        if follows and follows[1].lower() in scales and len(follows[1]) > 1:
            value, end = value * scales[follows[1].lower()], end + follows.end()
        if match["sign"] or _NEGATIVE.search(before) or _BELOW_ZERO.search(text[end : end + 40]):
            value = -value
        kind = kind_of().get(match["before"] or "", "")
        if not kind and low and not ordinal:
            kind = GLUED.get(low, kind_of().get(low, ""))
        yield Quantity(value, text[match.start() : end].strip(), match.start("number"), end, kind, ordinal=ordinal)


def _pairs(table: dict[str, str], language: str) -> dict[str, int]:
    return {word: int(value) for word, value in (pair.split("=") for pair in table.get(language, "").split())}


@lru_cache(maxsize=16)
def _spelling(language: str) -> tuple[re.Pattern[str], dict[str, int], dict[str, int], dict[str, int], dict[str, int]]:
    known, scales, shares = number_words(language), _pairs(SCALES, language), _pairs(FRACTIONS, language)
    ordinals = {word: n for n, word in enumerate(ORDINALS.get(language, "").split(), 1)}
    ones = {word: 1 for word in ONES.get(language, "").split()}
    big = {word: value for word, value in scales.items() if len(word) > 2}
    single = "|".join(sorted({*known, *big}, key=len, reverse=True)) or r"(?!)"
    joiner = JOINERS.get(language, "and")
    several = rf"(?:{single})(?:[\s-]+(?:{joiner}\s+)?(?:{single}))*"
    one = "|".join(sorted({*ordinals, *shares, *ones}, key=len, reverse=True)) or r"(?!)"
    pattern = re.compile(rf"(?<![\w])(?:(?P<several>{several})|(?P<one>{one}))(?!\w)", re.IGNORECASE)
    return pattern, known, big, shares, ordinals | {f"{w}{end}": n for w, n in ordinals.items() for end in "nrms"}


def spelled(text: str, language: str) -> Iterator[Quantity]:
    """The numbers in words, ordinals and fractions; an article only shows a one."""
    pattern, known, scales, shares, ordinals = _spelling(language)
    previous: Quantity | None = None
    for match in pattern.finditer(text):
        said = match.group().lower()
        if match["several"]:
            value = _sum(said, known, scales, JOINERS.get(language, "and"))
            previous = Quantity(value, match.group(), *match.span())
        elif said in shares and previous and text[previous.end : match.start()].strip(" -") == "":
            previous = Quantity(previous.value / shares[said], f"{previous.text} {said}", previous.start, match.end())
        elif said in shares and (shares[said] == 2 or shares[said] == 4 or said not in ordinals):
            previous = Quantity(1 / shares[said], match.group(), *match.span())
        elif said in ordinals:
            previous = Quantity(ordinals[said], match.group(), *match.span(), ordinal=True)
        else:
            previous = Quantity(1, match.group(), *match.span(), implied=True)
        if _NEGATIVE.search(text[: match.start()]) or _BELOW_ZERO.search(text[match.end() : match.end() + 40]):
            previous = Quantity(-previous.value, previous.text, previous.start, previous.end)
        yield previous


def _sum(said: str, known: dict[str, int], scales: dict[str, int], joiner: str) -> float:
    """The value of a run of number words: two hundred and fifty thousand."""
    total, part = 0.0, 0.0
    pieces = re.split(r"\s+", said)
    while pieces:
        width = next((n for n in (3, 2, 1) if " ".join(pieces[:n]) in known and len(pieces) >= n), 0)
        if width:
            part += known[" ".join(pieces[:width])]
        elif pieces[0] in scales:
            part = max(part, 1.0) * scales[pieces[0]]
            if scales[pieces[0]] >= 1000:
                total, part = total + part, 0.0
        elif pieces[0] != joiner and "-" in pieces[0]:
            pieces[0:1] = pieces[0].split("-")
            continue
        pieces = pieces[width or 1 :]
    return total + part
