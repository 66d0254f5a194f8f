"""What must not be seen, and where it is seen: the documents' own words are the canaries, nothing has to be planted.

A canary is a run of six words that stands in a document closed to a reader and in none that is open to it. One of them
in anything that the reader gets is a leak, whatever its way: answer, citation, error, header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as parquet

RUN = 6
"""Words of a canary. Five are said by chance ("is paid with the salary of"); of seven a short sentence has none."""
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Text:
    """An indexed document, as the index has it."""

    doc_id: str
    title: str
    text: str
    policy_id: str

    def sentences(self) -> list[str]:
        """Lines and sentences that are long enough to hold a canary."""
        pieces = re.split(r"(?<=[.!?])\s+|\n+", self.text)
        return [piece.strip() for piece in pieces if len(WORD.findall(piece)) >= RUN + 2]


def indexed_texts(index: Path) -> Iterator[Text]:
    """The documents of a built index, in its order."""
    with parquet.ParquetFile(index / "documents.parquet") as file:
        for rows in file.iter_batches(64, columns=["doc_id", "title", "text", "policy_id"]):
            for row in rows.to_pylist():
                yield Text(row["doc_id"], row["title"] or "", row["text"], row["policy_id"] or "")


class Canaries:
    """What one reader must not see of some closed documents."""

    def __init__(self, closed: Iterable[Text], opened: Iterable[Text]) -> None:
        """`closed` are held in memory; `opened` are read once, and take away what everybody may see."""
        closed = list(closed)
        self._owner = {run: document.doc_id for document in closed for run in runs(document.text)}
        self._names = {document.doc_id for document in closed}
        for document in opened:
            for run in runs(document.text):
                self._owner.pop(run, None)

    def __len__(self) -> int:
        return len(self._owner)

    def in_text(self, text: str, said: str = "") -> frozenset[str]:
        """The closed documents that a text gives away, by words or by name. What the reader `said` itself counts for
        nothing: an echo tells nothing new."""
        known = set(runs(said))
        words = {self._owner[run] for run in runs(text) if run in self._owner and run not in known}
        return frozenset(words | {name for name in self._names if name in text and name not in said})


def runs(text: str) -> Iterator[tuple[str, ...]]:
    """Every run of so many words, without case and punctuation."""
    words = WORD.findall(text.casefold())
    return zip(*(words[start:] for start in range(RUN)), strict=False)
