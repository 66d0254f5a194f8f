"""Does other evidence answer the same question differently? Deterministic, by values of a kind, without a model.

Two signs. A near copy: a sentence with the words of the first and another number, date, name or negation in their
midst. An echo: the first stands where the question itself stands nearly word for word (as planted text does, and an
FAQ), so that its rank tells nothing; then what is left without its document is asked, and says another value. Rules of
another country, year, case or table row are no conflict: they differ by a word of their own on both sides, or by one
that the question names. Nobody here knows which of two documents is right: `sources.py` knows whom the spec trusts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from raftops.answer.claims.dates import Moment
from raftops.answer.claims.denials import table
from raftops.answer.claims.figures import figures
from raftops.answer.claims.names import countries, elsewhere, names
from raftops.answer.claims.polarity import flipped, negators
from raftops.answer.claims.quantities import Quantity
from raftops.answer.claims.tables import KINDS, MONTHS, WEEKDAYS, number_words
from raftops.answer.claims.verdicts import misanswered, yes_or_no
from raftops.answer.claims.words import Word, alike, plain, words
from raftops.data.records import Unit

Kind = Literal["number", "date", "name", "yes or no", "words"]
LOOKED_AT = 15
"""Candidates that are held against the first, from the first on."""
SAME_WORDS = 0.6
"""Share of the shorter sentence's words that stand in both, in a row, from which one is a near copy of the other."""
SAME_TEXT = 0.8
"""The same share of all words, from which the one differs in a word or two."""
OWN_WORDS = 0.15
"""Most of a near copy's words that may be its own, beside the value: more, and it speaks of another case."""
LEAST = 3
"""Words that two sentences, or a question and a text, must share at least."""
ECHO = 0.75
"""Share of the question's words that stand in a row in a text from which it repeats the question."""
WHOLE = 0.9
"""The same share of the words that carry meaning, of a question with more than three of them."""
COVERED = 0.8
"""Share of the question's words in a text, in any order, from which it is likely to be made of them."""
ON_TOPIC = 0.4
"""Least share of the question's words in what such a text is held against."""
BARE = 6
"""Most words of an echo beside the question's for it to be a bare value."""
LEFT = 3
"""Of what is left beside an echo, the units that are compared."""
_PAST = re.compile(r"\b(?:superseded|obsolete|withdrawn|archived?|outdated|repealed|außer Kraft|überholt)\b", re.I)
"""A heading that says of its document that another took its place."""
_YES_NO = re.compile(
    r"^(?:[^?]*,\s*)?(?:is|are|am|was|were|do|does|did|can|could|may|might|must|shall|should|will|would|has|have|had|"
    r"ist|sind|darf|dürfen|kann|können|muss|müssen|soll|gibt|hat|haben|wird|werden)\b", re.IGNORECASE
)  # fmt: skip
_OPEN = re.compile(r"\b(what|which|who|whom|whose|when|where|why|how|welche\w*|wer|wem|wen|wann|wo|warum|wie)\b", re.I)
_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("number", re.compile(
        r"\bhow\s+(?:many|much|long|often|far|old|fast|quickly|soon|high|big|large|late|early|tall|wide|deep)\b"
        r"|\b(?:number|cost|price|rate|limit|amount|percentage|share|age|fee|maximum|minimum|worth|budget)\b"
        r"|\bwie\s?(?:viele?|lange|oft|weit|alt|schnell|hoch|groß|teuer)\b", re.I)),
    ("date", re.compile(
        r"\b(?:when|what (?:time|date|day|year|month)|which (?:day|date|year|month)|by which|until|deadline|latest|wann"
        r"|bis)\b", re.I)),
    ("name", re.compile(r"\b(?:who|whom|whose|where|which|what|name|wer|wem|wen|wo|wohin|welche[rsnm]?)\b", re.I)),
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """What two units say of one question that cannot both be right."""

    kind: Kind
    says: str
    """What the first says, in its words."""
    other: str


