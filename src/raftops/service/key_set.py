"""Public keys of the token issuer: a JWKS file or https address, kept for a while. Signing keys of two kinds only."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from raftops.errors import ServiceError

ALGORITHMS = ("RS256", "ES256")
KINDS = {"RSA": "RS256", "EC": "ES256"}
FRESH_SECONDS = 300.0
"""A set is fetched again after this time."""
AGAIN_SECONDS = 30.0
"""A key id that is not in the set makes us look again, but not more often than this: strangers can invent key ids."""
FETCH_SECONDS = 5.0
LARGEST = 1 << 20

Read = Callable[[], bytes]


class KeySet:
    """Keys by id."""

    def __init__(self, source: str, read: Read | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`source` is a file or an https address; `read` and `clock` are for tests.

        Raises:
            ServiceError: the first read fails, or holds no usable key.
        """
        self._source, self._read, self._clock = source, read or _reader(source), clock
        self._lock = Lock()
        self._read_at = clock()
        self._keys = self._load()

    def find(self, key_id: str | None) -> PyJWK | None:
        """The key of an id; without an id, the only key there is."""
        with self._lock:
            key = self._known(key_id)
            age = self._clock() - self._read_at
            if age > FRESH_SECONDS or (key is None and age > AGAIN_SECONDS):
                self._refresh()
                key = self._known(key_id)
            return key

    def _known(self, key_id: str | None) -> PyJWK | None:
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    def _refresh(self) -> None:
        """New keys, or the old ones for a while longer where the issuer cannot be reached."""
        self._read_at = self._clock()
        try:
            self._keys = self._load()
        except ServiceError:
            self._read_at -= FRESH_SECONDS - AGAIN_SECONDS

    def _load(self) -> dict[str, PyJWK]:
        step = "check deploy.identity.jwks"
        try:
            raw: Any = json.loads(self._read())
            keys = {
                str(row.get("kid", "")): PyJWK(row, algorithm=KINDS[row["kty"]]) for row in raw["keys"] if _usable(row)
            }
        except (OSError, urllib.error.URLError) as error:
            raise ServiceError(f"{self._source}: the key set cannot be read ({error})", next_step=step) from error
        except (ValueError, KeyError, TypeError, AttributeError, PyJWTError) as error:
            raise ServiceError(f"{self._source}: not a key set ({type(error).__name__})", next_step=step) from error
        if not keys:
            raise ServiceError(f"{self._source}: no RSA or P-256 signing key", next_step=step)
        return keys


def _usable(row: dict[str, Any]) -> bool:
    """A signing key of ours: never a shared secret, which anyone who reads the set could sign with."""
    kind = KINDS.get(row.get("kty", ""))
    curve = row.get("crv", "P-256") == "P-256"
    return kind is not None and curve and row.get("use", "sig") == "sig" and row.get("alg", kind) == kind


def _reader(source: str) -> Read:
    if source.startswith("https://"):
        return lambda: _fetch(source)
    if "://" in source:
        raise ServiceError(f"{source}: a key set is read from a file or by https", next_step="use https")
    return Path(source).read_bytes


def _fetch(source: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirect())
    with opener.open(source, timeout=FETCH_SECONDS) as answer:
        return bytes(answer.read(LARGEST))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys come from the address that was configured, from nowhere else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow nothing."""
