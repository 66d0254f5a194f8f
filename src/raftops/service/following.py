"""Follows the access in force: the file beside `current`, and the access file itself where one is watched.

Looked at before every question and before every answer leaves, so that a revocation waits for no clock. A file that is
broken or gone changes nothing but the log: the last good one stays. Where there never was one, nothing is served.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from raftops.access import AccessPolicies
from raftops.errors import RaftopsError
from raftops.release.current import IN_FORCE
from raftops.release.in_force import InForce, read_in_force
from raftops.service.metrics import Metrics
from raftops.spec.access_file import load_access

SETTLED_SECONDS = 2.0
"""A file that was written less long ago is read again though it looks the same: two writes can have one time stamp."""
log = logging.getLogger("raftops.service")
Value = TypeVar("Value")


class Followed(Generic[Value]):
    """What a file says, read again when it changes; the last good value while it cannot be read."""

    def __init__(self, path: Path, read: Callable[[Path], Value], metrics: Metrics) -> None:
        self._path, self._read, self._metrics = path, read, metrics
        self._seen: tuple[int, ...] = ()
        self._bytes: bytes | None = None
        self._value: list[Value] = []
        self._said = ""

    def value(self) -> Value:
        """What it says now.

        Raises:
            RaftopsError: it cannot be read, and never could since the service started.
        """
        seen = self._touched()
        settled = bool(seen) and abs(time.time() - seen[2] / 1e9) > SETTLED_SECONDS
        if self._value and seen == self._seen and settled:
            return self._value[0]
        try:
            if not seen and self._seen:
                raise RaftopsError(f"{self._path}: is gone")
            content = self._path.read_bytes() if seen else None
            if not self._value or content != self._bytes:
                self._take(self._read(self._path))
            self._bytes, self._seen = content, seen
        except (RaftopsError, OSError) as error:
            self._bytes = None
            if str(error) != self._said:
                self._metrics.access.labels("refused").inc()
                log.error("the access in force stays as it was: %s", error)
                self._said = str(error)
            if not self._value:
                raise
        return self._value[0]

    def _take(self, read: Value) -> None:
        self._said = ""
        if self._value and read != self._value[0]:
            self._metrics.access.labels("taken").inc()
        if not self._value or read != self._value[0]:
            self._value = [read]

    def _touched(self) -> tuple[int, ...]:
        """What changes when the file does. It is opened for that: a file system over a network then asks its server."""
        try:
            with self._path.open("rb") as file:
                about = os.fstat(file.fileno())
            return about.st_dev, about.st_ino, about.st_mtime_ns, about.st_size, about.st_ctime_ns
        except OSError:
            return ()


class Following:
    """The access in force for the releases of a folder."""

    def __init__(self, releases: Path, watched: Path | None, metrics: Metrics) -> None:
        """`watched`: an access file that decides instead of the policies beside `current`."""
        self._beside = Followed(releases / IN_FORCE, lambda path: read_in_force(path.parent), metrics)
        self._watched = Followed(watched, load_access, metrics) if watched else None
        self._lock = Lock()
        self._made: tuple[InForce | None, AccessPolicies, InForce] | None = None

    def now(self, own: AccessPolicies) -> InForce:
        """What is in force for a release with these policies of its `own`. The same object while nothing changes.

        Raises:
            RaftopsError: nobody may read anything, for a file is broken or gone and no good one was seen.
        """
        with self._lock:
            beside = self._beside.value()
            access = self._watched.value() if self._watched else beside.access if beside else own
            if self._made and self._made[0] is beside and self._made[1] is access:
                return self._made[2]
            made = InForce(access=access, withdrawn=beside.withdrawn if beside else {}, origin="release")
            if beside:
                made = beside.model_copy(
                    update={"access": access, "origin": "file" if self._watched else beside.origin}
                )
            self._made = (beside, access, made)
            log.info("access %s is in force (%s)", made.version[:16], made.origin)
            return made