@dataclass(frozen=True)
class Rival:
    """A unit that says something else."""

    unit: Unit
    difference: Difference


def asks_only(unit: Unit) -> bool:
    """Whether a unit is a question and nothing else: it answers none."""
    return " ".join(unit.text.split()).rstrip("\"'*_)\u201d ").endswith("?")


def rivals(
    first: Unit,
    others: Sequence[Unit],
    question: str,
    language: str = "english",
    answerable: Callable[[Sequence[Unit]], bool] = bool,
) -> list[Rival]:
    """Those of the other candidates, best first, that answer the question differently; one of each document.

    `answerable` says whether units answer the question by themselves.
    """
    found: dict[str, Rival] = {}
    looked = [unit for unit in others[:LOOKED_AT] if unit.start != first.start or unit.doc_id != first.doc_id]
    for unit in looked:
        if not other_case(first, unit, question, language):
            copied = near_copy(first, unit, language)
            if copied:
                found.setdefault(unit.doc_id, Rival(unit, copied))
    for rival in _beside_an_echo(first, looked, question, language, answerable):
        found.setdefault(rival.unit.doc_id, rival)
    return sorted(found.values(), key=lambda rival: looked.index(rival.unit))


def _beside_an_echo(
    first: Unit,
    looked: Sequence[Unit],
    question: str,
    language: str,
    answerable: Callable[[Sequence[Unit]], bool],
) -> list[Rival]:
    """What differs from a unit that repeats the question, among the best of what neither repeats it nor agrees."""
    verbatim = echoes(first, looked, question, language)
    if not verbatim and not covers(first, question, language):
        return []
    own = {w.stem for w in _weighty(first.text, language)} - {w.stem for w in _weighty(question, language)}
    left = [
        unit for unit in looked
        if unit.doc_id != first.doc_id and not asks_only(unit)
        and not _PAST.search(unit.heading) and not echoes(unit, looked, question, language)
        and not elsewhere(question, f"{unit.heading} | {unit.text}", language)
    ]  # fmt: skip
    if not verbatim:  # its words alone are a weak sign: what is left has to answer, and to speak of the same
        left = [
            unit for unit in left
            if shared(unit, question, language) >= ON_TOPIC and _numbered(first, question) <= _numbered(unit, question)
        ]  # fmt: skip
        if not left or not answerable(left):
            return []
    apart = [u for u in left if not own or not own <= {w.stem for w in _weighty(u.text, language)}]
    told = [
        Rival(unit, found) for unit in apart[:LEFT]
        if (found := difference(first, unit, question, language)) and (verbatim or _wanted(found.kind, question))
    ]  # fmt: skip
    bare = len(own) <= BARE and (bool(own) or _closed(question))
    if told or not bare or not apart or len(apart) < len(left[:LEFT]) or not answerable(apart):
        return told
    backed = any(_backs(first, unit, own, question, language) for unit in left[:LEFT])
    return [] if backed else [Rival(apart[0], Difference("words", first.text, apart[0].text))]


def _numbered(unit: Unit, question: str) -> set[str]:
    """The numbers of a question that a unit names: a year, a paragraph."""
    return {n for n in re.findall(r"\d+", question) if re.search(rf"\b{n}\b", f"{unit.heading} {unit.text}")}


def _wanted(kind: Kind, question: str) -> bool:
    """Whether a question asks for a value of a kind, as far as its words tell."""
    kinds = [name for name, pattern in _KINDS if pattern.search(question)]
    return kind in kinds or not kinds or _closed(question)


def covers(unit: Unit, question: str, language: str) -> bool:
    """Whether a unit's text alone has nearly all words of a question that carry meaning, in whatever order."""
    asked, told = ({w.stem for w in _weighty(text, language)} for text in (question, unit.text))
    return len(asked) >= LEAST and len(asked & told) >= COVERED * len(asked)


