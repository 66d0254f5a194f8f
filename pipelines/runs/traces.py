"""Where a document left its traces in a store: results, caches, releases, logs. Finds and deletes them.

A trace is the id of the document as data, or one of its own sentences. Weights are read by what they say they were
trained on. Not seen: what lies outside the store (git, DVC's cache, backups, other machines).
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pipelines.runs.garbage import children
from pipelines.runs.record import Store
from raftops.errors import RaftopsError
from raftops.release.current import locked, read_current
from raftops.release.seal import NAME, RECORD

WEIGHTS = (".safetensors", ".gguf", ".onnx", ".bin", ".pt")
"""Files of numbers: what they learned is said by `sources.jsonl` beside them."""
LEARNED = ("train", "gguf", "rerankers", "nodes")
"""Parts of the cache that hold weights, made again when they are needed."""
SENTENCES, LEAST_CHARS, MOST_CHARS = 200, 25, 160
"""Sentences of a document that are looked for, and how long they are."""
CHUNK = 1 << 20


@dataclass(frozen=True)
class Trace:
    """Something that holds a document, or a part of it."""

    path: Path
    what: str


@dataclass(frozen=True)
class Traced:
    """What is looked for."""

    doc_id: str
    sentences: tuple[str, ...]
    """Sentences that stand in no other document."""
    keys: frozenset[bytes]
    """Keys of its vectors."""

    @property
    def needles(self) -> tuple[bytes, ...]:
        """The sentences as they may stand in a file."""
        forms = (
            form
            for one in self.sentences
            for form in (one, json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1])
        )
        return tuple(dict.fromkeys(form.encode() for form in forms))

    @property
    def names(self) -> tuple[bytes, ...]:
        """The id as a value of JSON."""
        return tuple({json.dumps(self.doc_id).encode(), json.dumps(self.doc_id, ensure_ascii=False).encode()})


def traced(store: Store, doc_id: str) -> Traced:
    """What to look for, from every index and every result of the store that still has the document."""
    texts, others = list[str](), list[str]()
    for path in sorted(store.root.rglob("documents.parquet")):
        for row in _parquet().read_table(path).to_pylist():
            (texts if row["doc_id"] == doc_id else others).append(str(row.get("text") or ""))
    elsewhere = "\n".join(dict.fromkeys(others))
    lines = {" ".join(line.split()) for text in texts for line in text.splitlines()}
    units, keys = _indexed(store, doc_id)
    lines |= units
    lines |= {sentence for line in lines for sentence in re.split(r"(?<=[.!?])\s", line)}
    own = sorted((line for line in lines if len(line) >= LEAST_CHARS and line not in elsewhere), key=len)
    return Traced(doc_id, tuple(line[:MOST_CHARS] for line in own[:SENTENCES]), frozenset(keys))


def _indexed(store: Store, doc_id: str) -> tuple[set[str], set[bytes]]:
    """The evidence units of a document's passages, and the keys of its vectors."""
    evidence, memo, rows = (
        import_module(f"raftops.{name}") for name in ("answer.evidence", "retrieval.memo", "retrieval.rows")
    )  # numpy and pyarrow: not to show the command's help
    files = sorted(store.root.rglob("passages.parquet"))
    passages = [one for path in files for batch in rows.read_passages(path) for one in batch if one.doc_id == doc_id]
    units = {" ".join(unit.text.split()) for passage in passages for unit in evidence.units_of(passage)}
    embedded = [text for one in passages for text in (rows.searched_text(one), *evidence.unit_texts(one))]
    return units, {memo.text_key(text) for text in embedded}


def _parquet() -> Any:
    return import_module("pyarrow.parquet")


def traces(store: Store, wanted: Traced) -> list[Trace]:
    """All that holds it: a release or a step's result as a whole, a file of the cache, a log, vectors."""
    found = []
    for folder in children(store.root / "releases"):
        found += [Trace(one, "release") for one in children(folder) if one.is_dir() and _holds(one, wanted)]
        found += [Trace(one, "log of a release") for one in folder.glob("*.log") if _holds(one, wanted)]
    steps = (step for run in children(store.artifacts) for step in children(run))
    found += [Trace(step, f"result of the step {step.name}") for step in steps if _holds(step, wanted)]
    for part in children(store.cache):
        for path in [part] if part.is_file() else _files(part):
            if path.suffix in (".sqlite", ".db"):
                held = vectors_held(path, wanted.keys)
                found += [Trace(path, f"{held} vectors")] if held else []
            elif _holds(path, wanted):
                found.append(Trace(path, f"cache/{part.name}"))
    logs = [path for path in _files(store.runs) if path.suffix != ".json"] + list(store.root.glob("*.log"))
    found += [Trace(path, "log") for path in logs if _contains(path, wanted.needles)]
    return found


