"""Public keys of the token issuer: a JWKS file or address, fetched beside the questions and never under a lock.

A set that came is an answer, and so is an empty one: what it lacks verifies nothing more. Where none comes, the last
one serves up to `max_age_seconds`; then nobody is verified. Keys that are weak, or of no kind of ours, are left out by
name and the others go on serving. Does not look into certificates (`x5c`), and never asks an address of a token.
"""

from __future__ import annotations

import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock, Thread
from typing import Any
from urllib.parse import urlsplit

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from raftops.errors import ServiceError

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
"""What an RSA key may be for, where the set says so (`alg`); otherwise the first."""
CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
"""The curves of EC and OKP keys, each with its one algorithm."""
ALGORITHMS = (*RSA_ALGORITHMS, *CURVES.values())
RSA_BITS = range(2048, 8192 + 1)
"""Fewer can be factored; more would let the issuer's set slow down every request."""
MAX_AGE_SECONDS = 3600.0
FRESH_SECONDS = 300.0
FRESH_FILE_SECONDS = 10.0
"""A set is fetched again, a file read again, after this time or half of its longest age."""
AGAIN_SECONDS = 30.0
"""A failure, and a key id that is not in the set, make us look again, but not sooner: strangers invent key ids."""
WAIT_SECONDS, MOMENT_SECONDS = 2.0, 0.25
WAITING = 4
"""So long a caller waits for a fetch without whose result it is not verified, a moment for one that only makes sure.
So many wait at once, others do not."""
FETCH_SECONDS = 5.0
LARGEST = 1 << 20

Read = Callable[[], bytes]
log = logging.getLogger("raftops.service")


class KeysOutdated(ServiceError):
    """The issuer's keys are older than they may be: nobody can be verified until it answers again."""


