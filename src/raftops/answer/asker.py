"""Who asks, as far as it helps to understand a question: claims of the verified token, told to retrieval as a boost.

Never a permission: what may be read is decided by policies, which pass through here unchanged. Where a question leaves
open whose rule it asks about, and what is found for it is divided by country (or department...), the asker's own is
assumed, added to the question in brackets, and said in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raftops.answer.countries import COUNTRIES
from raftops.data.records import Hit, Passage
from raftops.retrieval.protocols import Retriever
from raftops.spec.model.serving import BoostClaim

LOOKED_AT = 15
"""Passages by which it is judged whether what is found is divided by a claim."""
FIRST = 3
"""Of these, how many lead: where none of them is about one of the values, the question is not."""
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Claim:
    """What the token says of one kind: `country`, `department`."""

    kind: str
    shown: str
    """As answers write it."""
    names: tuple[str, ...]
    """What documents and questions call it."""
    others: tuple[str, ...] = ()
    """What they call other values of the kind, as far as the spec or the table of countries knows."""


@dataclass(frozen=True)
class Asker:
    """Somebody who asks. Has no bearing on what may be read."""

    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True)
class Assumed:
    """A question with what was assumed about it."""

    question: str
    values: Mapping[str, str]
    """By kind, as shown; empty where nothing was."""


NOBODY = Asker()


def asker_of(claims: Mapping[str, str], kinds: Mapping[str, BoostClaim]) -> Asker:
    """The asker by the claims of a verified token (by kind) and what the spec says about their values."""
    return Asker(tuple(_claim(kind, value, kinds[kind]) for kind, value in claims.items() if kind in kinds))


def _claim(kind: str, value: str, spec: BoostClaim) -> Claim:
    table = {key: called or (key,) for key, called in spec.values.items()}
    key = _entry(value, table)
    names = table.get(key, ()) if key else (value,)
    others = [name for other, called in table.items() if other != key for name in called]
    if code := next((found for name in (value, *names) if (found := _entry(name, COUNTRIES))), None):
        names = tuple(dict.fromkeys((*(names if key else ()), *COUNTRIES[code])))
        others += [name for other, called in COUNTRIES.items() if other != code for name in called]
    return Claim(kind, names[0], names, tuple(name for name in others if name not in names))


def _entry(value: str, table: Mapping[str, Sequence[str]]) -> str | None:
    """The key under which a value stands: the key itself or one of its names, case aside."""
    folded = value.casefold()
    return next((k for k, names in table.items() if folded in {n.casefold() for n in (k, *names)}), None)


def assume(question: str, asker: Asker, library: Retriever, policies: frozenset[str]) -> Assumed:
    """The question as it is searched for this asker.

    A claim is assumed where the question names no value of its kind and not the kind itself, and the first passages
    that are found for it, among those that the caller may read, are about one value or another.
    """
    hits: list[Hit] | None = None
    values: dict[str, str] = {}
    for claim in asker.claims:
        asked = _folded(question)
        if _names(asked, (claim.kind, *claim.names, *claim.others)) or _names(asked, (plural(claim.kind),)):
            continue
        if hits is None:
            hits = [h for h in library.search(question, policies, LOOKED_AT) if h.passage.policy_id in policies]
        found = [h.passage for h in hits]
        others = (*claim.others, *siblings(found, claim.names))
        if _names(asked, others) or names_their_place(question, found, claim.names):
            continue
        if is_divided(found, claim.names, others):
            values[claim.kind] = claim.shown
    if not values:
        return Assumed(question, {})
    end = "?" if question.rstrip().endswith("?") else ""
    return Assumed(f"{question.rstrip(' ?')} ({', '.join(values.values())}){end}", values)


def is_divided(found: Sequence[Passage], own: Sequence[str], others: Sequence[str]) -> bool:
    """Whether passages are about values of a kind: the first, most of the next, and the asker's own somewhere."""
    places = [_folded(place(passage)) for passage in found]
    about = [_names(where, (*own, *others)) for where in places[:FIRST]]
    return about[:1] == [True] and sum(about) * 2 > len(about) and any(_names(where, own) for where in places)


def siblings(found: Sequence[Passage], own: Sequence[str]) -> set[str]:
    """What stands in other titles where one title has the asker's value: "Leave in Germany", "Leave in Portugal"."""
    titles = {_folded(passage.title) for passage in found}
    values = set()
    for title in titles:
        for name in own:
            before, named, after = title.partition(_folded(name))
            if named and len(WORD.findall(before + after)) > 0:
                pattern = re.compile(re.escape(before) + r" (\w+(?: \w+)?) " + re.escape(after))
                values |= {match[1] for other in titles - {title} if (match := pattern.fullmatch(other))}
    return values


def names_their_place(question: str, found: Sequence[Passage], own: Sequence[str]) -> bool:
    """Whether the question has a proper name that only passages about others have: a city, a law, a club."""
    proper = [match[1] for match in re.finditer(r"(?<![.?!:])\s([A-ZÀ-Ý]\w{2,})", question.strip())]
    texts = [(_folded(place(passage)), _folded(f"{place(passage)} {passage.text}")) for passage in found]
    ours = [text for where, text in texts if _names(where, own)]
    theirs = [text for where, text in texts if not _names(where, own)]
    return any(
        any(_names(text, (name,)) for text in theirs) and not any(_names(text, (name,)) for text in ours)
        for name in proper
    )


def place(passage: Passage) -> str:
    """Where a passage stands, in words: its document, title and headings."""
    return " ".join((passage.doc_id, passage.title, *passage.locator.headings))


def plural(word: str) -> str:
    """The plural of an English noun, roughly: `countries`."""
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def _folded(text: str) -> str:
    """Words parted by single blanks, case-folded, with a blank at both ends: names are found as whole words."""
    return f" {' '.join(WORD.findall(text.replace('_', ' '))).casefold()} "


def _names(folded: str, names: Sequence[str]) -> bool:
    return any(_folded(name) in folded for name in names if name.strip())