def learned(store: Store, wanted: Traced) -> bool:
    """Whether weights of the store were trained on it."""
    return any(_contains(path, wanted.names) for path in store.root.rglob("sources.jsonl"))


def served(store: Store) -> frozenset[Path]:
    """The releases that are current, one of each assistant."""
    folders = [(folder, read_current(folder)) for folder in children(store.root / "releases") if folder.is_dir()]
    return frozenset(folder / current.hash for folder, current in folders if current)


def purge(store: Store, found: Iterable[Trace], wanted: Traced, weights: bool) -> list[Trace]:
    """Delete the traces, but for a release that is served; returns what went. `weights`: also those of the cache.

    Raises:
        RaftopsError: a run is at work.
    """
    kept, gone = served(store), list[Trace]()
    with store.locked():
        for trace in found:
            if trace.path in kept:
                continue
            if store.root not in trace.path.resolve().parents:
                raise RaftopsError(f"{trace.path} leads out of {store.root}", next_step="remove that link by hand")
            if trace.path.suffix in (".sqlite", ".db"):
                drop_vectors(trace.path, wanted.keys)
            elif trace.path.is_dir() and NAME.fullmatch(trace.path.name) and (trace.path / RECORD).is_file():
                with locked(trace.path.parent):
                    shutil.rmtree(trace.path)
            elif trace.path.is_dir():
                shutil.rmtree(trace.path)
            else:
                trace.path.unlink(missing_ok=True)
            gone.append(trace)
        for part in LEARNED if weights else ():
            if (store.cache / part).is_dir():
                shutil.rmtree(store.cache / part)
                gone.append(Trace(store.cache / part, "weights of the cache"))
        _drop_keys(store, [trace.path for trace in gone])
        for link in [path for path in store.latest.rglob("*") if path.is_symlink() and not path.exists()]:
            link.unlink()
    return gone


def _drop_keys(store: Store, gone: Iterable[Path]) -> None:
    """A result that is gone must not be found by its key."""
    names = [str(path).encode() + b"/" for path in gone if path.parent.parent == store.artifacts]
    for entry in store.keys.glob("*.json") if names else ():
        content = entry.read_bytes()
        if any(name in content for name in names):
            entry.unlink()


def _holds(path: Path, wanted: Traced) -> bool:
    """Whether a file, or one below a folder, has the id or a sentence of the document."""
    return any(_file_holds(file, wanted) for file in ([path] if path.is_file() else _files(path)))


def _file_holds(path: Path, wanted: Traced) -> bool:
    if path.suffix in WEIGHTS or path.name == "access.json":  # a rule that names a document says nothing of it
        return False
    if path.suffix == ".parquet":
        columns = [name for name in ("doc_id", "text") if name in _parquet().read_schema(path).names]
        rows = _parquet().read_table(path, columns=columns).to_pylist() if columns else []
        return any(
            row.get("doc_id") == wanted.doc_id or any(one in (row.get("text") or "") for one in wanted.sentences)
            for row in rows
        )
    if path.suffix == ".arrow":
        return _contains(path, tuple(wanted.keys))
    return _contains(path, (*wanted.needles, *wanted.names))


def _contains(path: Path, needles: Iterable[bytes]) -> bool:
    """Whether one of these stands in a file, which is read piece by piece."""
    wanted = tuple(needles)
    overlap, before = max(map(len, wanted), default=1) - 1, b""
    try:
        with path.open("rb") as file:
            while wanted and (piece := file.read(CHUNK)):
                window = before + piece
                if any(needle in window for needle in wanted):
                    return True
                before = window[-overlap:] if overlap else b""
    except FileNotFoundError:
        return False
    return False


def vectors_held(path: Path, keys: frozenset[bytes]) -> int:
    """How many vectors of these texts a cache holds."""
    with closing(sqlite3.connect(path, timeout=60)) as db:
        try:
            return sum(bool(db.execute("SELECT 1 FROM vectors WHERE key = ?", (key,)).fetchone()) for key in keys)
        except sqlite3.Error:
            return 0


def drop_vectors(path: Path, keys: frozenset[bytes]) -> None:
    """Take vectors out, and their bytes out of the file."""
    with closing(sqlite3.connect(path, timeout=60)) as db:
        db.execute("PRAGMA secure_delete = ON")
        with db:
            db.executemany("DELETE FROM vectors WHERE key = ?", [(key,) for key in keys])
        db.execute("VACUUM")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
