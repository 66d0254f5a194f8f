"""Answers of yes and no: judged against what the question asks and the source says of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from raftops.answer.claims.denials import opposites, table
from raftops.answer.claims.polarity import clauses, denials, negators
from raftops.answer.claims.words import Word, alike, words


def yes_or_no(claim: str, language: str) -> tuple[str, str]:
    """`yes`, `no` or nothing, and the rest of a claim."""
    head = claim.lstrip(" \"'*").split(maxsplit=1)
    if not head:
        return "", claim
    first, rest = head[0].strip(",.:;!—–-*").lower(), head[1] if len(head) > 1 else ""
    # "No employee may": a comma or a full stop makes it an answer
    marked = head[0][-1] in ",.:;!—–-" or not rest or rest[:1] in "—–-"
    for name in ("yes", "no"):
        if first in table(name, language) and (marked or (name == "yes" and language != "french")):
            return name, rest.lstrip("—–- ")
    return "", claim


def misanswered(verdict: str, rest: str, source: str, question: str, language: str) -> str:
    """Whether a yes or a no to a question goes against its source; empty where it does not, or nothing tells."""
    asked, shown, said = words(question, language), words(source, language), words(rest, language)
    topic = {w.stem for w in asked if w.content}
    denied = denials(asked, language) % 2
    head = list(takewhile(lambda w: w.low not in table("turns", language), said))
    own = any(w.content or w.low[0].isdigit() for w in said)
    if verdict == "yes" and not denied and denials(head, language) % 2:
        return "says yes and then denies it"
    near = _about(shown, source, topic, language, 1 - denied)
    same = _about(shown, source, topic, language, denied)
    if verdict == "yes":
        return (
            f'says yes where "{" ".join(w.text for w in near if w.text != "|")}" is said' if near and not same else ""
        )
    if any(w.low in table("limiting", language) for w in said):
        return ""
    turned = bool(near) or _turned(asked, shown, language) or bool(negators(said, language) and not same)
    if not turned and not (same and not own):
        limited = not own and any(w.low in table("limiting", language) for w in shown)
        turned = limited or bool(negators(shown, language))
    return "" if turned else "says no where nothing is denied"


def _about(said: Sequence[Word], text: str, topic: set[str], language: str, parity: int) -> list[Word]:
    """The clause about a topic whose negation is so, if there is one."""
    for clause in clauses(said, text, language):
        own = {w.stem for w in clause if w.content}
        met = sum(any(stem == t or alike(stem, t) for t in topic) for stem in own)
        near = own and met >= max(1, min(2, len(topic)), 0.5 * min(len(topic), len(own)))
        if near and denials(clause, language) % 2 == parity:
            return clause
    return []


def _turned(asked: Sequence[Word], shown: Sequence[Word], language: str) -> bool:
    """Whether a source answers a question with an opposite, or with another number."""
    lows, table = {w.low for w in shown}, opposites(language)
    numbers = {w.low for w in asked if w.low[0].isdigit()}
    if numbers and not numbers & lows and any(w.low[0].isdigit() for w in shown):
        return True
    given = {w.low for w in asked}
    return any(other in lows - given for w in asked if w.low not in lows for other in table.get(w.low, ()))
