"""When are two questions the same? Case, punctuation, accents' encoding and white space do not count."""

from __future__ import annotations

import re
import unicodedata

from raftops.data.records import Example
from raftops.files import sha256_text

_APART = re.compile(r"[\W_]+")


def normalised(question: str) -> str:
    """A question without what does not count. Symbols are all there is in some; those are kept as they are."""
    folded = unicodedata.normalize("NFKC", question).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    return _APART.sub(" ", folded).strip() or folded.strip()


def question_key(example: Example) -> str:
    """Equal for examples that ask the same: a hash, so that it can be shown. System messages do not count."""
    turns = [m.content for m in example.messages if m.role != "system"]
    asked = turns if turns and not example.question else [*turns, example.question]
    return sha256_text(" ".join(map(normalised, asked)))[:24]
