"""How far a document is believed: by the first rule of the spec that matches its id, and among equals by its date.

A date is what a document says of itself, so it counts only between documents that a rule names authoritative: anybody
who can plant a text can date it. Without rules every document is normal and nothing is decided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from raftops.answer.claims.dates import moments
from raftops.answer.claims.words import plain
from raftops.globs import matches
from raftops.spec.model.learning import TrustRule

TRUST = {"untrusted": 0, "normal": 1, "authoritative": 2}
HEAD_CHARS = 600
"""Of a document, the beginning in which its date is looked for."""
_DATED = re.compile(
    r"\b(?:effective|valid|last\s+(?:updated|reviewed|changed)|updated|revised|published|version|date|stand|gültig|datum)"
    r"\b[^\n]{0,24}?[:\s]\s*(?P<date>[^\n]{4,40})", re.IGNORECASE
)  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """What is known of a document beside its words."""

    trust: str
    date: str
    """YYYY-MM-DD as the document says of itself; empty where it says none."""

    def shown(self, doc_id: str) -> str:
        """The document with what is known of it, for people."""
        return ", ".join([doc_id, *filter(None, (self.date, self.trust if self.trust != "normal" else ""))])


def standing(doc_id: str, text: str, rules: Sequence[TrustRule], language: str = "english") -> Standing:
    """The trust of the first rule that matches, and the date in the head of the text."""
    trust = next((rule.trust for rule in rules if matches(rule.match, doc_id)), "normal")
    return Standing(trust, _date(text[:HEAD_CHARS], language))


def _date(head: str, language: str) -> str:
    for said in _DATED.finditer(plain(head)):
        for moment in moments(said["date"], language):
            if moment.year and moment.month and moment.day:
                return f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
    return ""


def outranks(one: Standing, other: Standing) -> bool:
    """Whether one is believed against the other: more trusted, or, both authoritative, newer."""
    if one.trust != other.trust:
        return TRUST[one.trust] > TRUST[other.trust]
    return one.trust == "authoritative" and bool(one.date and other.date) and one.date > other.date