def shared(unit: Unit, question: str, language: str) -> float:
    """Share of a question's words that a unit with its heading has."""
    asked, told = ({w.stem for w in _weighty(t, language)} for t in (question, f"{unit.heading} {unit.text}"))
    return len(asked & told) / len(asked) if asked else 0.0


def _backs(first: Unit, unit: Unit, own: set[str], question: str, language: str) -> bool:
    """Whether a unit says what a bare value says."""
    if _closed(question):
        verdict = _verdict(plain(first.text), language)
        text, other = plain(unit.text), "no" if verdict == "yes" else "yes"
        return not verdict or bool(
            misanswered(other, "", text, question, language) and not misanswered(verdict, "", text, question, language)
        )
    return bool(own & {w.stem for w in _weighty(unit.text, language)})


def echoes(unit: Unit, others: Sequence[Unit], question: str, language: str) -> bool:
    """Whether a unit, its heading, or a question of its passage beside it, repeats the question nearly word for word.

    All words count, those that ask among them: a plain answer shares the words that carry meaning with its question.
    """
    beside = [o.text for o in others if o.passage_id == unit.passage_id and asks_only(o)]
    asked, weighty = ([w.stem for w in read(question, language)] for read in (_words, _weighty))
    return any(
        _run(asked, [w.stem for w in _words(text, language)]) >= ECHO * len(asked) > LEAST * ECHO
        or (len(weighty) > LEAST and _run(weighty, [w.stem for w in _weighty(text, language)]) >= WHOLE * len(weighty))
        for text in (f"{unit.heading} {unit.text}", *beside)
    )


def _run(asked: Sequence[str], told: Sequence[str]) -> int:
    return SequenceMatcher(None, asked, told, autojunk=False).find_longest_match().size


def _words(text: str, language: str) -> list[Word]:
    return list(words(plain(" ".join(text.split())), language))


def _weighty(text: str, language: str) -> list[Word]:
    return [w for w in words(plain(" ".join(text.split())), language) if w.content or w.low[0].isdigit()]


def other_case(first: Unit, other: Unit, question: str, language: str) -> str:
    """What tells two units apart as rules of different cases; empty where nothing does."""
    mine, theirs = (words(plain(f"{unit.heading} | {unit.text}"), language) for unit in (first, other))
    if _PAST.search(other.heading) and not _PAST.search(f"{first.heading} {question}"):
        return "a document of the past"
    here, there = countries(mine), countries(theirs)
    if here and there and not here & there:
        return "another country"
    row = first.locator.table_header
    if (row or " | " in first.text) and " | " in other.text:
        head, behind = (plain(unit.text).partition("|")[0].strip().lower() for unit in (first, other))
        if head != behind:
            return "another row"
    asked = {w.stem for w in words(plain(question), language) if w.content or w.low[0].isdigit()}
    mine_only = {w.stem for w in mine} - {w.stem for w in theirs}
    told = {w.stem for w in names(mine, language)} | {w.stem for w in mine if w.low[0].isdigit()}
    others_own = {w.stem for w in (*names(theirs, language), *(w for w in theirs if w.low[0].isdigit()))}
    named = asked & mine_only & told
    return "what is asked by name" if named and others_own - {w.stem for w in mine} else ""


def near_copy(first: Unit, other: Unit, language: str) -> Difference | None:
    """Where one is the other with another value in it."""
    mine, theirs = plain(" ".join(first.text.split())), plain(" ".join(other.text.split()))
    every = [[w.stem for w in words(text, language)] for text in (mine, theirs)]
    if min(map(len, every)) > LEAST and _in_common(*every) >= SAME_TEXT * min(map(len, every)):
        return _changed(mine, theirs, language, once=first.doc_id == other.doc_id)
    if first.doc_id == other.doc_id:  # the rules of one page are worded alike
        return None
    left, right = _kept(mine, language), _kept(theirs, language)
    short = min(len(left), len(right))
    if short < LEAST or _in_common(left, right) < max(LEAST, SAME_WORDS * short):
        return None
    own = [len([s for s in a if s not in b]) / len(a) for a, b in ((left, right), (right, left))]
    return _changed(mine, theirs, language) if min(own) <= OWN_WORDS else None


