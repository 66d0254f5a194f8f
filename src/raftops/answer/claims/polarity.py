"""Does a claim say yes where its source says no? Negation, opposites, quantifiers and modals.

Works on words and their order, not on grammar: negation is compared where claim and source are nearly the same words,
between the same two words, and within the clause that shares most of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from raftops.answer.claims.alignment import aligned
from raftops.answer.claims.denials import DOUBLED, IDIOMS, PREFIXES, opposites, table
from raftops.answer.claims.words import Word, words

NEAR = 0.5
"""Share of a claim's words that stand in its source in a row, from which the gaps between them are compared."""


def negators(said: Sequence[Word], language: str) -> list[int]:
    """Places of the words that deny; not where they are part of a phrase that denies nothing ("no more than")."""
    known = table("neg", language)
    found = [n for n, w in enumerate(said) if (w.low in known or w.low == "n't")]
    if not found:
        return []
    lows = [w.low for w in said]
    # "No. 5" numbers something
    found = [n for n in found if not (said[n].text == "No" and n + 1 < len(said) and lows[n + 1][0].isdigit())]
    for idiom in IDIOMS.get(language, ()):
        parts = idiom.split()
        starts = {n - place for n in found for place, part in enumerate(parts) if lows[n] == part}
        wide = len(parts)
        idle = {s + n for s in starts if s >= 0 and lows[s : s + wide] == parts for n in range(wide)}
        found = [n for n in found if n not in idle]
    doubled = DOUBLED.get(language, ())
    return [n for n in found if lows[n] not in doubled] or found[:1]


def denials(said: Sequence[Word], language: str) -> int:
    """How often a text denies what it says; "without" and "except" deny a thing only."""
    return sum(said[n].low not in table("apart", language) for n in negators(said, language))


def clauses(said: Sequence[Word], text: str, language: str) -> list[list[Word]]:
    """A text's words by clause: cut at full stops, semicolons, bars, commas and words that begin a clause."""
    breaks, parts = table("breaks", language), [[]]  # type: tuple[frozenset[str], list[list[Word]]]
    for before, word in zip((None, *said), said, strict=False):
        between = text[before.start + len(before.text) : word.start] if before else ""
        cut = any(c in between for c in ".;:|()\n,") or word.low in breaks or word.low == "|"
        if cut and any(w.content for w in parts[-1]):
            parts.append([])
        parts[-1].append(word)
    return [part for part in parts if part]


def flipped(claim: str, source: str, language: str) -> str:
    """Where a claim denies what its source says, affirms what it denies, or says the opposite; empty if nowhere."""
    said, shown = words(claim, language), words(source, language)
    share, gaps = aligned(said, shown)
    limited = any(w.low in table("limiting", language) for w in said)  # "only with" is "never without"
    if share >= NEAR:
        for there, here in gaps:
            reason = _gap(there, here, language)
            if reason:
                return reason
        lost, added = ([w for gap in gaps for w in _deniers(gap[side], language)] for side in (0, 1))
        same = len(negators(said, language)) == len(negators(shown, language))  # it may only stand elsewhere
        if len(lost) % 2 != len(added) % 2 and not limited and not same:
            return f'drops "{lost[0].low}"' if len(lost) > len(added) else f'adds "{added[0].low}"'
    reason = _turned_at(said, shown, language, 'adds "{}"') or _turned_at(shown, said, language, 'drops "{}"')
    if reason:
        return reason
    return ("" if limited else opposed(said, shown, language)) or denied(said, shown, claim, source, language)


def _turned_at(said: Sequence[Word], other: Sequence[Word], language: str, reason: str) -> str:
    """A negation of one text between two words that the other has side by side, and never with one between."""
    apart = table("apart", language) | {"do", "does", "did"}
    pairs, denied = ({}, set())  # type: tuple[dict[tuple[str, str], int], set[tuple[str, str]]]
    for text, into in ((other, None), (said, denied)):
        places = set(negators(text, language))
        kept = [n for n, w in enumerate(text) if n not in places and w.low not in apart]
        for left, right in zip(kept, kept[1:], strict=False):
            pair = (text[left].stem, text[right].stem)
            between = [n for n in range(left + 1, right) if n in places]
            if into is None:
                pairs[pair] = max(pairs.get(pair, 0), len(between))
            elif between and pairs.get(pair) == 0:
                return reason.format(text[between[0]].low)
    return ""


def _deniers(gap: Sequence[Word], language: str) -> list[Word]:
    """The negations of a gap that stand alone: without words of their own that another wording may express."""
    places = negators(gap, language)
    return [gap[n] for n in places] if not any(w.content and n not in places for n, w in enumerate(gap)) else []


def _gap(there: Sequence[Word], here: Sequence[Word], language: str) -> str:
    """What stands in a gap of two nearly equal texts, if it turns the meaning."""
    denied = negators(there, language) or negators(here, language)
    for one, other in (("strong", "weak"), ("weak", "strong"), ("all", "some"), ("some", "all")):
        old = next((w.low for w in there if w.low in table(one, language)), "")
        new = next((w.low for w in here if w.low in table(other, language)), "")
        if old and new and not denied:
            return f'says "{new}" for "{old}"'
    for word in here:
        turned = next((w.low for w in there if w.low in opposites(language).get(word.low, ())), "")
        if turned and not (denied and {word.low, turned} & {"with", "ohne", "mit", "without"}):
            return f'says "{word.low}" for "{turned}"'
    return ""


def opposed(said: Sequence[Word], shown: Sequence[Word], language: str) -> str:
    """A word that the source has only as its opposite."""
    lows, stems = {w.low for w in shown}, {w.stem for w in shown}
    for word in said:
        if word.stem in stems or not word.weighty:
            continue
        for other in opposites(language).get(word.low, ()):
            if other in lows:
                return f'says "{word.low}" for "{other}"'
        for prefix in PREFIXES:
            bare, made = word.low.removeprefix(prefix).lstrip("-"), prefix + word.low
            if (bare != word.low and len(bare) > 3 and bare in lows) or made in lows:
                return f'says "{word.low}" for "{bare if bare in lows else made}"'
    return ""


def denied(said: Sequence[Word], shown: Sequence[Word], claim: str, source: str, language: str) -> str:
    """Whether the clause of the source that shares most of a clause's words denies where that one does not."""
    pieces = [(piece, _governed(piece, language)) for piece in clauses(shown, source, language)]
    for clause in clauses(said, claim, language):
        own, governed = {w.stem for w in clause if w.weighty}, _governed(clause, language)
        if len(own) < 3:
            continue
        shares = [len(own & {w.stem for w in piece}) for piece, _ in pieces]
        best = max(shares, default=0)
        if best < max(3, 0.6 * len(own)):
            continue
        near = [(piece, there) for share, (piece, there) in zip(shares, pieces, strict=True) if share >= best]
        affirmed = not any(there or negators(piece, language) for piece, there in near)
        if governed and affirmed and any(governed in {w.stem for w in piece} for piece, _ in near):
            return "denies what is said"
        if not governed and all(there in own for _, there in near):
            return "affirms what is denied"
    return ""


def _governed(clause: Sequence[Word], language: str) -> str:
    """The stem that a clause's one negation governs; empty where it denies nothing, or denies a denial."""
    core = [n for n in negators(clause, language) if clause[n].low not in table("apart", language)]
    if len(core) % 2 == 0:
        return ""
    behind, before = clause[core[0] + 1 :], clause[: core[0]][::-1]
    return next((w.stem for w in (*behind, *before) if w.weighty), "")
