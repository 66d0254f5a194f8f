"""BM25 as sparse vectors (Robertson and Zaragoza, 2009): term weights in the passages, idf in the query.

Words are Unicode words, lower-cased, stop words out, stemmed (Snowball). Scripts without spaces are not segmented.
A term's id is a 32-bit hash: at 100,000 terms about one pair shares an id, and then counts as one term.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock

import snowballstemmer

from raftops.errors import IndexUnusable, StepError
from raftops.files import read_json, write_json
from raftops.retrieval.stopwords import STOP_WORDS
from raftops.spec.model.knowledge import Bm25

WORD = re.compile(r"\w+(?:['’]\w+)?")
LAST_ID = 2**32 - 1
"""Reserved by Milvus; ids are below it."""
EMPTY = 0
"""The id that a passage without any term carries: Milvus refuses an empty vector. No term has it."""

_STEMMING = Lock()
"""A stemmer keeps the word in itself: two threads in one stem each other's, and what comes out of it is cached."""

Sparse = dict[int, float]


@lru_cache(maxsize=1 << 17)
def stem(word: str, language: str) -> str:
    """The Snowball stem of a word in lower case."""
    with _STEMMING:
        return str(_stemmer(language).stemWord(word))


@lru_cache(maxsize=8)
def _stemmer(language: str) -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer(language)


@lru_cache(maxsize=1 << 17)
def _term_id(term: str) -> int:
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=4).digest()) % (LAST_ID - 1) + 1


def check_language(language: str) -> None:
    """Raise `StepError` where there is no such stemmer."""
    if language != "none" and language not in snowballstemmer.algorithms():
        known = ", ".join(snowballstemmer.algorithms())
        raise StepError(f"index.bm25.language: no stemmer {language!r}", next_step=f"use none or one of: {known}")


def terms(text: str, language: str) -> list[str]:
    """The terms of a text, in order, repeated as often as they occur."""
    words = (w.replace("’", "'").removesuffix("'s") for w in WORD.findall(text.lower()))
    if language == "none":
        return list(words)
    stop = STOP_WORDS.get(language, frozenset())
    return [stem(w, language) for w in words if w not in stop]


def term_ids(text: str, language: str) -> list[int]:
    """The ids of a text's terms."""
    return [_term_id(t) for t in terms(text, language)]


@dataclass
class Bm25Encoder:
    """Statistics of one corpus, and the vectors made with them. The file of them stays on the server."""

    config: Bm25
    rows: int = 0
    length: int = 0
    """Terms in all rows."""
    frequency: Counter[int] = field(default_factory=Counter)
    """Rows that hold a term, by term id."""

    def count(self, texts: Iterable[str]) -> None:
        """Add rows to the statistics; all of them must be counted before the first vector is made."""
        for text in texts:
            ids = term_ids(text, self.config.language)
            self.rows += 1
            self.length += len(ids)
            self.frequency.update(set(ids))

    def document(self, text: str) -> Sparse:
        """What a row carries; never empty."""
        ids = term_ids(text, self.config.language)
        mean = self.length / self.rows if self.length else 1.0
        norm = self.config.k1 * (1 - self.config.b + self.config.b * len(ids) / mean)
        weights = {i: tf * (self.config.k1 + 1) / (tf + norm) for i, tf in Counter(ids).items()}
        return weights or {EMPTY: 1.0}

    def query(self, text: str) -> Sparse:
        """What a question asks for: idf of each term that the corpus has; empty where it has none."""
        ids = set(term_ids(text, self.config.language))
        return {i: self._idf(self.frequency[i]) for i in sorted(ids) if i in self.frequency}

    def _idf(self, frequency: int) -> float:
        return math.log(1 + (self.rows - frequency + 0.5) / (frequency + 0.5))

    def save(self, path: Path) -> None:
        """Write the statistics."""
        terms_ = {str(k): v for k, v in sorted(self.frequency.items())}
        write_json(
            path, {"config": self.config.model_dump(), "rows": self.rows, "length": self.length, "frequency": terms_}
        )


def load_bm25(path: Path) -> Bm25Encoder:
    """Read what `save` wrote."""
    if not path.is_file():
        raise IndexUnusable(f"{path}: missing", next_step="run the index step again")
    saved = read_json(path)
    counts = Counter({int(k): int(v) for k, v in saved["frequency"].items()})
    return Bm25Encoder(Bm25(**saved["config"]), saved["rows"], saved["length"], counts)


def dot(left: Sparse, right: Sparse) -> float:
    """Inner product: the BM25 score of a query and a row."""
    return sum(weight * right[i] for i, weight in left.items() if i in right)