def _in_common(left: Sequence[str], right: Sequence[str]) -> int:
    return sum(block.size for block in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks())


def _kept(text: str, language: str) -> list[str]:
    """Stems of the words that are no value: neither number, date, name nor denial."""
    said = words(text, language)
    told = figures(text, language)
    spans = [(q.start, q.end) for q in told.quantities if not q.implied] + [(m.start, m.end) for m in told.moments]
    named = {w.start for w in names(said, language)}
    return [w.stem for w in said if w.content and w.start not in named and not any(a <= w.start < b for a, b in spans)]


def _changed(mine: str, theirs: str, language: str, once: bool = False) -> Difference | None:
    """What of two near copies is not the same, be it asked for or not; twice is another case where it may be `once`."""
    left, right = words(mine, language), words(theirs, language)
    turned = flipped(mine, theirs, language) or len(negators(left, language)) % 2 != len(negators(right, language)) % 2
    if turned or _loosened(left, right, language) or _loosened(right, left, language):
        return Difference("yes or no", mine, theirs)
    values = _value_words(mine, language), _value_words(theirs, language)
    matcher = SequenceMatcher(None, [w.stem for w in left], [w.stem for w in right], autojunk=False)
    changes = matcher.get_opcodes()
    if once and sum(change == "replace" for change, *_ in changes) > 1:
        return None
    for change, a, b, c, d in changes:
        old, new = [w for w in left[a:b] if w.start in values[0]], [w for w in right[c:d] if w.start in values[1]]
        if change == "replace" and old and new and {w.stem for w in old} != {w.stem for w in new}:
            told = any(q.start <= w.start < q.end for q in figures(mine, language).quantities for w in old)
            if not (told and _same_value(mine, theirs, language)):
                said, other = " ".join(w.text for w in old), " ".join(w.text for w in new)
                return Difference("number" if told else "name", said, other)
    return None


def _loosened(left: Sequence[Word], right: Sequence[Word], language: str) -> bool:
    """Whether one binds (must) where the other allows (may)."""
    strong, weak = set(table("strong", language)), set(table("weak", language))
    here, there = {w.low for w in left}, {w.low for w in right}
    return bool(here & strong) and not there & strong and bool(there & weak) and not here & weak


def _same_value(mine: str, theirs: str, language: str) -> bool:
    """Whether all numbers of one are the other's, written in another way: two weeks, 14 days."""
    left, right = ([q for q in figures(t, language).quantities if not q.implied] for t in (mine, theirs))
    return len(left) == len(right) and all(any(q.equals(o) for o in right) for q in left)


def _value_words(text: str, language: str) -> set[int]:
    """Where the words of a text begin that are numbers, dates or names."""
    said, told = words(text, language), figures(text, language)
    spans = [(q.start, q.end) for q in told.quantities if not q.implied] + [(m.start, m.end) for m in told.moments]
    dated = {*MONTHS["english"].split(), *WEEKDAYS["english"].split(), *number_words(language)}
    inside = {w.start for w in said if any(a <= w.start < b for a, b in spans) or w.low[0].isdigit() or w.low in dated}
    heads = {
        w.start for w in said if w.first and w.content and w.text[:1].isupper()
    }  # there a name looks like any word
    return inside | heads | {w.start for w in names(said, language)}


def difference(unit: Unit, other: Unit, question: str, language: str = "english") -> Difference | None:
    """What two units that answer a question disagree in; None where they agree, or cannot be compared."""
    mine, theirs = (plain(" ".join(one.text.split())) for one in (unit, other))
    if _closed(question):
        return _opposite(mine, theirs, question, language)
    wanted: list[Kind] = [kind for kind, pattern in _KINDS if pattern.search(question)]
    compare = {"number": _numbers, "date": _dates, "name": _names}
    for kind in [*wanted, *(kind for kind, _ in _KINDS if kind not in wanted and (kind != "name" or not wanted))]:
        agree, told = compare[kind](mine, theirs, question, language)
        if agree or told:
            return None if agree else told
    return None


