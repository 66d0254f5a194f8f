"""Does a piece of evidence carry an answer? Deterministic and model-free; where it does not, the reason is in words.

Each part of an answer must be carried by one unit: its numbers with sign, unit of measure and what they count, its
names, its yes or no, its negations, and its words. This is no entailment: what is said in other words than the
source's, or follows from it by arithmetic, is judged by the words that the two share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from raftops.answer.claims.alignment import aligned, exchanged, substituted
from raftops.answer.claims.binding import unshown
from raftops.answer.claims.figures import figures
from raftops.answer.claims.names import PRONOUNS, elsewhere, names, strange
from raftops.answer.claims.polarity import flipped
from raftops.answer.claims.tables import COMMA_DECIMAL, kind_of
from raftops.answer.claims.verdicts import misanswered, yes_or_no
from raftops.answer.claims.words import UNSPACED, alike, plain, words
from raftops.data.records import Unit
from raftops.retrieval.bm25 import stem
from raftops.retrieval.stopwords import STOP_WORDS

_WORD = re.compile(r"[^\W_]+(?:[.,:/][^\W_]+)*", re.UNICODE)
_STOP = STOP_WORDS["english"]
_NUMBERS = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=[^\W\d_a-zß-ÿ]|\d|[\"'(-])|(?<=[。！？])|\n+|;\s+")
_CLAUSE = re.compile(
    r",?\s+(?:and|but|while|whereas|which|who|because|as|where|und|aber|et|mais|y|pero|e|ma|en|maar|mas)\s+|,\s+(?!\d)|\s\("
)
_ABBREVIATED = re.compile(r"(?:\b[A-Z]|\b(?:e\.g|i\.e|z\.B|d\.h|bzw|etc|No|Nr|Mr|Mrs|Ms|Dr|St|vs|ca|[ap]\.m))\.$")
_ORDINAL = re.compile(r"(?<!\d)\d{1,2}\.$")
_NUMERALS = frozenset("〇零一二三四五六七八九十百千万億兩两半")
_FRAME = re.compile(
    r"^(?:according to|based on|as stated in|per|laut|gemäß|selon|según|secondo|volgens|segundo)\s+"
    r"(?:(?:the|this|dem|der|den|le|la|el|il|de|o|a)\s+)?(?:\w+\s+)?"
    r"(?:documents?|evidence|handbook|polic(?:y|ies)|sources?|texts?|guide|page|dokumente?n?|handbuch|unterlagen|"
    r"richtlinie|documentos?|documenti|documento|documenten)\s*,\s*",
    re.IGNORECASE,
)
"""Words in front of an answer that only say where it comes from."""
_FREE_ORDER = frozenset({"german", "dutch", "none", "hungarian", "finnish", "russian", "turkish"})
"""Languages in which the order of words does not say who does what."""
NEAR = 0.6
"""Share of a claim's words that stand in a row in its source, from which another word is taken for a substitution."""
NEW = 0.25
"""Most of its words that a restatement may have of its own."""


@lru_cache(maxsize=16384)
def terms(text: str) -> frozenset[str]:
    """Stems of the English words that carry meaning; numbers without thousands separators, number words as digits."""
    return frozenset(_term(word) for word in _WORD.findall(text.lower()) if word not in _STOP)


def _term(word: str) -> str:
    if word[0].isdigit():
        return re.sub(r"[,.](?=\d{3}\b)", "", word)
    return _NUMBERS.get(word) or stem(word, "english")


def numbers(text: str) -> frozenset[str]:
    """The terms of a text that hold a digit."""
    return frozenset(term for term in terms(text) if any(c.isdigit() for c in term))


def supports(units: Sequence[Unit], answer: str, question: str, language: str = "english") -> bool:
    """Whether units carry an answer: each of its sentences, or else each clause of it, is carried by one of them."""
    return bool(carrying(units, answer, question, language))


def carrying(units: Sequence[Unit], answer: str, question: str, language: str = "english") -> list[Unit]:
    """The units that carry a part of an answer; none where they do not carry all of it."""
    found: list[int] = []
    for part in _parts(answer, language):
        carriers = _carriers(units, part, question, language)
        if not carriers:
            return []
        found += carriers
    return [unit for place, unit in enumerate(units) if place in found]


def _carriers(units: Sequence[Unit], part: str, question: str, language: str) -> list[int]:
    """Places of the units that carry a part; where none does, of those that carry its clauses, if all are carried."""
    told = [_told_of(unit, units, language) for unit in units]

    def able(said: str) -> list[int]:
        return [n for n, unit in enumerate(units) if not _reason(unit, said, question, language, told[n])]

    whole = able(part)
    if whole or len(units) < 2 or yes_or_no(part, language)[0]:
        return whole
    pieces = [able(piece) for piece in _CLAUSE.split(part) if piece and _says(piece, language)]
    return [n for piece in pieces for n in piece] if len(pieces) > 1 and all(pieces) else []


