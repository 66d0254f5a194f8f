"""Writes the lines of an audit: appended, chained, rotated by size and day, kept for some days. Knows no HTTP.

One process writes one chain (its files are locked), so several replicas have one each. A line is whole on the disk
before `write` returns, unless the settings ask for less. After a crash in its middle, what is left of a line is taken
off and a line says so. Where a line cannot be written, `write` raises: what that means is decided by who called.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import secrets
import socket
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import IO, Any, Protocol

from raftops.errors import ServiceError, explained
from raftops.service.chain import BEGINNING, LONGEST_LINE, Line, canonical, digest_with, linked, segments
from raftops.spec.model.serving import Audit

KEY = "RAFTOPS_AUDIT_KEY"
"""Environment variable with a key (any text) that the chain is made with: who has not got it cannot make it again."""
WRITERS = 16
"""Most chains of one machine in one folder: as many services may write there at once."""
STRANGERS, STRANGERS_A_SECOND = 200.0, 20.0
"""Lines about callers without a good token, at once and per second: more are counted and not listed, so that nobody
without a token can fill the disk."""


log = logging.getLogger("raftops.service")


class Ledger(Protocol):
    """Where lines go."""

    def write(self, line: Mapping[str, Any], listed: bool = True) -> None:
        """Add a line; one that is not `listed` may be counted instead. Raises OSError: it is not there."""

    def question(self, text: str) -> dict[str, str]:
        """What is kept of a question, by the settings."""

    def close(self) -> None:
        """No more lines."""


class Chain:
    """The part of a ledger that is the same wherever it writes: places, hashes, counts. Not for several threads."""

    def __init__(self, settings: Audit, name: str, key: str) -> None:
        self.settings, self.name = settings, name
        self.digest = digest_with(key)
        self.salt = digest_with(key or secrets.token_hex(32))
        """Of questions: without a key nobody compares them beyond this process."""
        self.place, self.head = 0, BEGINNING
        self._left, self._at = STRANGERS, time.monotonic()
        self._counted = Counter[str]()

    def next_line(self, line: Mapping[str, Any], listed: bool) -> Line | None:
        """The line as it is to be written; None where it is only counted."""
        if not listed:
            now = time.monotonic()
            self._left = min(STRANGERS, self._left + (now - self._at) * STRANGERS_A_SECOND)
            self._at = now
            if self._left < 1:
                self._counted[str(line.get("status", ""))] += 1
                return None
            self._left -= 1
        more = {"not_listed": dict(self._counted)} if self._counted else {}
        now_utc = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = {"audit": 1, "chain": self.name, "seq": self.place + 1, "time": now_utc, **line, **more}
        return linked(body, self.head, self.digest)

    def written(self, line: Line) -> None:
        """A line is where it should be: the next one goes on from it."""
        self.place, self.head = line["seq"], line["hash"]
        self._counted.clear()

    def question(self, text: str) -> dict[str, str]:
        """What is kept of a question: nothing, a salted hash, or its text."""
        if self.settings.question == "none":
            return {}
        return {"question": text} if self.settings.question == "text" else {"question_hash": self.salt(text)}


class StdoutLedger:
    """Lines on stdout, for a cluster that collects what pods print. Each process begins a chain of its own."""

    def __init__(self, settings: Audit, key: str = "", out: IO[str] | None = None) -> None:
        self._chain, self._out, self._lock = Chain(settings, f"{_host()}-{secrets.token_hex(4)}", key), out, Lock()

    def write(self, line: Mapping[str, Any], listed: bool = True) -> None:
        """Add a line."""
        with self._lock:
            if made := self._chain.next_line(line, listed):
                out = self._out or sys.stdout
                out.write(f"{canonical(made)}\n")
                out.flush()
                self._chain.written(made)

    def question(self, text: str) -> dict[str, str]:
        """What is kept of a question."""
        return self._chain.question(text)

    def close(self) -> None:
        """Nothing is held."""


class FileLedger:
    """Lines in files of a folder, readable by their owner alone."""

    def __init__(self, settings: Audit, folder: Path, key: str = "") -> None:
        """Go on with the chain of this machine, or begin it.

        Raises:
            ServiceError: the folder cannot be written, or the chain was broken.
        """
        self._folder, self._lock = folder, Lock()
        self._size, self._day, self._synced = 0, "", 0.0
        with ExitStack() as opened:
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._held, name = _own_chain(folder)
                opened.callback(self._held.close)
                self._chain = Chain(settings, name, key)
                self._file = self._resumed()
                self._tell_head()
                self._turned()
                self._retain()
            except OSError as error:
                message, advice = explained(error, str(folder))
                advice = advice or "deploy.audit"
                raise ServiceError(f"the audit cannot be written: {message}", next_step=advice) from error
            opened.pop_all()

    def write(self, line: Mapping[str, Any], listed: bool = True) -> None:
        """Add a line."""
        with self._lock:
            if self._turned():
                self._retain()
            if made := self._chain.next_line(line, listed):
                self._append(made)

    def question(self, text: str) -> dict[str, str]:
        """What is kept of a question."""
        return self._chain.question(text)

    def close(self) -> None:
        """Close file and lock."""
        with self._lock:
            self._file.close()
            self._held.close()

    def _turned(self) -> bool:
        """Begin the next file where the day or the size says so; whether it was begun."""
        today = datetime.now(UTC).date().isoformat()
        if not self._size or (self._size < self._chain.settings.max_mib << 20 and today == self._day):
            return False
        before, self._file = self._file, self._opened(self._chain.place + 1)
        before.close()
        self._tell_head()
        return True

    def _append(self, line: Line) -> None:
        """A line whole, or nothing of it: what a full disk took of one is taken off before the next."""
        text, handle = f"{canonical(line)}\n".encode(), self._file.fileno()
        if os.fstat(handle).st_size != self._size:
            os.ftruncate(handle, self._size)
        written = 0
        while written < len(text):
            written += os.write(handle, text[written:])
        now, sync = time.monotonic(), self._chain.settings.sync
        if sync == "each" or (sync == "second" and now - self._synced >= 1):
            os.fsync(handle)
            self._synced = now
        self._size, self._day = self._size + len(text), str(line["time"])[:10]
        self._chain.written(line)

    def _opened(self, first: int) -> IO[bytes]:
        path = self._folder / f"{self._chain.name}.{first:012d}.jsonl"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size, self._day, self._synced = os.fstat(handle).st_size, "", 0.0
        return os.fdopen(handle, "r+b", buffering=0)

    def _resumed(self) -> IO[bytes]:
        """Open the last file of the chain at its last whole line; the rest of one that a crash left is taken off."""
        for path in reversed(self._segments()):
            whole, torn, last = _last_line(path)
            if not whole:
                path.unlink()  # a crash before its first line was whole
                continue
            try:
                line = json.loads(last)
                self._chain.place, self._chain.head = int(line["seq"]), str(line["hash"])
                day = str(line["time"])[:10]
            except (ValueError, KeyError, TypeError) as error:
                raise ServiceError(
                    f"{path}: the last line of the audit was changed, so nothing can follow it",
                    next_step=f"raftops audit verify {self._folder}; then move this chain's files elsewhere",
                ) from error
            file = self._file = self._opened(int(path.name.split(".")[1]))
            self._size, self._day = whole, day
            if torn:
                self._event("recovered", note=f"{torn} bytes of a line that a crash left were taken off")
            return file
        return self._opened(1)

    def _retain(self) -> None:
        """Delete files whose last line is older than the days that are kept; a line says so first, by which a check
        knows that nobody else took them. The file before the one at work stays, whatever a clock says."""
        days = self._chain.settings.keep_days
        limit = datetime.now(UTC) - timedelta(days=days)
        old: list[tuple[Path, Line]] = []
        for path in self._segments()[:-2]:
            try:
                last = json.loads(_last_line(path)[2])
                young = datetime.fromisoformat(last["time"]) >= limit
            except (ValueError, KeyError, TypeError):  # the service goes on; who checks the chain is told which line
                log.error("%s: the last line of the audit was changed, so it and what follows it are kept", path)
                break
            if young:
                break
            old.append((path, last))
        if old:
            place, hash_ = old[-1][1]["seq"], old[-1][1]["hash"]
            note = f"lines up to {place} were deleted after {days} days"
            self._event("retention", note=note, through=place, through_hash=hash_)
        for path, _ in old:
            path.unlink()

    def _tell_head(self) -> None:
        """The log goes elsewhere than the lines: by this a cut end is noticed (`raftops audit verify --head`)."""
        log.info("audit head %s:%d:%s", self._chain.name, self._chain.place, self._chain.head)

    def _event(self, name: str, **more: Any) -> None:
        line = self._chain.next_line({"event": name, **more}, True)
        assert line
        self._append(line)

    def _segments(self) -> list[Path]:
        return segments(self._folder).get(self._chain.name, [])


def _last_line(path: Path) -> tuple[int, int, bytes]:
    """Bytes up to the last whole line, bytes behind it, and that line."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 2 * LONGEST_LINE))
        tail = file.read()
    end = tail.rfind(b"\n") + 1
    torn = len(tail) - end
    return (size - torn if end else 0), torn, tail[:end].rstrip(b"\n").rpartition(b"\n")[2]


def open_ledger(settings: Audit, key: str = "") -> Ledger | None:
    """Where the lines go by the settings; None where there are none."""
    if settings.to == "off":
        return None
    if settings.to == "stdout":
        return StdoutLedger(settings, key)
    if not settings.folder:
        raise ServiceError("deploy.audit: no folder", next_step="set deploy.audit.folder, or deploy.audit.to: stdout")
    return FileLedger(settings, Path(settings.folder), key)


def _own_chain(folder: Path) -> tuple[IO[str], str]:
    """A chain of this machine that no other process writes, and its lock."""
    for number in range(1, WRITERS + 1):
        name = _host() if number == 1 else f"{_host()}-{number}"
        held = (folder / f"{name}.lock").open("w")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.close()
            continue
        return held, name
    raise ServiceError(f"{folder}: {WRITERS} services write their audit here already", next_step="end one of them")


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", socket.gethostname())[:60] or "host"