def _closed(question: str) -> bool:
    """Whether yes or no answers a question."""
    last = re.split(r"(?<=[.!?])\s+", question.strip())[-1]
    return bool(_YES_NO.match(last)) and not _OPEN.match(last)


def _opposite(mine: str, theirs: str, question: str, language: str) -> Difference | None:
    said, other = _verdict(mine, language), _verdict(theirs, language)
    if said and other:
        return Difference("yes or no", said, other) if said != other else None
    if said or other:
        against = misanswered(said or other, "", theirs if said else mine, question, language)
        return Difference("yes or no", said or mine, other or theirs) if against else None
    if flipped(mine, theirs, language) or flipped(theirs, mine, language):
        return Difference("yes or no", mine, theirs)
    agree, told = _numbers(mine, theirs, question, language)
    return None if agree else told


def _verdict(text: str, language: str) -> str:
    """A yes or no at the head of a text, or behind a question in it."""
    tail = re.sub(r'^[\s"\'|:]*(?:the answer)?\s*(?:is)?[\s:|"]*', "", text[text.rfind("?") + 1 :], flags=re.IGNORECASE)
    bare = tail.strip(' .!|"*').lower()
    return yes_or_no(tail, language)[0] or (bare if bare in ("yes", "no") else "")


Compared = tuple[bool, Difference | None]
"""Whether two texts agree, and what they disagree in; neither where there is nothing to compare."""


def _numbers(mine: str, theirs: str, question: str, language: str) -> Compared:
    asked = figures(plain(question), language).quantities
    left, right = (
        [q for q in figures(text, language).quantities if not q.implied and not any(q.equals(a) for a in asked)]
        for text in (mine, theirs)
    )
    pairs = [(q, o) for q in left for o in right if _comparable(q, o)]
    if not pairs:
        return False, None
    if any(q.equals(o) for q, o in pairs):
        return True, None
    q, o = pairs[0]
    return False, Difference("number", _worded(q, mine), _worded(o, theirs))


def _comparable(q: Quantity, o: Quantity) -> bool:
    left, right = (KINDS[one.kind][0] if one.kind else "" for one in (q, o))
    return left == right or not left or not right or {left, right} <= {"seconds", "days", "months"}


def _worded(q: Quantity, text: str) -> str:
    return re.split(r"[.,;:|]\s", text[q.start : q.end + 16])[0].rsplit(" ", 1)[0].strip() or q.text


def _dates(mine: str, theirs: str, question: str, language: str) -> Compared:
    asked = figures(plain(question), language).moments
    left, right = (
        [m for m in figures(text, language).moments if not any(a.shows(m) for a in asked)] for text in (mine, theirs)
    )
    pairs = [(m, o) for m in left for o in right if _shape(m) & _shape(o)]
    if not pairs:
        return False, None
    if any(m.shows(o) or o.shows(m) for m, o in pairs):
        return True, None
    return False, Difference("date", pairs[0][0].text, pairs[0][1].text)


def _shape(moment: Moment) -> set[str]:
    return {name for name in ("year", "month", "weekday", "minutes") if getattr(moment, name) is not None}


def _names(mine: str, theirs: str, question: str, language: str) -> Compared:
    asked = [w.stem for w in words(plain(question), language)]
    left, right = (
        [w for w in names(words(text, language), language) if not any(alike(w.stem, a) for a in asked)]
        for text in (mine, theirs)
    )
    if not left or not right:
        return False, None
    if any(alike(a.stem, b.stem) for a in left for b in right):
        return True, None
    return False, Difference("name", left[0].text, right[0].text)
