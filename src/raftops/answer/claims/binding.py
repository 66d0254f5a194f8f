"""Does a claim's number stand in its source, of the same unit, about the same thing, and bound the same way?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from raftops.answer.claims.dates import Moment
from raftops.answer.claims.figures import Figures, bound, figures
from raftops.answer.claims.names import names
from raftops.answer.claims.polarity import denials
from raftops.answer.claims.quantities import Quantity, same_kind
from raftops.answer.claims.tables import EXACT, HIGH, KINDS, LOW
from raftops.answer.claims.words import alike, contents, plain, words

_AGAINST = {(LOW, HIGH), (HIGH, LOW), (EXACT, LOW), (EXACT, HIGH)}
_PIECES = re.compile(
    r"[;:,]\s+|\s\|\s|\.\s+|\s+(?:and|or|but|while|whereas|und|oder|aber|et|ou|y|e|en|of)\s+", re.IGNORECASE
)


def unshown(claim: str, source: str, text: str, question: str, language: str) -> str:
    """What a claim says in numbers, dates or units that its source does not say; empty if nothing.

    `source` is all that is shown of a unit, `text` its text alone, where numbers are told apart.
    """
    said, shown, asked = figures(claim, language), figures(source, language), figures(question, language)
    # what is not done within 5 days is done after them: bounds are compared where both deny, or none
    bounded = denials(words(claim, language), language) >= denials(words(source, language), language)
    for moment in said.moments:
        reason = _moment(moment, shown, (claim, source) if bounded else None, language)
        if reason:
            return reason
    for quantity in said.quantities:
        if not quantity.implied:
            reason = _quantity(quantity, shown, question, source, language)
            same = [q.bound for q in shown.quantities if q.equals(quantity)]
            reason = reason or (_bound_against(quantity.bound, same, quantity.text) if bounded else "")
            if reason:
                return reason
    known = {KINDS[kind][0] for kind in shown.kinds}
    for kind in sorted(said.kinds):
        # a unit without its number: "per month" where the source says "per week"
        if KINDS[kind][0] not in known and kind not in asked.kinds and not any(same_kind(kind, k) for k in shown.kinds):
            return f"speaks of {kind}, which stands nowhere"
        if kind not in shown.kinds and _rivals(kind, shown) and not any(q.kind == kind for q in said.quantities):
            return f"says {kind} where {', '.join(sorted(_rivals(kind, shown)))} is said"
    return misplaced(claim, text, question, language)


def _rivals(kind: str, shown: Figures) -> set[str]:
    """Other units of measure of the family of one that a source has."""
    times = {"seconds", "days", "months"}
    family = KINDS[kind][0]
    alike_ = times if family in times else {family}
    return {k for k in shown.kinds if k != kind and KINDS[k][0] in alike_}


def _moment(moment: Moment, shown: Figures, bounded: tuple[str, str] | None, language: str) -> str:
    found = [m for m in shown.moments if m.shows(moment)]
    if not found:
        bare = moment.minutes is not None and moment.minutes % 60 == 0
        hour = (moment.minutes or 0) // 60
        if bare and any(q.value in (hour, hour % 12 or 12) and not q.kind for q in shown.quantities):
            return ""
        others = ", ".join(m.text for m in shown.moments)
        return f"says {moment.text} where {others} is said" if others else f"says {moment.text}, which stands nowhere"
    if not bounded:
        return ""
    claim, source = map(plain, bounded)
    return _bound_against(bound(moment, claim, language), [bound(m, source, language) for m in found], moment.text)


def _quantity(quantity: Quantity, shown: Figures, question: str, source: str, language: str) -> str:
    same = [q for q in shown.quantities if q.equals(quantity)]
    if not quantity.kind and not same:
        same = [q for q in shown.quantities if q.value == quantity.value]
    hours = {hour for m in shown.moments if m.minutes is not None for hour in (m.minutes / 60, m.minutes / 60 % 12)}
    dated = quantity.value in hours or any(quantity.value in (m.year, m.day) for m in shown.moments)
    if not same and ((dated and not quantity.kind) or (quantity.value == 1 and quantity.ordinal)):
        return ""
    real = [
        q for q in same if not q.implied or (q.kind and q.kind == quantity.kind) or _meet(q.counted, quantity.counted)
    ]
    if not real:
        return _instead(quantity, shown)
    if quantity.kind and all(not q.kind for q in real):
        carried = any(same_kind(quantity.kind, kind) for kind in shown.kinds | figures(question, language).kinds)
        if not carried:
            return f"says {_named(quantity)} where {real[0].text} has no such unit"
    return _miscounted(quantity, real, shown, source, question, language)


def _instead(quantity: Quantity, shown: Figures) -> str:
    rivals = [q for q in shown.quantities if not q.implied and same_kind(q.kind, quantity.kind)]
    others = ", ".join(_named(q) for q in rivals[:3]) or ", ".join(
        _named(q) for q in shown.quantities[:3] if not q.implied
    )
    return (
        f"says {_named(quantity)} where {others} is said"
        if others
        else f"says {_named(quantity)}, which stands nowhere"
    )


def _named(quantity: Quantity) -> str:
    return f"{quantity.text} {quantity.kind}".strip()


def _miscounted(
    quantity: Quantity, same: Sequence[Quantity], shown: Figures, source: str, question: str, language: str
) -> str:
    """Whether a number counts something else than in its source, though that has a number for it, or none at all."""
    counted = quantity.counted
    if not counted or quantity.kind or any(_meet(counted, q.counted) for q in same):
        return ""
    others = [q for q in shown.quantities if q not in same and not q.implied and _meet(counted, q.counted)]
    if others and not any(not q.counted and not q.kind for q in same):
        return f"counts {quantity.text} {counted[-1]} where {others[0].text} are counted"
    if "|" in source.partition(" | ")[2] or _meet(
        counted, tuple(contents(source, language) | contents(question, language))
    ):
        return ""
    return (
        f"counts {quantity.text} {counted[-1]} where {' '.join([same[0].text, same[0].kind, *same[0].counted])} is said"
    )


def _meet(left: Sequence[str], right: Sequence[str]) -> bool:
    return any(alike(a, b) for a in left for b in right)


def _bound_against(said: str, shown: Sequence[str], text: str) -> str:
    if said and shown and all((said, there) in _AGAINST for there in shown):
        return f"says {said} {text} where {shown[0]} is said"
    return ""


def misplaced(claim: str, text: str, question: str, language: str) -> str:
    """A number that its source has of another name: 9 euros of Italy, where Spain is asked about.

    Looked for where a source has several numbers of one unit, each beside a name of its own.
    """
    pieces = [(_named_in(piece, language), figures(piece, language)) for piece in _PIECES.split(text) if piece.strip()]
    numbered = [(own, there.quantities) for own, there in pieces if own and there.quantities]
    if len(numbered) < 2:
        return ""
    alone = len([q for q in figures(claim, language).quantities if not q.implied]) <= 1
    for part in (piece for piece in _PIECES.split(claim) if piece.strip()):
        topic = _named_in(part, language) | (_named_in(question, language) if alone else frozenset())
        for quantity in (q for q in figures(part, language).quantities if not q.implied):
            home = [own for own, there in numbered if any(q.equals(quantity) for q in there)]
            if not home or any(topic & own for own in home):
                continue
            for own, there in numbered:
                told = topic & own
                rival = [q for q in there if q.kind == quantity.kind and not q.equals(quantity)]
                if told and rival and (quantity.kind or _meet(quantity.counted, rival[0].counted)):
                    return f"says {_named(quantity)} of {', '.join(sorted(told))}, which has {_named(rival[0])}"
    return ""


def _named_in(text: str, language: str) -> frozenset[str]:
    return frozenset(w.stem for w in names(words(text, language), language))
