"""Is a quote verbatim? The one quote checker: it filters training labels and checks every citation that is served.

White-space runs, soft hyphens, curly and straight quotation marks and the variants of a dash count as equal, nothing
else: no case, no accents, no fuzziness. A quote begins and ends at the edge of a word, so "5 days" does not stand in
"25 days", nor in "1.5 days". Does not judge whether the quote supports anything.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Literal

Kind = Literal["found", "misattributed", "stitched", "fabricated"]

_SAME = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        "\u00ad": None,
    }
)
_EDGE = "\x1f"  # stands at both ends of every word; cannot come from a text, where it is white space
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_LETTERS = f"(?:[^\\W_{_UNSPACED}]|[\u0300-\u036f])"
_WORD = re.compile(f"{_LETTERS}+(?:(?:(?<=\\d)[.,](?=\\d)|(?<=[^\\W\\d_])'){_LETTERS}+)*")
_PIECE = re.compile(r"[^\s\u00ad]+")
_GAP = re.compile(r"\[ ?(?:\.{3,}|\u2026) ?\]|\( ?(?:\.{3,}|\u2026) ?\)|\.{3,}|\u2026")
_PARTS_MAX = 8
_PART_WORDS = 3
_AROUND = 64  # characters beside a place that show whether a quote there cuts a word or a number


@dataclass(frozen=True)
class Verdict:
    """What a quote turned out to be, and where it stands: `texts[doc_id][start:end]`.

    For a stitched quote the span reaches from its first part to its last; for a fabricated one it is empty.
    """

    kind: Kind
    doc_id: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class _Folded:
    """A text with everything folded away that does not count, and the way back to its characters."""

    marked: str
    starts: array[int]
    """Where each unbroken piece of the text begins."""
    counts: array[int]
    """Characters that count before each piece."""

    def find(self, needle: str) -> Iterator[tuple[int, int]]:
        """Offsets into the text of every place where a folded quote stands, first to last."""
        at = self.marked.find(needle)
        while at >= 0:
            before = _counted(self.marked[:at])
            yield self._place(before), self._place(before + _counted(needle) - 1) + 1
            at = self.marked.find(needle, at + 1)

    def _place(self, number: int) -> int:
        piece = bisect_right(self.counts, number) - 1
        return self.starts[piece] + number - self.counts[piece]


def _counted(marked: str) -> int:
    return len(marked) - marked.count(" ") - marked.count(_EDGE)


def _fold(text: str) -> str:
    return _WORD.sub(f"{_EDGE}\\g<0>{_EDGE}", " ".join(text.translate(_SAME).split()))


def _fold_whole(text: str) -> _Folded:
    spans = [m.span() for m in _PIECE.finditer(text)]
    counts = accumulate((end - start for start, end in spans[:-1]), initial=0)
    return _Folded(_fold(text), array("Q", (start for start, _ in spans)), array("Q", counts))


_folded = lru_cache(maxsize=8)(_fold_whole)
"""For documents, each of which is asked for many quotes."""


def _needle(quote: str) -> str | None:
    """A folded quote, or None for one too small to prove anything: empty, one character, no word."""
    folded = _fold(quote)
    return folded if _counted(folded) > 1 and any(c.isalnum() for c in folded) else None


def find_quote(quote: str, text: str) -> tuple[int, int] | None:
    """Exact (start, end) offsets of the first place where a quote stands verbatim in a text, or None."""
    needle = _needle(quote)
    return next(_folded(text).find(needle), None) if needle else None


def find_quote_at(quote: str, text: str, start: int, end: int) -> tuple[int, int] | None:
    """Exact offsets where a quote stands verbatim within `text[start:end]`, or None.

    Reads that place and what shows whether a word or a number is cut there, not the text: what is served is checked
    while somebody waits, and the text may be a book.
    """
    needle, first = _needle(quote), max(0, start - _AROUND)
    if not needle or not 0 <= start < end:
        return None
    near = _fold_whole(text[first : end + _AROUND]).find(needle)
    places = ((first + begin, first + stop) for begin, stop in near)
    return next((place for place in places if start <= place[0] and place[1] <= end), None)


def check_quotes(claims: Sequence[tuple[str, str]], texts: Mapping[str, str]) -> list[Verdict]:
    """Judge (quote, doc_id) claims, each a quote that is said to stand in that document.

    Each text is read once for its own quotes, and once more only while quotes are left that did not stand where they
    should. Only `texts` is looked at: give it nothing that the reader of a verdict may not read.
    """
    verdicts: dict[int, Verdict] = {}
    for number, (quote, doc_id) in sorted(enumerate(claims), key=lambda claim: claim[1][1]):  # one document at a time
        if doc_id in texts:
            _note(verdicts, number, "found", doc_id, find_quote(quote, texts[doc_id]))
    left = [n for n in range(len(claims)) if n not in verdicts and _needle(claims[n][0])]
    for doc_id in texts if left else ():
        text = texts[doc_id]
        left = [n for n in left if n not in verdicts]
        for number in left:
            _note(verdicts, number, "misattributed", doc_id, find_quote(claims[number][0], text))
    for number in (n for n in left if n not in verdicts and claims[n][1] in texts):
        quote, doc_id = claims[number]
        _note(verdicts, number, "stitched", doc_id, _stitched(quote, texts[doc_id]))
    return [verdicts.get(n) or Verdict("fabricated", doc_id) for n, (_, doc_id) in enumerate(claims)]


def _note(verdicts: dict[int, Verdict], number: int, kind: Kind, doc_id: str, span: tuple[int, int] | None) -> None:
    if span:
        verdicts[number] = Verdict(kind, doc_id, *span)


def _stitched(quote: str, text: str) -> tuple[int, int] | None:
    """The span over all parts of a quote that is made of verbatim parts, joined by "..." or by nothing."""
    spans: list[tuple[int, int]] = []
    for part in (p for p in _GAP.split(" ".join(quote.split())) if p.strip()):
        found = find_quote(part, text)
        pieces = [found] if found else _cover(part.split(), text)
        spans += pieces
        if not pieces or len(spans) > _PARTS_MAX:
            return None
    return (min(s for s, _ in spans), max(e for _, e in spans)) if len(spans) > 1 else None


def _cover(words: list[str], text: str) -> list[tuple[int, int]]:
    """Few verbatim pieces of at least three words that together are the quote, or nothing."""
    sizes: list[int] = []
    rest = words
    while rest and len(sizes) < _PARTS_MAX:
        size = _longest_prefix(rest, text)
        if size < _PART_WORDS and sizes:
            taken = _PART_WORDS - len(rest)  # a short tail borrows words from the piece before it
            if taken <= 0 or sizes[-1] - taken < _PART_WORDS:
                return []
            sizes[-1] -= taken
            rest, size = words[sum(sizes) :], _PART_WORDS
        if size < _PART_WORDS:
            return []
        sizes.append(size)
        rest = rest[size:]
    ends = list(accumulate(sizes))
    pieces = [find_quote(" ".join(words[end - size : end]), text) for end, size in zip(ends, sizes, strict=True)]
    return [p for p in pieces if p] if not rest and all(pieces) else []


def _longest_prefix(words: list[str], text: str) -> int:
    """How many leading words stand verbatim in a text, by halving: a prefix of a verbatim prefix is verbatim."""
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if find_quote(" ".join(words[:middle]), text):
            low = middle
        else:
            high = middle - 1
    return low
