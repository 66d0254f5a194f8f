"""Examples that another document contradicts: a sentence nearly like a quote, with another value in it.

A cheap look by words, not a reader: only sentences that share most of a quote's words are compared, at most
`SENTENCES_MAX` of them altogether, and rules of another country, year or table row are passed over. What is worded
anew is not found here; `answer/conflicts.py` meets it when the question is asked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from raftops.answer.conflicts import near_copy, other_case
from raftops.answer.support import terms
from raftops.data.records import Example, Locator, Unit
from raftops.parsing.sentences import sentences

SENTENCES_MAX = 50_000
"""Sentences that are compared with quotes; of a larger corpus those of the first documents by id."""
NEAREST = 5
"""Sentences that are read for each quote."""
SHARED = 0.5
"""Least share of a quote's words in a sentence that is read."""
COMMON = 0.1
"""Share of the sentences from which a word is too common to look by."""
SHOWN = 160


@dataclass(frozen=True)
class Contradiction:
    """Where another document says otherwise."""

    doc_id: str
    line: int
    """Line of its parsed text, from 1."""
    sentence: str

    def __str__(self) -> str:
        said = self.sentence if len(self.sentence) <= SHOWN else f"{self.sentence[:SHOWN]}..."
        return f'{self.doc_id}, line {self.line} of its text, says otherwise: "{said}"'


class Sentences:
    """The sentences of all documents, by their words."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._units = list(_units(texts))
        self._by_word: dict[str, list[int]] = defaultdict(list)
        for number, unit in enumerate(self._units):
            for word in terms(unit.text):
                self._by_word[word].append(number)
        self._most = max(50, COMMON * len(self._units))

    def against(self, example: Example, language: str = "english") -> Contradiction | None:
        """The first sentence of another document that contradicts what proves an example."""
        for evidence in example.evidence:
            quote = " ".join(evidence.quote.split())
            said = Unit(0, quote, evidence.doc_id, "", _title(evidence.doc_id), "", "", -1, 0, Locator(), 0.0)
            words = terms(quote)
            found = Counter(n for w in words if len(self._by_word[w]) <= self._most for n in self._by_word[w])
            for number, shared in found.most_common(NEAREST):
                unit = self._units[number]
                if shared < SHARED * len(words) or unit.doc_id == evidence.doc_id:
                    continue
                if other_case(said, unit, example.asked, language):
                    continue
                if near_copy(said, unit, language):
                    return Contradiction(unit.doc_id, unit.locator.line or 1, " ".join(unit.text.split()))
        return None


def _units(texts: Mapping[str, str]) -> Iterator[Unit]:
    left = SENTENCES_MAX
    for doc_id in sorted(texts):
        at = 0
        for number, line in enumerate(texts[doc_id].split("\n"), 1):
            for start, end in sentences(line, 0, len(line)):
                left -= 1
                if left < 0:
                    return
                place = Locator(line=number)
                yield Unit(
                    0, line[start:end], doc_id, "", _title(doc_id), "", "", at + start, at + end, place, 0.0
                )  # fmt: skip
            at += len(line) + 1


def _title(doc_id: str) -> str:
    """A document's name as words: the country or the year of a rule often stands nowhere else."""
    return PurePosixPath(doc_id).stem.replace("-", " ").replace("_", " ").title()
