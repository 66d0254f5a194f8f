"""Vectors kept: for one turn (`PerTurn`), a process (`Remembering`), between runs (`VectorCache`). Keys are hashes.

What is kept answers sooner, and time can be measured: a service keeps nothing from one caller's turn to the next.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np

from raftops.errors import IndexUnusable
from raftops.retrieval.protocols import Embedder, Vectors


def text_key(text: str) -> bytes:
    """What stands for a text: its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


TURN_TEXTS = 4096
"""Most vectors kept for one turn."""
TURN_DOCUMENTS = 16
"""Most texts of documents kept for one turn."""


@dataclass
class _Turn:
    vectors: OrderedDict[tuple[str, bytes], Vectors] = field(default_factory=OrderedDict)
    texts: OrderedDict[Hashable, str] = field(default_factory=OrderedDict)


_turn: ContextVar[_Turn | None] = ContextVar("turn", default=None)


@contextmanager
def one_turn() -> Iterator[None]:
    """Within it a question is embedded once, by whichever part asks first, and a document read once; then forgotten.

    A turn within a turn is the same one: a step that asks many questions for nobody in particular is one turn.
    """
    if _turn.get() is not None:
        yield
        return
    token = _turn.set(_Turn())
    try:
        yield
    finally:
        _turn.reset(token)


def text_of_turn(key: Hashable, read: Callable[[], str]) -> str:
    """A text that is read once a turn; outside of one, each time."""
    turn = _turn.get()
    if turn is None:
        return read()
    if key not in turn.texts:
        turn.texts[key] = read()
    turn.texts.move_to_end(key)
    if len(turn.texts) > TURN_DOCUMENTS:
        turn.texts.popitem(last=False)
    return turn.texts[key]


class PerTurn:
    """An `Embedder` that keeps vectors within `one_turn`, in its thread, and none outside of it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @property
    def name(self) -> str:
        """The name of the embedder inside."""
        return self._embedder.name

    def tokens(self, text: str) -> int:
        """As the embedder inside."""
        return self._embedder.tokens(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """As the embedder inside; only texts not seen in this turn are computed."""
        turn = _turn.get()
        if turn is None:
            return self._embedder.embed(texts)
        kept = turn.vectors
        keys = [(self.name, text_key(t)) for t in texts]
        found = {k: kept[k] for k in keys if k in kept}
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in found}
        if missing:
            made = dict(zip(missing, self._embedder.embed(list(missing.values())), strict=True))
            found |= made
            kept.update(made)
        while len(kept) > TURN_TEXTS:
            kept.popitem(last=False)
        return np.stack([found[k] for k in keys]) if keys else self._embedder.embed([])


@dataclass(frozen=True)
class IndexEmbedder:
    """The embedder of an index. Vectors that lie beside it are for texts that it handed out, never for a question: one
    that is a sentence of a hidden document would be answered sooner than another.
    """

    questions: Embedder
    units: Embedder
    """Of the evidence units of passages that were found for a caller."""

    @property
    def name(self) -> str:
        """The name of the embedder inside."""
        return self.questions.name

    def tokens(self, text: str) -> int:
        """As the embedder inside."""
        return self.questions.tokens(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of what a caller wrote."""
        return self.questions.embed(texts)


def of_units(embedder: Embedder) -> Embedder:
    """What embeds the units of found passages."""
    return embedder.units if isinstance(embedder, IndexEmbedder) else embedder


class Remembering:
    """An `Embedder` that keeps the vectors of the texts it saw last: for a process that works for one person.

    Safe between threads.
    """

    def __init__(self, embedder: Embedder, limit: int = 4096) -> None:
        self._embedder = embedder
        self._limit = limit
        self._known: OrderedDict[bytes, Vectors] = OrderedDict()
        self._lock = Lock()

    @property
    def name(self) -> str:
        """The name of the embedder inside."""
        return self._embedder.name

    def tokens(self, text: str) -> int:
        """As the embedder inside."""
        return self._embedder.tokens(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """As the embedder inside; only texts not kept are computed."""
        keys = [text_key(t) for t in texts]
        with self._lock:
            found = {k: self._known[k] for k in keys if k in self._known}
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in found}
        if missing:
            found |= dict(zip(missing, self._embedder.embed(list(missing.values())), strict=True))
        with self._lock:
            for key in dict.fromkeys(keys):
                self._known[key] = found[key]
                self._known.move_to_end(key)
            while len(self._known) > self._limit:
                self._known.popitem(last=False)
        return np.stack([found[k] for k in keys]) if keys else self._embedder.embed([])


class VectorCache:
    """Vectors of one embedder in an SQLite file: one transaction a batch, so a killed run loses at most one batch."""

    def __init__(self, path: Path, embedder: Embedder) -> None:
        self.embedded = 0
        """Texts computed since opening."""
        self.reused = 0
        """Texts found."""
        self._path = path
        self._embedder = embedder
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=60)
        self._execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID")

    def embed(self, texts: Sequence[str]) -> Vectors:
        """As the embedder; only texts not in the file are computed."""
        keys = [text_key(t) for t in texts]
        found = self._find(set(keys))
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in found}
        if missing:
            made = dict(zip(missing, self._embedder.embed(list(missing.values())), strict=True))
            self._add(made)
            found |= made
        self.embedded += len(missing)
        self.reused += len(keys) - len(missing)
        return np.stack([found[k] for k in keys])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _find(self, keys: set[bytes]) -> dict[bytes, Vectors]:
        wanted, found = sorted(keys), {}
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            rows = self._execute(f"SELECT key, vector FROM vectors WHERE key IN ({','.join('?' * len(some))})", some)
            found.update({bytes(k): np.frombuffer(v, dtype="<f4") for k, v in rows})
        return found

    def _add(self, made: dict[bytes, Vectors]) -> None:
        try:
            with self._db:
                rows = [(k, v.astype("<f4").tobytes()) for k, v in made.items()]
                self._db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _execute(self, statement: str, values: Sequence[bytes] = ()) -> list[tuple[bytes, bytes]]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> IndexUnusable:
        return IndexUnusable(
            f"{self._path}: the cache of vectors cannot be used ({error})", next_step=f"rm {self._path}"
        )
