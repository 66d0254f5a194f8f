"""What one caller may use: requests at once and per minute, and the tokens of a day. No HTTP, no order of questions.

Counted by principal, after its token was verified: a stranger uses up nobody's share. In this process, or in a Redis
that several replicas share; where that cannot be reached, each counts for itself until it is back.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TypeVar

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter

from raftops.errors import ServiceError
from raftops.service.live import Refused
from raftops.spec.model.serving import Limits

AWAY_SECONDS = 10.0
"""So long the shared store is not asked again after it failed."""
STORE_SECONDS = 0.5
"""The store answers in this time, or is away."""
T = TypeVar("T")
log = logging.getLogger("raftops.service")


class Callers:
    """Counts what each caller uses."""

    def __init__(self, limits: Limits, store: str = "") -> None:
        """`store` is a Redis address (redis://, rediss://, redis+sentinel:// ...); empty counts in this process.

        Raises:
            ServiceError: the address is not one of a store that is known.
        """
        self._limits = limits
        self._lock = Lock()
        self._open: Counter[str] = Counter()
        self._here = MemoryStorage()
        self._shared: Storage | None = _opened(store) if store else None
        self._away_until = 0.0
        minute = {"chat": limits.questions_per_minute, "search": limits.searches_per_minute}
        self._rates = {
            kind: RateLimitItemPerMinute(most, 1, f"raftops/{kind}") for kind, most in minute.items() if most
        }
        day = limits.tokens_per_day
        self._tokens = RateLimitItemPerDay(day, 1, "raftops/tokens") if day else None

    def enter(self, principal: str, kind: str) -> Callable[[], None]:
        """Let a request of a kind (`chat`, `search`, ...) in; returns what to call when it is over.

        Raises:
            Refused: the caller has too many at once, was too quick, or has used up the day's tokens (429).
        """
        with self._lock:
            if self._open[principal] >= self._limits.requests_at_once:
                most = self._limits.requests_at_once
                raise Refused(429, "caller_busy", f"you may have {most} requests open at once", retry_after=1)
            self._open[principal] += 1
        try:
            self._check_rate(_named(principal), kind)
        except BaseException:
            self._leave(principal)
            raise
        return partial(self._leave, principal)

    def _leave(self, principal: str) -> None:
        with self._lock:
            self._open[principal] -= 1
            if not self._open[principal]:
                del self._open[principal]

    def _check_rate(self, who: str, kind: str) -> None:
        if kind == "chat" and (day := self._tokens):
            left, again = self._counted(lambda store: _left(FixedWindowRateLimiter(store), day, who))
            if left <= 0:
                message = f"you have used up the {day.amount} tokens of a day; try again in {again} s"
                raise Refused(429, "insufficient_quota", message, retry_after=again)
        if rate := self._rates.get(kind):
            again = self._counted(lambda store: _hit(SlidingWindowCounterRateLimiter(store), rate, who))
            if again:
                what = "questions" if kind == "chat" else "searches"
                message = f"you may ask {rate.amount} {what} a minute; try again in {again} s"
                raise Refused(429, "rate_limit_exceeded", message, retry_after=again)

    def spent(self, principal: str, tokens: int) -> None:
        """Count tokens that an answer took, beyond the day's too: what is over is known only afterwards."""
        if (day := self._tokens) and tokens:
            who = _named(principal)
            self._counted(lambda store: FixedWindowRateLimiter(store).hit(day, who, cost=tokens))

    def _counted(self, count: Callable[[Storage], T]) -> T:
        """Count in the shared store, or here while that is away."""
        if self._shared and time.monotonic() >= self._away_until:
            try:
                return count(self._shared)
            except StorageError as error:  # its text may hold the address with a password
                self._away_until = time.monotonic() + AWAY_SECONDS
                kind = type(error.storage_error).__name__
                log.warning("the store of limits is away (%s): this replica counts for itself", kind)
        return count(self._here)


def _left(limiter: FixedWindowRateLimiter, item: RateLimitItem, who: str) -> tuple[int, int]:
    """What is left of a limit, and the seconds until there is more."""
    stats = limiter.get_window_stats(item, who)
    return stats.remaining, _seconds_until(stats.reset_time)


def _hit(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, who: str) -> int:
    """Count one; 0, or the seconds until it would have been let in."""
    if limiter.hit(item, who):
        return 0
    return _seconds_until(limiter.get_window_stats(item, who).reset_time)


def _seconds_until(reset_time: float) -> int:
    return max(1, math.ceil(reset_time - time.time()))


def _named(principal: str) -> str:
    """A key of the store: who it is can be read in no dump of it."""
    return hashlib.sha256(principal.encode("utf-8", "surrogatepass")).hexdigest()


def _opened(address: str) -> Storage:
    timeouts = {"socket_timeout": STORE_SECONDS, "socket_connect_timeout": STORE_SECONDS}
    try:
        store = storage_from_string(address, wrap_exceptions=True, **timeouts)
    except Exception as error:  # of the address, or of a client that is not installed: its text may hold a password
        step = "it wants a Redis address, such as rediss://user:password@host:6379/0"
        raise ServiceError(f"deploy.limits.store: {type(error).__name__}", next_step=step) from None
    assert isinstance(store, Storage)
    return store
