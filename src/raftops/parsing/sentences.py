"""Sentences of a paragraph with exact offsets (nupunkt), never across paragraphs; very short ones join a neighbour."""

from __future__ import annotations

import nupunkt

WORDS_MIN = 4
Range = tuple[int, int]


def sentences(text: str, start: int, end: int) -> list[Range]:
    """Ranges of the sentences of `text[start:end]`, trimmed, in order, covering everything but white space."""
    found = [trimmed(text, start + a, start + b) for a, b in nupunkt.sent_spans(text[start:end])]
    return _without_fragments(text, [(a, b) for a, b in found if a < b])


def trimmed(text: str, start: int, end: int) -> Range:
    """The range without white space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def _without_fragments(text: str, ranges: list[Range]) -> list[Range]:
    """Join a very short sentence with the next one, or the last with the one before."""
    out: list[Range] = []
    pending: int | None = None
    for start, end in ranges:
        start = start if pending is None else pending
        pending = start if len(text[start:end].split(None, WORDS_MIN)) < WORDS_MIN else None
        if pending is None:
            out.append((start, end))
    if pending is not None:
        start = out.pop()[0] if out else pending
        out.append((start, ranges[-1][1]))
    return out
