"""Groups that a directory knows of somebody whom a verified token names: asked for, kept for a while, failing closed.

What a directory says counts for `cache_seconds` and no longer: then it is asked again, and where it does not answer,
nobody is let in by it. Who asks LDAP is `ldap_groups.py`, what SCIM pushed is in `scim.py`.
"""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from importlib import import_module
from threading import RLock
from typing import Any, Protocol

from raftops.errors import ServiceError
from raftops.extras import of_extra
from raftops.spec.model.base import SecretRef
from raftops.spec.model.serving import Directory as DirectorySpec

LONGEST_PRINCIPAL = 256
PRINCIPALS = 10_000
"""So many answers are kept; of more, those that nobody used for longest go."""
ASKING = 8
"""So many questions are put to a directory at once, and four times as many wait."""
PAUSE_SECONDS = 5.0
"""After a failure nobody waits for the directory for so long: it is away, and threads are few."""
log = logging.getLogger("raftops.service")


class DirectoryAway(ServiceError):
    """The directory does not answer, so nobody knows the groups: denied."""


class GroupSource(Protocol):
    """Where groups are looked up."""

    def groups(self, principal: str) -> frozenset[str]:
        """The groups of somebody, with the source's prefix; none for somebody unknown. Raises `DirectoryAway`."""


class Directory:
    """The directory of a service: by which claim it knows people, and what it knows of them."""

    def __init__(self, principal_claim: str, source: GroupSource, push: Any = None) -> None:
        self.principal_claim, self._source, self.push = principal_claim, source, push
        """`push` is the ASGI app that a provider sends users and groups to, where there is one."""

    def groups(self, principal: str) -> frozenset[str]:
        """The groups of somebody. Raises `DirectoryAway`."""
        if len(principal) > LONGEST_PRINCIPAL or not principal.isprintable():
            return frozenset()
        return self._source.groups(principal)


class CachedGroups:
    """Answers of a slow source, kept up to an age. An older half of it is renewed beside; past it the caller waits."""

    def __init__(
        self,
        source: GroupSource,
        max_age_seconds: float,
        wait_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._max_age, self._wait, self._clock = source, max_age_seconds, wait_seconds, clock
        self._kept: OrderedDict[str, tuple[float, frozenset[str]]] = OrderedDict()
        self._asking: dict[str, Future[frozenset[str]]] = {}
        self._away_until = -PAUSE_SECONDS
        self._lock = RLock()  # a question may be answered before anybody waits for it
        self._pool = ThreadPoolExecutor(ASKING, thread_name_prefix="raftops-directory")

    def groups(self, principal: str) -> frozenset[str]:
        """The groups of somebody, as of `max_age_seconds` ago at most. Raises `DirectoryAway`."""
        with self._lock:
            now = self._clock()
            asked_at, kept = self._kept.get(principal, (float("-inf"), frozenset[str]()))
            age = now - asked_at
            if principal in self._kept:
                self._kept.move_to_end(principal)
            if age <= self._max_age / 2:
                return kept
            asking = self._asking.get(principal) or self._ask(principal, now)
            if age <= self._max_age:
                return kept
            if asking is None:
                raise DirectoryAway("the directory does not answer, or too many wait for it")
        try:
            return asking.result(self._wait)
        except TooSlow as error:
            raise DirectoryAway(f"the directory does not answer within {self._wait:.0f} s") from error
        except DirectoryAway:
            raise
        except Exception as error:  # a library's own: nobody knows the groups, so nobody is let in
            raise DirectoryAway(f"the directory cannot be asked ({type(error).__name__})") from error

    def _ask(self, principal: str, now: float) -> Future[frozenset[str]] | None:
        """A question that is on its way; none where the directory was away a moment ago. Holds the lock."""
        if now < self._away_until or len(self._asking) >= 4 * ASKING:
            return None
        asking = self._asking[principal] = self._pool.submit(self._source.groups, principal)
        asking.add_done_callback(lambda done: self._answered(principal, now, done))
        return asking

    def _answered(self, principal: str, asked_at: float, done: Future[frozenset[str]]) -> None:
        error = done.exception()
        with self._lock:
            self._asking.pop(principal, None)
            if error is None:
                self._kept[principal] = asked_at, done.result()
                while len(self._kept) > PRINCIPALS:
                    self._kept.popitem(last=False)
                return
            self._away_until = self._clock() + PAUSE_SECONDS
        log.warning("the directory: %s", error if isinstance(error, DirectoryAway) else type(error).__name__)


class PushEntrance:
    """ASGI app: hands a request to the directory that is served now, if a provider may push to it."""

    def __init__(self, serving: Any) -> None:
        self._serving = serving

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or 404."""
        push = getattr(getattr(self._serving.verifier, "directory", None), "push", None)
        if push is None:
            raise import_module("starlette.exceptions").HTTPException(404)  # what opens releases knows no framework
        await push(scope, receive, send)


def open_directory(spec: DirectorySpec | None) -> Directory | None:
    """The directory that a spec names. An LDAP server is not asked yet: a service starts while it is away, closed.

    Raises:
        ServiceError: none or two are named, a secret is not set, or the store cannot be opened.
        ModelError: the packages of its extra are missing.
    """
    if spec is None:
        return None
    if (spec.ldap is None) == (spec.scim is None):
        raise ServiceError("deploy.identity.directory names no source, or two", next_step="set one of ldap and scim")
    if spec.scim is not None:
        of_extra("scim2_models", "scim", "deploy.identity.directory.scim wants it")
        of_extra("scim2_server", "scim", "deploy.identity.directory.scim wants it")
        pushed = import_module("raftops.service.scim").open_pushed(spec.scim, secret_of(spec.scim.token))
        return Directory(spec.principal_claim, pushed.groups, pushed.app)
    assert spec.ldap
    of_extra("ldap3", "ldap", "deploy.identity.directory.ldap wants it")
    password = secret_of(spec.ldap.bind_password) if spec.ldap.bind_password else ""
    source = import_module("raftops.service.ldap_groups").LdapGroups(spec.ldap, password)
    return Directory(spec.principal_claim, CachedGroups(source, spec.cache_seconds, 3 * spec.ldap.timeout_seconds))


def secret_of(reference: SecretRef) -> str:
    """What a reference stands for, from the environment.

    Raises:
        ServiceError: the variable is not set.
    """
    if value := os.environ.get(reference.env, ""):
        return value
    advice = f"export {reference.env}; on a cluster the secret {reference.secret} carries it"
    raise ServiceError(f"{reference.env} is not set", next_step=advice)
