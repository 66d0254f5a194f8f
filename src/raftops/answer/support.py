"""Does a piece of evidence carry an answer? Deterministic and model-free: numbers, names and words must stand in it.

This does not judge truth or entailment; it catches an answer whose value is not in what it cites.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import snowballstemmer

from raftops.data.records import Unit
from raftops.retrieval.stopwords import STOP_WORDS

_WORD = re.compile(r"[^\W_]+(?:[.,:/][^\W_]+)*", re.UNICODE)
_STOP = STOP_WORDS["english"]
_NUMBERS = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
_stemmer = snowballstemmer.stemmer("english")


@lru_cache(maxsize=16384)
def terms(text: str) -> frozenset[str]:
    """Stems of the words that carry meaning; numbers without thousands separators, number words as digits."""
    return frozenset(_term(word) for word in _WORD.findall(text.lower()) if word not in _STOP)


def _term(word: str) -> str:
    if word[0].isdigit():
        return re.sub(r"[,.](?=\d{3}\b)", "", word)
    return _NUMBERS.get(word) or str(_stemmer.stemWord(word))


def numbers(text: str) -> frozenset[str]:
    """The terms of a text that hold a digit."""
    return frozenset(term for term in terms(text) if any(c.isdigit() for c in term))


def supports(units: Sequence[Unit], answer: str, question: str, share: float = 0.6) -> bool:
    """Whether units carry an answer: all of its numbers, and at least `share` of its other terms.

    Terms of the question count as given; an answer without any term of its own is not supported.
    """
    said, shown = terms(answer), frozenset[str]().union(*(terms(f"{u.heading} {shown_text(u)}") for u in units))
    asked = terms(question)
    if not said or not numbers(answer) <= shown | numbers(question):
        return False
    own = said - asked
    if not own:
        return len(said & shown) >= share * len(said)
    return len(own & shown) >= share * len(own)


def shown_text(unit: Unit) -> str:
    """What the model saw of a unit beside its heading."""
    return f"{unit.locator.table_header} {unit.text}".strip()


def coverage(unit: Unit, answer: str) -> float:
    """Share of an answer's terms that stand in a unit."""
    said = terms(answer)
    return len(said & terms(shown_text(unit))) / len(said) if said else 0.0
