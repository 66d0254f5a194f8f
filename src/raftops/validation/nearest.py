"""What a text says nearest to a quote that does not stand in it, so that whoever wrote the quote sees what differs.

Nearness is the words that two sentences share; a text that has nothing near is not guessed at.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

LEAST = 0.6
"""Likeness from which a sentence is said to be near."""
LONGEST = 160
"""Characters of it that are shown."""
TEXT_MAX = 2_000_000
"""Characters of a text that are looked at."""
_SENTENCE = re.compile(r"[^\n.!?]+(?:[.!?](?!\s)[^\n.!?]*)*[.!?]?")


def nearest(quote: str, text: str) -> str:
    """`; nearest there: "..."`, with the first words that differ; nothing where nothing is near."""
    said = quote.split()
    known, best, found = set(said), 0.0, ""
    for match in _SENTENCE.finditer(text[:TEXT_MAX]):
        words = match[0].split()
        shared = len(known & set(words))
        if 2 * shared <= best * (len(known) + len(words)) * 0.8 or not words:
            continue
        ratio = SequenceMatcher(None, said, words, autojunk=False).ratio()
        if ratio > best:
            best, found = ratio, " ".join(words)
    if best < LEAST:
        return ""
    shown = found if len(found) <= LONGEST else f"{found[:LONGEST]}..."
    return f'; nearest there: "{shown}"{_difference(said, found.split())}'


def _difference(said: list[str], there: list[str]) -> str:
    """The first words that differ."""
    for kind, a, b, c, d in SequenceMatcher(None, said, there, autojunk=False).get_opcodes():
        if kind != "equal":
            ours, theirs = " ".join(said[a:b]), " ".join(there[c:d])
            return f' (there "{theirs}", in the quote "{ours}")' if ours and theirs else ""
    return ""
