"""Generators of contradicted claims: a true claim with one thing swapped. Know nothing of the checker or its tables.

Each takes a claim, a pool of other claims and a seeded draw, and gives the swapped claim or None where there is nothing
to swap. `restated` gives true claims in other forms.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from raftops.data.records import Unit


@dataclass(frozen=True)
class Claim:
    """What is said of some evidence in answer to a question (which may be empty)."""

    units: tuple[Unit, ...]
    question: str
    said: str
    kind: str
    true: bool = True

    @property
    def shown(self) -> str:
        """All that the evidence says."""
        return " ".join(f"{u.heading} {u.text}" for u in self.units)


def _list(words: str) -> list[str]:
    return words.split()


Swap = Callable[[Claim, Sequence[Claim], random.Random], Claim | None]
_SPELLED = _list("two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty")
_MONTHS = _list("January February March April May June July August September October November December")
_DAYS = _list("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
_UNITS = (
    ("minutes", "hours", "days", "weeks", "months", "years"), ("minute", "hour", "day", "week", "month", "year"),
    ("%", " euros", " dollars", " points"), (" percent", " dollars", " days"), ("EUR", "USD", "CAD", "GBP"),
    ("$", "€", "£"), ("km", "miles", "metres"), ("miles", "kilometres"), ("GB", "MB"), ("euros", "dollars", "cents"),
    ("daily", "weekly", "monthly", "yearly"), ("kg", "grams"), ("acres", "hectares"),
)  # fmt: skip
_BOUNDS = (
    ("at least", "at most"), ("up to", "at least"), ("no more than", "no less than"), ("more than", "less than"),
    ("before", "after"), ("minimum", "maximum"), ("within", "after"), ("under", "over"), ("until", "after"),
    ("over", "under"), ("from", "until"), ("fewer than", "more than"), ("or more", "or less"),
    ("no later than", "no earlier than"),
)  # fmt: skip
_QUANTIFIERS = (
    ("all", "some"), ("every", "no"), ("always", "never"), ("each", "no"), ("any", "no"), ("most", "few"),
    ("many", "few"), ("some", "all"), ("both", "neither"), ("often", "rarely"), ("everyone", "no one"),
    ("usually", "rarely"),
)  # fmt: skip
_ROLES = _list(
    """manager supervisor employee contractor director user visitor customer client designer engineer developer writer
    team department office lawyer accountant owner reader author editor agency company vendor president minister king
    teacher student child parent partner advertiser lead recruiter candidate tenant doctor nurse board council committee
    organization government band director actor singer player captain"""
)
_NEGATABLE = _list("may can must should will would could is are was were has have had does do did might shall")
_FIRST = _list(
    """the they also this that these those when while out once there our your you his her their what where how some many
    most all each every and but for from then thus yes not only one two three"""
)
_EMPTY = _list(
    """about their there these those which where would could should other after before under within through because
    while being during every still always often never without between until since among might using makes also yourself
    themselves itself becomes things follow people actions"""
)
_OBJECTS = re.compile(r"(?<![.!?] )(?<!^)\b[a-z]{5,}\b")


def number(claim: Claim, pool: Sequence[Claim], draw: random.Random) -> Claim | None:
    """Another number, which the evidence does not have."""
    found = list(re.finditer(r"(?<![\w.,/:-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w/:]|[.,]\d)", claim.said))
    spelled = list(re.finditer(rf"\b(?:{'|'.join(_SPELLED)})\b", claim.said, re.IGNORECASE))
    if not found and not spelled:
        return None
    match = draw.choice(found or spelled)
    for _ in range(20):
        if found:
            value = float(match.group().replace(",", ""))
            new = draw.choice([value + draw.randint(1, 9), value * 2, value * 10, max(1, value - draw.randint(1, 3))])
            other = f"{new:,.0f}" if "," in match.group() else f"{new:g}" if new < 1e6 else f"{new:.0f}"
        else:
            other = draw.choice(_SPELLED)
        if not re.search(rf"\b{re.escape(other)}\b", claim.shown, re.IGNORECASE) and other != match.group().lower():
            return _cut(claim, match, other)
    return None


def sign(claim: Claim, pool: Sequence[Claim], draw: random.Random) -> Claim | None:
    """A minus sign dropped or added in front of a number that has a unit."""
    match = re.search(
        r"(?<![\w.,/:$-])(minus |-)?(\d+(?:\.\d+)?)(?= ?(?:%|percent|degrees|euros|hours|days|points|years))",
        claim.said,
    )
    if not match:
        return None
    return _cut(claim, match, match[2] if match[1] else draw.choice(("-", "minus ")) + match[2])


def measure(claim: Claim, pool: Sequence[Claim], draw: random.Random) -> Claim | None:
    """Another unit of measure behind, or before, the same number."""
    for family in draw.sample(_UNITS, len(_UNITS)):
        for name in family:
            form = re.escape(name)
            match = re.search(
                rf"(?<=\d){form}(?!\w)|(?<=\d ){form}\b|\b{form}(?= ?\d)|(?<=\w-){form}\b|(?<=\w ){form}\b", claim.said
            )
            others = [o for o in family if o != name and not re.search(rf"{re.escape(o.strip())}", claim.shown)]
            if (
                match
                and others
                and re.search(r"\d|two|three|four|five|six|ten|once|twice|per |each |every ", claim.said)
            ):
                return _cut(claim, match, draw.choice(others))
    return None


def date(claim: Claim, pool: Sequence[Claim], draw: random.Random) -> Claim | None:
    """Another month, weekday, year or hour."""
    for names in (_MONTHS, _DAYS):
        match = re.search(rf"\b(?:{'|'.join(names)})(?=\b|s\b)", claim.said)
        others = [name for name in names if name not in claim.shown]
        if (
            match
            and others
            and (match.group() != "May" or re.search(r"\d", claim.said[max(0, match.start() - 4) : match.end() + 4]))
        ):
            return _cut(claim, match, draw.choice(others))
    match = re.search(r"\b(?:1[5-9]|20)\d{2}\b", claim.said)
    if match:
        new = str(int(match.group()) + draw.choice([-30, -10, -2, 1, 3, 12]))
        return None if new in claim.shown else _cut(claim, match, new)
    match = re.search(r"\b(\d{1,2})(:\d{2}| ?[ap]\.?m)", claim.said)
    if match:
        new = str((int(match[1]) + draw.randint(1, 4)) % 12 + 1)
        return None if new == match[1] else _cut(claim, match, new + match[2])
    return None


def polarity(claim: Claim, pool: Sequence[Claim], draw: random.Random) -> Claim | None:
    """A negation dropped, or one added behind the first auxiliary."""
    match = re.search(
        r"\b(may|can|must|should|will|would|could|is|are|was|were|do|does|did|has|have)( not|n't)\b|\bcannot\b",
        claim.said,
    )
    if match:
        return _cut(
            claim,
            match,
            "can" if match.group() == "cannot" else match[1] if match[1] not in ("do", "does", "did") else "",
        )
    if re.search(r"\b(no|not|never|none|without|nor|neither)\b|n't\b", claim.said, re.IGNORECASE):
        match = re.search(r"\b(never|not) ", claim.said)
        return _cut(claim, match, "") if match else None
    match = re.search(rf"\b({'|'.join(_NEGATABLE)})\b(?= \w)", claim.said)
    return _cut(claim, match, draw.choice((f"{match[1]} not", f"{match[1]} never"))) if match else None


def bounds(claim: Claim, pool: Sequence[Claim], draw: random.Random) -> Claim | None:
    """At least for at most, before for after: in front of a number, a date or a unit."""
    for one, other in draw.sample(_BOUNDS, len(_BOUNDS)):
        for old, new in ((one, other), (other, one)):
            behind = (
                r"(?=(?: \w+)? [$€£]?(?:EUR )?\d| (?:" + "|".join(_SPELLED + _MONTHS) + r")\b)"
                if old not in ("or more", "or less")
                else ""
            )
            match = re.search(rf"\b{old}\b{behind}", claim.said, re.IGNORECASE)
            if match and (claim.said[: match.start()].lower().split() or [""])[-1] not in ("no", "not"):
                return _cut(claim, match, new)
    return None


def quantifier(claim: Claim, pool: Sequence[Claim], draw: random.Random) -> Claim | None:
    """All for some, always for never."""
    for old, new in draw.sample(_QUANTIFIERS, len(_QUANTIFIERS)):
        match = re.search(rf"\b{old}\b", claim.said, re.IGNORECASE)
        if (
            match
            and not re.search(r"\b(not|no|never)\b|n't", claim.said)
            and not re.search(r"\b(?:at|the) $", claim.said[: match.start()], re.IGNORECASE)
        ):
            return _cut(claim, match, new)
    return None


def entity(claim: Claim, pool: Sequence[Claim], draw: random.Random) -> Claim | None:
    """A name of the claim replaced by a name that its evidence does not have."""
    found = [m for m in _named(claim.said) if m.group() in claim.shown]
    others = [m.group() for other in draw.sample(list(pool), min(60, len(pool))) for m in _named(other.said)]
    others = [o for o in others if not any(part in claim.shown for part in o.split())]
    return _cut(claim, draw.choice(found), draw.choice(others)) if found and others else None


def who(claim: Claim, pool: Sequence[Claim], draw: random.Random) -> Claim | None:
    """Somebody else does it."""
    match = re.search(rf"\b({'|'.join(_ROLES)})(s?)\b", claim.said)
    others = [role for role in _ROLES if role not in claim.shown.lower()]
    return _cut(claim, match, draw.choice(others) + match[2]) if match and others else None


def thing(claim: Claim, pool: Sequence[Claim], draw: random.Random) -> Claim | None:
    """One word that carries meaning replaced by such a word of another claim."""
    found = [m for m in _OBJECTS.finditer(claim.said) if claim.shown.count(m.group()) == 1 and not _loose(m.group())]
    others = [m.group() for other in draw.sample(list(pool), min(30, len(pool))) for m in _OBJECTS.finditer(other.said)]
    others = [o for o in others if o[:4] not in claim.shown and not _loose(o)]
    return _cut(claim, draw.choice(found), draw.choice(others)) if found and others else None


def places(claim: Claim, pool: Sequence[Claim], draw: random.Random) -> Claim | None:
    """Two things of the claim that have changed their places: who does it to whom."""
    match = re.match(
        r"(?P<a>(?:The |An? |Each |Your |Our )?[\w-]+(?: [\w-]+)?) (?P<v>may|must|can|should|will) (?P<m>\w+) "
        r"(?P<b>(?:the|an?|their|your|our) [\w-]+)(?P<r>\W.*)",
        claim.said,
    )
    if not match or match["a"].lower() == match["b"].lower():
        return None
    lower = match["a"][0].lower() + match["a"][1:]
    said = f"{match['b'][0].upper()}{match['b'][1:]} {match['v']} {match['m']} {lower}{match['r']}"
    return replace(claim, said=said)


def answer(claim: Claim, pool: Sequence[Claim], draw: random.Random) -> Claim | None:
    """Yes for no and no for yes; a sentence with an auxiliary is asked, and answered the wrong way."""
    match = re.match(r"(yes|no)\b(?=[,.])", claim.said, re.IGNORECASE)
    if match:
        return _cut(claim, match, "No" if match.group().lower() == "yes" else "Yes")
    match = re.match(
        r"((?:The |An? |Each |Your |Our |All )?[\w'-]+(?: [\w'-]+)?) (may|must|can|should|will|is|are|was)( not)? "
        r"(.+)\.$",
        claim.said,
    )
    if not match or claim.question or len(claim.said.split()) > 25:
        return None
    if re.search(r"\b(no|never|none|nobody|nothing|only|unless|except|but|not)\b|n't", claim.said, re.IGNORECASE):
        return None
    asked = f"{match[2].capitalize()} {match[1][0].lower()}{match[1][1:]} {match[4]}?"
    return replace(
        claim,
        question=asked,
        said="Yes." if match[3] else draw.choice(("No.", f"No, {match[1][0].lower()}{match[1][1:]} {match[2]} not.")),
    )


SWAPS: dict[str, Swap] = {
    "number": number, "sign": sign, "unit of measure": measure, "date": date, "polarity": polarity, "bound": bounds,
    "quantifier": quantifier, "entity": entity, "who does it": who, "thing": thing, "places": places,
    "yes and no": answer,
}  # fmt: skip


def restated(said: str) -> Iterator[str]:
    """The same in other forms: numbers in words or digits, dates turned, clauses turned, a frame around it."""
    value = re.search(rf"(?<![\w$.,-])({'|'.join(_SPELLED[:11])})(?= [a-z])", said)
    if value:
        yield said[: value.start()] + str(_SPELLED.index(value[1]) + 2) + said[value.end() :]
    digits = re.search(r"(?<![\w$€£.,:/-])([2-9]|1[012])(?= [a-z])", said)
    if digits:
        yield said[: digits.start()] + _SPELLED[int(digits[1]) - 2] + said[digits.end() :]
    dated = re.search(rf"\b({'|'.join(_MONTHS)}) (\d{{1,2}})\b(?!,? \d)", said)
    if dated:
        yield said[: dated.start()] + f"{dated[2]} {dated[1]}" + said[dated.end() :]
    if " that " in said and said.count(" that ") == 1 and len(said.split(" that ")[0].split()) > 6:
        yield said.split(" that ")[0] + "."
    if re.match(r"(If|When|After|Before|In|For|During) [^,]+, [a-z]", said) and said.count(",") == 1:
        head, tail = said.rstrip(".").split(", ")
        yield f"{tail[0].upper()}{tail[1:]} {head[0].lower()}{head[1:]}."
    if said.startswith(("The ", "You ", "We ", "Your ")):
        yield f"According to the document, {said[0].lower()}{said[1:]}"
        yield re.sub(r"\bdo not\b", "don't", re.sub(r"\bcannot\b", "can't", re.sub(r"\bis not\b", "isn't", said)))


def _named(said: str) -> list[re.Match[str]]:
    found = re.finditer(r"(?<![.!?:] )(?<!^)(?<![\w'\"(])[A-Z][a-zé]{2,}(?: [A-Z][a-zé]+)*(?![\w'])", said)
    return [m for m in found if not any(w in _MONTHS + _DAYS or _plain(w) for w in m.group().split())]


def _plain(word: str) -> bool:
    """A word with a capital that is no name: the first of a sentence."""
    return word.lower() in _FIRST


def _loose(word: str) -> bool:
    """Words that may be changed without changing what is said, or that carry no meaning."""
    return word in _EMPTY or word.endswith(("ly", "ing", "ed"))


def _cut(claim: Claim, match: re.Match[str], new: str) -> Claim:
    said = claim.said[: match.start()] + new + claim.said[match.end() :]
    return replace(claim, said=re.sub(r" +", " ", said).strip())