def _told_of(unit: Unit, units: Sequence[Unit], language: str) -> str:
    """What a pronoun of a unit may stand for: the other units of its document."""
    if not any(w.low in PRONOUNS.get(language, ()) for w in words(plain(unit.text), language)):
        return ""
    return " | ".join(other.text for other in units if other.doc_id == unit.doc_id and other is not unit)


def _parts(answer: str, language: str) -> Iterator[str]:
    """The sentences of an answer; what says nothing of its own (Yes. Of course.) belongs to the one behind it."""
    kept = ""
    for piece in _SENTENCE.split(answer):
        kept = f"{kept} {piece}".strip() if piece else kept
        dated = language in COMMA_DECIMAL and _ORDINAL.search(kept)  # bis zum 31. März
        if (
            not dated
            and not _ABBREVIATED.search(kept)
            and _says(kept, language)
            and yes_or_no(kept, language)[1].strip()
        ):
            yield kept
            kept = ""
    if kept and (_says(kept, language) or yes_or_no(kept, language)[0]):
        yield kept


def _says(text: str, language: str) -> bool:
    return any(w.content or w.low[0].isdigit() for w in words(text, language)) or bool(figures(text, language).kinds)


def contradiction(unit: Unit, claim: str, question: str, language: str = "english") -> str:
    """Why a unit does not carry a claim, in words; empty where it does.

    Numbers of the question do not count as shown; its words do, where the claim is no near copy of the unit.
    """
    return _reason(unit, claim, question, language, "")


def _reason(unit: Unit, claim: str, question: str, language: str, beside: str) -> str:
    text, question = plain(shown_text(unit)), plain(question)
    source = plain(f"{unit.heading} | {text}")
    verdict, rest = yes_or_no(plain(claim), language)
    rest, number = _FRAME.sub("", rest), f"[{unit.number}]"
    reason = unshown(rest, source, text, question, language)
    if reason:
        return f"{reason} in {number}"
    name = strange(rest, source, language, plain(beside))
    if name:
        return f"names {name}, which {number} does not"
    place = elsewhere(question, source, language)
    if place:
        return f"{number} is about {place}"
    if verdict:
        reason = misanswered(verdict, rest, source, question, language)
    reason = reason or flipped(rest, text, language) or _reworded(rest, unit, question, verdict, language)
    return f"{reason} in {number}" if reason else ""


def _reworded(claim: str, unit: Unit, question: str, verdict: str, language: str) -> str:
    """Words of a claim that a unit does not have: one in the place of another, or too many of them."""
    said, shown = words(claim, language), words(plain(shown_text(unit)), language)
    told = figures(claim, language)
    spans = [(q.start, q.end) for q in told.quantities] + [(m.start, m.end) for m in told.moments]
    own = [w for w in said if w.content and w.low not in kind_of() and not any(a <= w.start < b for a, b in spans)]
    if not own:
        return "" if verdict or spans or told.kinds else "says nothing"
    known = {w.stem for w in shown} | {w.stem for w in words(unit.heading, language)}
    asked = {w.stem for w in words(question, language)}
    new = [w for w in own if w.stem not in known and not any(alike(w.stem, other) for other in known)]
    free = [w for w in new if w.stem not in asked]
    wrong = [w for w in new if UNSPACED.match(w.text) and _NUMERALS & set(w.text)]
    share, gaps = aligned(said, shown)
    if share >= NEAR:
        wrong += [w for there, here in gaps for w in here if w in new and any(v.content for v in there)]
    wrong += [said[n] for n in substituted(said, shown, [n for n, w in enumerate(said) if w in free])]
    if len(free) > NEW * len(own) or (len(new) == len(own) and not verdict):
        wrong += free or new
    if wrong:
        return f'says "{wrong[0].text}", which is not said'
    return "" if language in _FREE_ORDER else exchanged(said, shown, language)


def asserts_facts(text: str, request: str, language: str = "english") -> bool:
    """Whether a reply names a number, a date or a name that its request did not hold: a fact to be proved."""
    text = re.sub(r"^\s*\d{1,2}[.)]\s", "", plain(text), flags=re.MULTILINE)  # the numbers of a list
    said, given = figures(text, language), figures(request, language)
    if any(not any(m.shows(moment) for m in given.moments) for moment in said.moments):
        return True
    claimed = [q for q in said.quantities if not q.implied and not q.ordinal]
    if any(not any(g.value == q.value for g in given.quantities) for q in claimed):
        return True
    known = {w.stem for w in words(request, language)}
    return any(
        w.stem not in known and not any(alike(w.stem, k) for k in known)
        for w in names(words(text, language), language)
    )  # fmt: skip


def shown_text(unit: Unit) -> str:
    """What the model saw of a unit beside its heading."""
    return f"{unit.locator.table_header} {unit.text}".strip()


def coverage(unit: Unit, answer: str, language: str = "english") -> float:
    """Share of an answer's words and numbers that stand in a unit."""
    said = _marks(answer, language)
    return len(said & _marks(shown_text(unit), language)) / len(said) if said else 0.0


@lru_cache(maxsize=16384)
def _marks(text: str, language: str) -> frozenset[str]:
    return frozenset(w.stem for w in words(text, language) if w.content or w.low[0].isdigit())
