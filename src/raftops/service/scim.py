"""Users and groups that an identity provider pushes (SCIM 2.0): stored in an SQLite file, read at every question.

The protocol is `scim2-server`'s; here are the file, the bearer token and what a user's groups are. A user who is not
`active: true` is in none, from the push on. One process writes the file; several replicas would each know another half.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from scim2_models import (
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    ETag,
    External,
    Filter,
    Patch,
    Reference,
    Resource,
    ResourceType,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    UnauthorizedException,
    UniquenessException,
)
from scim2_server.applications.asgi import ASGIApplication
from scim2_server.handler import ScimHandler
from scim2_server.memory import AsyncInMemoryStorage, InMemoryStorage
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.utils import load_default_resource_types, load_default_schemas

from raftops.errors import ServiceError
from raftops.service.directory import DirectoryAway
from raftops.spec.group_names import SCIM, canonical_name
from raftops.spec.model.serving import Scim

SHORTEST_TOKEN = 32
PAGE = 200
DAY_SECONDS = 86_400.0
TOUCH_SECONDS = 60.0
"""That the provider was here is written down so often at most."""
DEEPEST = 10
TABLES = """
CREATE TABLE IF NOT EXISTS resources (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS heard (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL);
"""
log = logging.getLogger("raftops.service")


class Pushed(NamedTuple):
    """What a provider pushes to, and what is known by it."""

    app: PushApp
    groups: PushedGroups


def open_pushed(spec: Scim, token: str) -> Pushed:
    """The store of a spec, its ASGI app and its groups.

    Raises:
        ServiceError: the token is short, or the file cannot be opened or is readable by others.
    """
    if len(token) < SHORTEST_TOKEN:
        step = f"take {SHORTEST_TOKEN} characters by chance: openssl rand -base64 32"
        raise ServiceError(f"{spec.token.env}: a SCIM token of {len(token)} characters can be guessed", next_step=step)
    store = PushedStore(Path(spec.store))
    return Pushed(PushApp(store, token), PushedGroups(store, spec))


class PushedStore(InMemoryStorage):
    """The library's storage, of which every change is in a file before it is answered; other processes' are seen."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it: readable by its owner alone."""
        super().__init__()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise ServiceError(f"{path}: others may read who is in which group", next_step=f"chmod 600 {path}")
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            self._file.executescript(TABLES)
        except (OSError, sqlite3.Error) as error:
            raise ServiceError(f"{path}: the store of SCIM cannot be opened ({error})") from error
        self.provider = provider()
        self._depth = 0
        self._seen = -1
        self.changes = 0
        """Counts what was changed here or elsewhere: whoever derives something looks whether it is still so."""

    def next_version(self) -> str:
        """A version that no other write has, before or after a restart."""
        return f'W/"{secrets.token_hex(8)}"'

    @contextmanager
    def operation(self) -> Iterator[None]:
        """One change, whole in memory and file, or in neither."""
        with self.lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._file.execute("BEGIN IMMEDIATE")
                    self._look()
                yield
                if self._depth == 1:
                    self._file.execute("COMMIT")
            except BaseException:
                if self._depth == 1:
                    if self._file.in_transaction:
                        self._file.execute("ROLLBACK")
                    self._seen = -1  # what memory has is read again
                raise
            finally:
                self._depth -= 1

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Nothing changes meanwhile, and what another process wrote is known."""
        with self.lock:
            if not self._depth:
                self._look()
            yield

    def _look(self) -> None:
        """Read the file again, if it is not what memory has."""
        (version,) = self._file.execute("PRAGMA data_version").fetchone()
        if version != self._seen:
            models: dict[str, Any] = {
                str(kind.name): self.provider.model_for(kind) for kind in self.provider.resource_types
            }
            rows = self._file.execute("SELECT kind, body FROM resources").fetchall()
            self.resources = [models[kind].model_validate(json.loads(body)) for kind, body in rows if kind in models]
            self._seen, self.changes = version, self.changes + 1

    def get(self, resource_type: ResourceType, resource_id: str, *, response_parameters: Any = None) -> Resource[Any]:
        """One resource."""
        with self.reading():
            return super().get(resource_type, resource_id, response_parameters=response_parameters)

    def search(self, resource_types: list[ResourceType], search_request: Any, *, position: Any = None) -> Any:
        """A page of resources."""
        with self.reading():
            return super().search(resource_types, search_request, position=position)

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        """Keep a new one, without a password: nobody logs in here."""
        with self.operation():
            self._name_is_free(resource)
            return self._kept(super().create(resource_type, _without_password(resource)))

    def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        """Keep what one has become."""
        with self.operation():
            self._name_is_free(resource)
            changed = _without_password(resource)
            return self._kept(super().update(resource_type, changed, expected_version=expected_version))

    def delete(self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None) -> None:
        """Forget one."""
        with self.operation():
            super().delete(resource_type, resource_id, expected_version=expected_version)
            self._file.execute("DELETE FROM resources WHERE kind = ? AND id = ?", (resource_type.name, resource_id))
            self.changes += 1

    def _kept(self, resource: Resource[Any]) -> Resource[Any]:
        assert resource.meta
        row = (resource.meta.resource_type, resource.id, json.dumps(resource.model_dump(mode="json")))
        self._file.execute("INSERT OR REPLACE INTO resources VALUES (?, ?, ?)", row)
        self.changes += 1
        return resource

    def _name_is_free(self, resource: Resource[Any]) -> None:
        """Of two groups of one name, the members of one would be in the other."""
        name = _group_name(resource)
        if name and any(_group_name(other) == name for other in self.resources if other.id != resource.id):
            raise UniquenessException

    def heard(self, now: float) -> None:
        """Write down that the provider was here."""
        with self.lock:
            if not now - TOUCH_SECONDS <= self.heard_at() <= now:
                with self.operation():
                    self._file.execute("INSERT OR REPLACE INTO heard VALUES (1, ?)", (now,))

    def heard_at(self) -> float:
        """When the provider was here last, in seconds since 1970; 0 where it never was."""
        with self.lock:
            row = self._file.execute("SELECT at FROM heard").fetchone()
            return float(row[0]) if row else 0.0

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class PushedGroups:
    """The groups of users as pushed, groups in groups included."""

    def __init__(self, store: PushedStore, spec: Scim, clock: Callable[[], float] = time.time) -> None:
        self._store, self._spec, self._clock = store, spec, clock
        self._as_of = -1
        self._users: dict[str, list[str]] = {}
        self._above: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}

    def groups(self, principal: str) -> frozenset[str]:
        """The groups of an active user. Raises `DirectoryAway` where the provider sent nothing for too long."""
        try:
            with self._store.reading():
                heard_at = self._store.heard_at()
                if heard_at and self._clock() - heard_at > self._spec.quiet_days * DAY_SECONDS:
                    raise DirectoryAway(f"the provider has sent nothing for {self._spec.quiet_days:g} days (SCIM)")
                self._derive()
                users = self._users.get(self._key(principal), [])
                level, known = set(users if len(users) == 1 else ()), set[str]()
                for _ in range(DEEPEST):
                    level = {group for one in level for group in self._above.get(one, ())} - known
                    known |= level
                return frozenset(self._names[group] for group in known if group in self._names)
        except sqlite3.Error as error:
            raise DirectoryAway(f"the store of SCIM cannot be read ({error})") from error

    def _key(self, name: str) -> str:
        """RFC 7643: a userName is one whatever its case, an externalId is not."""
        return name.casefold() if self._spec.principal == "userName" else name

    def _derive(self) -> None:
        """Who is in what, once for each state of the store."""
        if self._as_of == self._store.changes:
            return
        self._users, self._above, self._names = {}, {}, {}
        for one in self._store.resources:
            identity, row = str(one.id), cast(Any, one)
            if name := _group_name(one):
                self._names[identity] = SCIM + name
                for member in row.members or ():
                    self._above.setdefault(str(member.value), []).append(identity)
            elif getattr(row, "active", None) is True:
                user = row.user_name if self._spec.principal == "userName" else row.external_id
                if user:
                    self._users.setdefault(self._key(user), []).append(identity)
        self._as_of = self._store.changes


class PushApp(ASGIApplication):
    """`/scim/v2`, for whoever has the provider's token."""

    def __init__(self, store: PushedStore, token: str, clock: Callable[[], float] = time.time) -> None:
        # the library asks for an asynchronous storage, and is given none to use: a file is written in a thread
        super().__init__(AsyncInMemoryStorage(), store.provider)
        self._handler, self._store, self._token, self._clock = ScimHandler(self.service, store), store, token, clock

    def check_auth(self, request: ScimRequest) -> None:
        """Refuse whoever has not the token; two Authorization headers are joined by a comma, which no token has."""
        scheme, _, token = (request.header("Authorization") or "").partition(" ")
        good = hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token.encode())
        if scheme.lower() != "bearer" or not good:
            raise UnauthorizedException

    async def dispatch_request(self, request: ScimRequest) -> ScimResponse:
        """Authenticate, and serve beside the event loop."""
        known = self.needs_auth(request)
        if known:
            self.check_auth(request)
        return await asyncio.to_thread(self._serve, request, known)

    def _serve(self, request: ScimRequest, known: bool) -> ScimResponse:
        if known:
            self._store.heard(self._clock())
        return self._handler.handle(request)

    def handle_exception(self, request: ScimRequest, exception: Exception) -> ScimResponse:
        """An error's answer; the log gets its kind, for its text may name people."""
        response = self.service.error_response(exception)
        (log.error if response.status >= 500 else log.info)("SCIM: %d %s", response.status, type(exception).__name__)
        return response


@cache
def provider() -> ScimProvider:
    """What the service says of itself: users and groups, PATCH, filters; no passwords, nothing in bulk."""
    bearer = AuthenticationScheme(
        type=AuthenticationScheme.Type.oauthbearertoken,
        name="bearer token",
        description="A token for the identity provider alone",
        spec_uri=Reference[External]("https://datatracker.ietf.org/doc/html/rfc6750"),
    )
    config = ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=PAGE),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=True),
        etag=ETag(supported=True),
        authentication_schemes=[bearer],
    )
    return ScimProvider.from_discovery(
        load_default_schemas().values(), load_default_resource_types().values(), config=config
    )


def _group_name(resource: Resource[Any]) -> str:
    """What a group is called, in the one spelling; empty for what is no group."""
    return canonical_name(cast(Any, resource).display_name or "") if hasattr(resource, "members") else ""


def _without_password(resource: Resource[Any]) -> Resource[Any]:
    if getattr(resource, "password", None) is None:
        return resource
    return resource.model_copy(update={"password": None}, deep=True)
