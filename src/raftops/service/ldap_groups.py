"""Groups of somebody by LDAP, Active Directory included. Asks anew each time; `directory.py` keeps the answers.

A name is escaped before it enters a filter. Referrals are not followed, and nothing is sent before TLS stands, but on
this machine itself. Does not read AD's primary group, which no group lists as its member.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from ldap3 import NONE, SUBTREE, Connection, Server, Tls
from ldap3.core.exceptions import LDAPException, LDAPNoSuchObjectResult, LDAPSizeLimitExceededResult
from ldap3.utils.conv import escape_filter_chars

from raftops.errors import ServiceError
from raftops.service.directory import DirectoryAway
from raftops.spec.group_names import LDAP, canonical_dn, canonical_name, first_value, parent_of
from raftops.spec.model.serving import Ldap

IN_CHAIN = "1.2.840.113556.1.4.1941"
"""Active Directory's matching rule that follows groups in groups."""
DEEPEST, MOST = 10, 1000
"""Levels of groups in groups, and groups of somebody; what lies beyond gives nobody a right."""
AT_ONCE = 40
"""Names in one filter."""
PAGE = 500
log = logging.getLogger("raftops.service")


class LdapGroups:
    """A directory server."""

    def __init__(self, spec: Ldap, password: str = "") -> None:
        """Nothing is connected yet.

        Raises:
            ServiceError: what would be said could be read on the way, or the file of authorities cannot be read.
        """
        address = urlsplit(spec.url)
        host = address.hostname or ""
        if address.scheme != "ldaps" and not spec.start_tls and host not in ("localhost", "127.0.0.1", "::1"):
            raise ServiceError(f"{spec.url}: groups would be asked for without TLS", next_step="use ldaps or start_tls")
        try:
            self._tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=spec.ca_file or None, sni=host)
        except LDAPException as error:
            raise ServiceError(f"{spec.ca_file}: {error}", next_step="check deploy.identity.directory.ldap") from error
        self._host, self._secure = host, address.scheme == "ldaps"
        self._port = address.port or (636 if self._secure else 389)
        self._spec, self._password = spec, password

    def groups(self, principal: str) -> frozenset[str]:
        """The groups of somebody. Raises `DirectoryAway`."""
        try:
            with self._connected() as connection:
                person = self._person(connection, principal)
                names = self._groups(connection, person) if person else ()
                return frozenset(name for name in map(self._name, names) if name)
        except (LDAPException, OSError, ValueError) as error:
            raise DirectoryAway(f"{self._spec.url}: the directory cannot be asked ({type(error).__name__})") from error

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection on which it was said who asks; its socket is closed however this ends."""
        # a server of its own: ldap3 keeps a failed address out for a while, which is `directory.py`'s to decide
        timeout = self._spec.timeout_seconds
        server = Server(self._host, self._port, self._secure, (), NONE, self._tls, connect_timeout=timeout)
        connection = Connection(
            server,
            user=self._spec.bind_dn or None,
            password=self._password or None,
            receive_timeout=timeout,
            auto_referrals=False,
            read_only=True,
            raise_exceptions=True,
            check_names=False,
        )
        try:
            connection.open(read_server_info=False)
            if self._spec.start_tls:
                connection.start_tls(read_server_info=False)
            connection.bind(read_server_info=False)
            yield connection
        finally:
            socket = connection.socket
            with suppress(LDAPException, OSError):
                connection.unbind()
            if socket is not None:
                socket.close()

    def _person(self, connection: Connection, principal: str) -> str | None:
        """The name (DN) of the one entry that the filter finds; of several, none: they cannot be told apart."""
        found = self._spec.user_filter.replace("{principal}", escape_filter_chars(principal))
        try:
            people = list(self._search(connection, self._spec.users, found, size=2))
        except LDAPSizeLimitExceededResult:
            people = ["", ""]
        if len(people) > 1:
            log.warning("the directory: %s finds several entries for one name: nobody is taken", self._spec.user_filter)
        return people[0] if len(people) == 1 else None

    def _groups(self, connection: Connection, person: str) -> list[str]:
        """The names (DN) of the groups of an entry, near ones first."""
        known, level = dict[str, str](), [person]
        for _ in range(DEEPEST if self._spec.nested == "walk" else 1):
            nearer = [level[at : at + AT_ONCE] for at in range(0, len(level), AT_ONCE)]
            above = {canonical_dn(dn): dn for names in nearer for dn in self._of(connection, names)}
            level = [dn for key, dn in above.items() if key not in known]
            known |= above
            if not level or len(known) > MOST:
                break
        if len(known) > MOST or (level and self._spec.nested == "walk"):
            log.warning("the directory: more than %d groups or %d levels: the farther ones do not count", MOST, DEEPEST)
        return list(known.values())[:MOST]

    def _of(self, connection: Connection, members: Sequence[str]) -> Iterator[str]:
        """The groups that have one of these as a member."""
        rule = f":{IN_CHAIN}:" if self._spec.nested == "in_chain" else ""
        names = [escape_filter_chars(member) for member in members]
        terms = "".join(f"({attribute}{rule}={name})" for attribute in self._spec.members for name in names)
        yield from self._search(connection, self._spec.groups, f"(|{terms})")

    def _search(self, connection: Connection, base: str, wanted: str, size: int = 0) -> Iterator[str]:
        """The names (DN) of the entries below a base that a filter finds, a page at a time."""
        limit, cookie = int(self._spec.timeout_seconds + 1), None
        for _ in range(1 + MOST // PAGE):
            asked: dict[str, Any] = {"size_limit": size} if size else {"paged_size": PAGE, "paged_cookie": cookie}
            try:
                connection.search(base, wanted, SUBTREE, attributes=["1.1"], time_limit=limit, **asked)
            except LDAPNoSuchObjectResult as error:
                raise ValueError(f"{base} is not there") from error
            yield from (row["dn"] for row in connection.response if row["type"] == "searchResEntry")
            control = connection.result.get("controls", {}).get("1.2.840.113556.1.4.319", {})
            cookie = control.get("value", {}).get("cookie")
            if not cookie:
                return

    def _name(self, dn: str) -> str | None:
        """What a group is called in the access file; None where it has no name of the kind that is asked for."""
        if self._spec.names == "dn":
            return LDAP + canonical_dn(dn)
        # two groups of one short name could stand in different places: right below one there is only one
        beneath = canonical_dn(parent_of(dn)) == canonical_dn(self._spec.groups)
        value = first_value(dn, "cn") if beneath else None
        return LDAP + canonical_name(value) if value else None
