"""BM25 (Robertson and Zaragoza, 2009): what a term weighs in a passage, and as sparse vectors for a Milvus server.

A server's vectors carry the mean length of all passages; the idf in the query is of what the caller may read.

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

import numpy as np
import numpy.typing as npt
import snowballstemmer

from raftops.errors import IndexUnusable, StepError
from raftops.files import read_json, write_json
from raftops.retrieval.scope import Scope
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
Counts = npt.NDArray[np.integer]
Weights = npt.NDArray[np.float64]


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


def idf(rows: int, frequency: int) -> float:
    """How much a term counts that `frequency` of `rows` rows hold."""
    return math.log(1 + (rows - frequency + 0.5) / (frequency + 0.5))


def saturated(counts: Counts, lengths: Counts, mean: float, config: Bm25) -> Weights:
    """How much a term counts in rows of these lengths that hold it so often."""
    norm = config.k1 * (1 - config.b + config.b * np.asarray(lengths) / (mean or 1.0))
    return np.asarray(counts * (config.k1 + 1) / (counts + norm))


@dataclass
class Statistics:
    """Of the rows of one policy."""

    rows: int = 0
    length: int = 0
    """Terms in all rows."""
    frequency: Counter[int] = field(default_factory=Counter)
    """Rows that hold a term, by term id."""


@dataclass
class Bm25Encoder:
    """Statistics of one corpus by policy, and the vectors made with them. The file of them stays on the server."""

    config: Bm25
    policies: dict[str, Statistics] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows counted."""
        return sum(held.rows for held in self.policies.values())

    @property
    def length(self) -> int:
        """Terms in all rows."""
        return sum(held.length for held in self.policies.values())

    def count(self, texts: Iterable[str], policy: str = "") -> None:
        """Add rows to the statistics; all of them must be counted before the first vector is made."""
        held = self.policies.setdefault(policy, Statistics())
        for text in texts:
            ids = term_ids(text, self.config.language)
            held.rows += 1
            held.length += len(ids)
            held.frequency.update(set(ids))

    def document(self, text: str) -> Sparse:
        """What a row carries; never empty."""
        ids = term_ids(text, self.config.language)
        mean = self.length / self.rows if self.length else 1.0
        held = Counter(ids)
        weights = saturated(np.array([*held.values()]), np.array(len(ids)), mean, self.config)
        return dict(zip(held, map(float, weights), strict=True)) or {EMPTY: 1.0}

    def query(self, text: str, scope: Scope | None = None) -> Sparse:
        """The idf of each term of a question, by the rows of a scope's policies; without a scope, by all rows.

        Documents that moved since the index was made are counted where they were.
        """
        readable = [held for name, held in self.policies.items() if scope is None or name in scope.policies]
        rows = sum(held.rows for held in readable)
        frequency = {
            i: sum(held.frequency[i] for held in readable) for i in sorted({*term_ids(text, self.config.language)})
        }
        return {i: idf(rows, held) for i, held in frequency.items() if held or (scope and scope.also)}

    def save(self, path: Path) -> None:
        """Write the statistics."""
        policies = {
            name: {
                "rows": held.rows,
                "length": held.length,
                "frequency": {str(k): v for k, v in sorted(held.frequency.items())},
            }
            for name, held in sorted(self.policies.items())
        }
        write_json(path, {"config": self.config.model_dump(), "policies": policies})


def load_bm25(path: Path) -> Bm25Encoder:
    """Read what `save` wrote.

    Raises:
        IndexUnusable: it is missing, or was written before statistics were kept by policy.
    """
    if not path.is_file():
        raise IndexUnusable(f"{path}: missing", next_step="run the index step again")
    saved = read_json(path)
    if "policies" not in saved:
        raise IndexUnusable(f"{path}: of an earlier version", next_step="run the index step again")
    policies = {
        name: Statistics(held["rows"], held["length"], Counter({int(k): int(v) for k, v in held["frequency"].items()}))
        for name, held in saved["policies"].items()
    }
    return Bm25Encoder(Bm25(**saved["config"]), policies)


def dot(left: Sparse, right: Sparse) -> float:
    """Inner product: the BM25 score of a query and a row."""
    return sum(weight * right[i] for i, weight in left.items() if i in right)
