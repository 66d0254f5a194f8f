"""How easily a text is read: Flesch's reading ease, by counted syllables. No dictionary."""

from __future__ import annotations

import re
from typing import Literal

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)|\n\s*\n|\n(?=\s*[-*•\d])")
_VOWELS = {"english": re.compile(r"[aeiouy]+"), "german": re.compile(r"ei|ie|ai|au|eu|äu|aa|ee|oo|[aeiouyäöü]")}
_SILENT = re.compile(r"(?<![aeiouy])(?<!l)e$|(?<![aeiouytd])ed$|(?<![aeiouysxzcg])es$")


def reading_ease(text: str, language: Literal["english", "german"]) -> float:
    """Flesch's formula for English (1948), Amstad's for German (1978); a text without words is as easy as it gets."""
    words = _WORD.findall(text)
    if not words:
        return 100.0
    sentences = sum(1 for part in _SENTENCE_END.split(text) if _WORD.search(part))
    length = len(words) / max(1, sentences)
    syllables = sum(syllables_of(word, language) for word in words) / len(words)
    return 206.835 - 1.015 * length - 84.6 * syllables if language == "english" else 180 - length - 58.5 * syllables


def syllables_of(word: str, language: Literal["english", "german"]) -> int:
    """Groups of vowels, in English without a silent e at the end."""
    spoken = word.lower()
    if language == "english" and len(spoken) > 3:
        spoken = _SILENT.sub("", spoken)
    return max(1, len(_VOWELS[language].findall(spoken)))
