"""What is served now: opens a release, follows `current`, and swaps without losing a question. No HTTP, no models.

The new release is opened beside the old one, then takes its place, then the old one is closed when its last answer is
out. A new release that cannot be opened changes nothing. Who may read what is not the release's: `following.py`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event, Lock, Thread

from raftops.access import AccessPolicies
from raftops.errors import RaftopsError
from raftops.progress import reported
from raftops.release.release import Release
from raftops.service.following import Following
from raftops.service.identity import Verifier, open_verifier
from raftops.service.live import Live, Refused
from raftops.service.metrics import Metrics
from raftops.service.settings import Settings

LOOK_SECONDS = 0.25
RETRY_SECONDS = 30.0
"""What could not be opened is tried again after this time: a Milvus server may have been away."""
log = logging.getLogger("raftops.service")


@dataclass
class Opened:
    """A release that is open."""

    live: Live
    arm: str
    verifier: Verifier
    close: Callable[[], None]
    own: AccessPolicies
    """The release's own policies, for a folder where none were ever put in force."""
    users: int = 0
    retired: bool = False
    changing: Lock = field(default_factory=Lock)


class ReleaseServing:
    """Serves one release at a time."""

    def __init__(
        self, settings: Settings, metrics: Metrics, load: Callable[[Release], tuple[Live, Callable[[], None]]]
    ) -> None:
        """`load` opens index and model of a release and says how to close them."""
        self._settings, self._metrics, self._load = settings, metrics, load
        self._following = Following(settings.folder, settings.access, metrics)
        self._lock = Lock()
        self._now: Opened | None = None
        self._tried: tuple[str, float] = ("", 0.0)
        self._stop = Event()
        self._watcher = Thread(target=self._watch, name="raftops-releases", daemon=True)

    def start(self) -> None:
        """Begin to open and follow, in the background."""
        self._watcher.start()

    def close(self) -> None:
        """End following, and close what is open."""
        self._stop.set()
        self._watcher.join(timeout=30)
        with self._lock:
            now, self._now = self._now, None
        if now:
            self._retire(now)

    @property
    def ready(self) -> bool:
        """Whether questions can be answered."""
        return self._now is not None

    @property
    def verifier(self) -> Verifier:
        """Who verifies tokens, by the release that is served."""
        return self._opened().verifier

    @contextmanager
    def lease(self) -> Iterator[Live]:
        """The release that is served, kept open until the block ends."""
        with self._lock:
            opened = self._opened()
            opened.users += 1
        try:
            yield self._refreshed(opened)
        finally:
            with self._lock:
                opened.users -= 1
                last = opened.retired and not opened.users
            if last:
                opened.close()

    def _opened(self) -> Opened:
        if self._now is None:
            raise Refused(503, "starting", "the release is being opened; try again in a moment")
        return self._now

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Take up what should be served, if it is not served yet."""
        try:
            wanted = self._settings.wanted()
            if self._now:
                self._refreshed(self._now)
                if self._now.live.release == wanted:
                    return
            before, at = self._tried
            if before == wanted and time.monotonic() - at < RETRY_SECONDS:
                return
            self._tried = (wanted, time.monotonic())
            self._take(reported(self._open)())
        except RaftopsError as error:
            self._metrics.swaps.labels("refused").inc()
            log.error("cannot serve: %s", error)
        except Exception as error:  # an engine's own: what is served stays, and the watch goes on
            self._metrics.swaps.labels("refused").inc()
            log.error("cannot serve: %s", type(error).__name__)

    def _open(self) -> Opened:
        release = self._settings.open()
        identity = self._settings.identity or release.deploy.identity
        verifier = open_verifier(identity, self._settings.host, tuple(release.access.groups))
        self._following.now(release.access)  # before anything is loaded: what is in force must be known
        live, close = self._load(release)
        opened = Opened(live, release.arm, verifier, close, release.access)
        opened.live = replace(live, refresh=partial(self._refreshed, opened))
        self._refreshed(opened)
        return opened

    def _refreshed(self, opened: Opened) -> Live:
        """A release under the access in force now; made once for each change, and the next ones wait for it."""
        now = self._following.now(opened.own)
        with opened.changing:
            if opened.live.in_force is not now:
                opened.live = opened.live.under(now)
            return opened.live

    def _take(self, opened: Opened) -> None:
        with self._lock:
            before, self._now = self._now, opened
        self._metrics.serving(opened.live.name, opened.live.release, opened.arm)
        self._metrics.swaps.labels("taken").inc()
        log.info("serving release %s", opened.live.release)
        if before:
            self._retire(before)

    def _retire(self, opened: Opened) -> None:
        with self._lock:
            opened.retired = True
            idle = not opened.users
        if idle:
            opened.close()