def seconds_since_boot() -> float:
    """A clock that nobody sets and that goes on while a laptop sleeps, where the system has one."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class KeySet:
    """The keys of one issuer."""

    def __init__(
        self,
        source: str,
        read: Read | None = None,
        clock: Callable[[], float] = seconds_since_boot,
        max_age_seconds: float = MAX_AGE_SECONDS,
    ) -> None:
        """`source` is a file or an address; `read` and `clock` are for tests.

        Raises:
            ServiceError: the first read fails, or holds no usable key.
        """
        self._source, self._read, self._clock = source, read or _reader(source), clock
        self._max_age = max_age_seconds
        self._fresh = min(FRESH_SECONDS if "://" in source else FRESH_FILE_SECONDS, max_age_seconds / 2)
        self._lock = Lock()
        self._waiting = BoundedSemaphore(WAITING)
        self._fetching: Event | None = None
        self._failing = False
        self._named: set[str] = set()
        self._came_at = self._asked_at = clock()
        self._keys = self._load()
        if not self._keys:
            left_out = f" (left out: {'; '.join(sorted(self._named))})" if self._named else ""
            raise ServiceError(f"{source}: no usable signing key{left_out}", next_step="check deploy.identity.jwks")

    def find(self, key_id: str | None, algorithm: str) -> list[PyJWK]:
        """The keys that may have signed a token of this key id and algorithm; without a key id, all that fit.

        Raises:
            KeysOutdated: no set came for longer than a set may serve.
        """
        found, age, idle = self._known(key_id, algorithm)
        if age > self._fresh or not found:
            needed = not found or age > self._max_age or idle
            wait = WAIT_SECONDS if needed else 0 if self._failing else MOMENT_SECONDS
            if (fetching := self._fetch_beside()) and wait and self._waiting.acquire(blocking=False):
                try:
                    fetching.wait(wait)
                finally:
                    self._waiting.release()
                found, age, _ = self._known(key_id, algorithm)
        if age > self._max_age:
            raise KeysOutdated(f"{self._source}: no key set came for {age:.0f} s", next_step="look after the issuer")
        return found

    def _known(self, key_id: str | None, algorithm: str) -> tuple[list[PyJWK], float, bool]:
        """Keys that fit, the age of the set, and whether nobody has asked for long, so that no fetch could fail."""
        with self._lock:
            age = self._clock() - self._came_at
            fit = [key for key in self._keys if key.algorithm_name == algorithm and key_id in (None, key.key_id)]
            return fit, age, age > 2 * self._fresh and not self._failing

    def _fetch_beside(self) -> Event | None:
        """Begin a fetch if none is at work and the last is long enough ago; the one that is at work, if any."""
        with self._lock:
            now = self._clock()
            if self._fetching is None and now - self._asked_at > min(AGAIN_SECONDS, self._fresh):
                self._asked_at, self._fetching = now, Event()
                Thread(target=self._fetch, args=(self._fetching, now), name="raftops-keys", daemon=True).start()
            return self._fetching

    def _fetch(self, done: Event, asked_at: float) -> None:
        try:
            keys = self._load()
        except Exception as error:  # whatever it is: the thread ends, and the age of the set decides
            if not self._failing:
                log.warning("%s; the keys that are known serve for %.0f s at most", error, self._max_age)
            with self._lock:
                self._failing, self._fetching = True, None
        else:
            if not keys:
                log.warning("%s: holds no usable key any more: nobody is verified by it", self._source)
            with self._lock:
                self._keys, self._came_at, self._failing, self._fetching = keys, asked_at, False, None
        finally:
            done.set()

    def _load(self) -> list[PyJWK]:
        step = "check deploy.identity.jwks"
        try:
            raw: Any = json.loads(self._read())
            rows = raw["keys"]
            if not isinstance(rows, list):
                raise TypeError("keys is no list")
        except (OSError, urllib.error.URLError) as error:
            raise ServiceError(f"{self._source}: the key set cannot be read ({error})", next_step=step) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ServiceError(f"{self._source}: not a key set ({type(error).__name__})", next_step=step) from error
        keys = []
        for place, row in enumerate(rows):
            key, fault = usable(row)
            if key:
                keys.append(key)
                continue
            name = row.get("kid") if isinstance(row, dict) else None
            left_out = f"key {name if isinstance(name, str) else place!r:.80}: {fault}"
            if left_out not in self._named and len(self._named) < 1000:
                self._named.add(left_out)
                log.warning("%s: left out %s", self._source, left_out)
        return keys


def usable(row: Any) -> tuple[PyJWK | None, str]:
    """A row of a key set as a key that signatures are verified with, or why it is none."""
    if not isinstance(row, dict):
        return None, "no object"
    kind, curve, algorithm = row.get("kty"), str(row.get("crv")), row.get("alg")
    of_kind = {"RSA": RSA_ALGORITHMS, "EC": (CURVES.get(curve, ""),), "OKP": (CURVES.get(curve, ""),)}
    own: tuple[str, ...] = of_kind.get(str(kind), ())
    operations = row.get("key_ops")
    faults = {
        "a shared secret, which whoever reads the set could sign with": kind == "oct",
        "holds its private part: whoever reads the set could sign with it": "d" in row,
        f"its kind is none of RSA, EC, OKP: {kind!r:.40}": not own,
        f"its curve is none of {', '.join(CURVES)}: {curve:.40}": own == ("",),
        f"its algorithm does not fit: {algorithm!r:.40}": algorithm is not None and algorithm not in own,
        "not for signatures": row.get("use", "sig") != "sig",
        "not for verifying": operations is not None and not (isinstance(operations, list) and "verify" in operations),
        "its id is no text": not isinstance(row.get("kid", ""), str),
    }
    if fault := next((fault for fault, is_so in faults.items() if is_so), ""):
        return None, fault
    try:
        key = PyJWK(row, algorithm=algorithm or own[0])
        bits = key.key.key_size if kind == "RSA" else RSA_BITS.start
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, PyJWTError) as error:
        return None, f"broken ({type(error).__name__})"
    return (key, "") if bits in RSA_BITS else (None, f"an RSA key of {bits} bits: {RSA_BITS.start} are the least")


def is_address_of_keys(source: str) -> bool:
    """Whether keys may be fetched from an address: by https, or by http from this machine itself."""
    address = urlsplit(source)
    local = address.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(address.hostname) and (address.scheme == "https" or (address.scheme == "http" and local))


def _reader(source: str) -> Read:
    if "://" not in source:
        return Path(source).read_bytes
    if not is_address_of_keys(source):
        raise ServiceError(f"{source}: a key set is read from a file or by https", next_step="use https")
    return lambda: _fetched(source)


def _fetched(source: str) -> bytes:
    """The whole body, bounded in bytes and in time: an issuer that drips is one that does not answer."""
    direct = [urllib.request.ProxyHandler({})] if source.startswith("http://") else []
    deadline, body = time.monotonic() + FETCH_SECONDS, b""
    with urllib.request.build_opener(_NoRedirect(), *direct).open(source, timeout=FETCH_SECONDS) as answer:
        while part := answer.read1(1 << 16):
            body += part
            if len(body) > LARGEST or time.monotonic() > deadline:
                raise OSError(f"more than {LARGEST} bytes, or slower than {FETCH_SECONDS:.0f} s")
    return body


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys come from the address that was configured, from nowhere else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow nothing."""
