"""Who is asking: a bearer token to a caller and its groups. Groups come from the verified token, and from the directory
for the user whom that token names; never from the rest of a request.

What a caller may read is not decided here; `raftops.access` does that. Claims such as the country come from the same
token; they help to understand a question, open nothing, and are written to no log.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

import jwt

from raftops.answer.asker import NOBODY, Asker, asker_of
from raftops.errors import RaftopsError, ServiceError
from raftops.service.dev_tokens import DevUser, ensure_dev_tokens, load_dev_tokens
from raftops.service.directory import Directory, DirectoryAway, open_directory
from raftops.service.key_set import ALGORITHMS, KeySet, KeysOutdated
from raftops.spec.group_names import is_of_directory
from raftops.spec.model.serving import BoostClaim, Identity

LEEWAY_SECONDS = 10
"""So far may the clocks of issuer and service differ: for `exp`, `nbf` and `iat`."""
LONGEST_TOKEN = 16_384
TOKEN = re.compile(r"[!-+\--~]+")
"""What a bearer token is made of: letters that can be seen, no comma, by which two headers are joined."""
TRIED_KEYS = 10
"""Of a set whose keys have no id, so many are tried for one token."""
SELDOM_SECONDS = 60.0
"""A line of the log that many tokens would write is written so often at most."""
log = logging.getLogger("raftops.service")
CLAIM = re.compile(r"[\w][\w .,'’&/()-]{0,59}")
"""What a claim's value looks like that is put beside a question; another one is left out."""


@dataclass(frozen=True)
class Caller:
    """Somebody whose token was verified."""

    groups: frozenset[str]
    asker: Asker = field(default=NOBODY, repr=False)
    """What the token says beside the groups, for retrieval; no permission."""
    principal: str = field(default="", repr=False)
    """Who it is, for limits: issuer and subject, the token's digest where it names none, or the development user."""


REASONS = {
    "missing": (401, "missing token: send Authorization: Bearer <token>"),
    "malformed": (401, "malformed token: send Authorization: Bearer <token>"),
    "unknown": (401, "unknown token: send Authorization: Bearer <token>"),
    "expired": (401, "expired token: send Authorization: Bearer <token>"),
    "invalid": (401, "invalid token: send Authorization: Bearer <token>"),
    "ambiguous": (400, "more than one Authorization header: send one"),
    "groups_overage": (403, "groups overage: the token carries no groups, for there are too many of them"),
    "keys_outdated": (503, "tokens cannot be verified: the issuer's keys are out of date and it does not answer"),
    "directory_away": (503, "groups cannot be looked up: the directory does not answer"),
}
"""Why somebody is not let in: status and sentence. Nothing in them comes from the request."""


class Denied(RaftopsError):
    """The token is missing or is not good, or nobody can tell. Says why in a word that gives nothing away."""

    def __init__(self, reason: str) -> None:
        self.status, message = REASONS[reason]
        super().__init__(message)
        self.reason = reason
        """One of `REASONS`."""


class Verifier(Protocol):
    """Tokens to callers."""

    def caller(self, token: str) -> Caller:
        """Whose token this is. Raises `Denied`."""


class JwtVerifier:
    """JSON Web Tokens, signed by a key of a key set. `exp` is required, and `iss` and `aud` where configured."""

    def __init__(self, keys: KeySet, identity: Identity, directory: Directory | None = None) -> None:
        self._keys, self._identity, self.directory = keys, identity, directory
        self._said: dict[str, float] = {}

    def caller(self, token: str) -> Caller:
        """Whose token this is."""
        try:
            header = jwt.get_unverified_header(token)
            claims = self._claims(token, header)
        except jwt.ExpiredSignatureError as error:
            raise Denied("expired") from error
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Denied("invalid") from error
        subject = as_text(claims.get("sub"))
        who = [claims.get("iss"), subject] if subject else [_digest(token).hex()]
        asker = asker_in(claims, self._identity.boost_claims)
        return Caller(self._groups(claims), asker, json.dumps(who))

    def _claims(self, token: str, header: Mapping[str, Any]) -> dict[str, Any]:
        """The verified claims. The algorithm is the key's, never the token's: `none` and HMAC never pass."""
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise Denied("invalid")
        try:
            keys = self._keys.find(key_id if isinstance(key_id, str) else None, algorithm)
        except KeysOutdated as error:
            self._say("nobody is verified: the issuer's keys are out of date, and it does not answer")
            raise Denied("keys_outdated") from error
        who = self._identity
        required = ["exp", *(["iss"] if who.issuer else []), *(["aud"] if who.audience else [])]
        for key in keys[:TRIED_KEYS]:
            # RFC 7519 makes `sub` and `jti` texts; an issuer that writes numbers is wrong and harms nobody
            with suppress(jwt.InvalidSignatureError):
                return jwt.decode(
                    token,
                    key.key,
                    algorithms=[key.algorithm_name],
                    issuer=who.issuer or None,
                    audience=who.audience or None,
                    leeway=LEEWAY_SECONDS,
                    options={
                        "require": required,
                        "verify_aud": bool(who.audience),
                        "verify_iss": bool(who.issuer),
                        "verify_sub": False,
                        "verify_jti": False,
                    },
                )
        raise Denied("invalid" if keys else "unknown")

    def _groups(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """The token's groups and the directory's. A token cannot name a group of the directory, nor the other way."""
        groups = frozenset(groups_of(claims, self._identity.groups_claim))
        own = frozenset(group for group in groups if not is_of_directory(group))
        if own != groups:
            self._say("a token names groups with the prefix of a directory: they do not count")
        short = not groups and is_overage(claims, self._identity.groups_claim)
        if self.directory is None:
            if short:
                self._say("groups overage: the token carries no groups (set deploy.identity.directory, or emit fewer)")
                raise Denied("groups_overage")
            return own
        name = self.directory.principal_claim
        principal = as_text(found(claims, name))
        if not principal:
            self._say(f"a token without the claim {name}, by which deploy.identity.directory knows people")
            return own
        try:
            return own | self.directory.groups(principal)
        except DirectoryAway as error:
            self._say(str(error))
            raise Denied("directory_away") from error

    def _say(self, message: str) -> None:
        """A warning in the log, now and then: whoever has a token could fill a disk."""
        if time.monotonic() - self._said.get(message, -SELDOM_SECONDS) >= SELDOM_SECONDS:
            self._said = {**dict(list(self._said.items())[-20:]), message: time.monotonic()}
            log.warning("%s", message)


def groups_of(claims: Mapping[str, Any], claim: str) -> list[str]:
    """The groups in a claim: a list of strings. Absent means none; any other shape is refused, not guessed at.

    `realm_access.roles` is a claim inside another. Where a token has both that and a claim with the dot in its name,
    nobody can tell which its issuer means: refused, unless they say the same.
    """
    whole, inside = claims.get(claim), _inside(claims, claim)
    if whole is not None and inside is not None and whole != inside:
        raise Denied("invalid")
    value = inside if whole is None else whole
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(group, str) for group in value):
        raise Denied("invalid")
    return value


def is_overage(claims: Mapping[str, Any], claim: str) -> bool:
    """Whether an issuer left the groups out for their number and wrote where to ask instead, as Entra ID does."""
    name = claim.rpartition(".")[2]
    elsewhere = claims.get("_claim_names")
    pointed_to = isinstance(elsewhere, Mapping) and bool({claim, name} & elsewhere.keys())
    flagged = name == "groups" and str(claims.get("hasgroups")).lower() == "true"
    return pointed_to or flagged or any(key.startswith((f"{claim}:src", f"{name}:src")) for key in claims)


def found(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its path (`address.country`), or by its whole name; None where there is none, or both and different.

    Never `groups_of`: what is ambiguous is left out here, and refused there.
    """
    whole, inside = claims.get(path), _inside(claims, path)
    if whole is None or whole == inside:
        return inside
    return whole if inside is None else None


def _inside(claims: Mapping[str, Any], path: str) -> Any:
    value: Any = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def as_text(value: Any) -> str:
    """The name in a claim: a text, or a whole number as its digits; nothing else names anybody."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value) if isinstance(value, str) or abs(value) < 10**30 else ""


def asker_in(claims: Mapping[str, Any], kinds: Mapping[str, BoostClaim]) -> Asker:
    """The asker by a verified token's claims. One of another shape than a short text is left out: it opens nothing."""
    said = {kind: found(claims, spec.claim or kind) for kind, spec in kinds.items()}
    single = {kind: value[0] if isinstance(value, list) and len(value) == 1 else value for kind, value in said.items()}
    fit = {kind: value for kind, value in single.items() if isinstance(value, str) and CLAIM.fullmatch(value)}
    return asker_of(fit, kinds)


class DevVerifier:
    """Tokens of the development token file, which is read again where it was changed."""

    def __init__(self, path: Path, users: Mapping[str, DevUser], kinds: Mapping[str, BoostClaim]) -> None:
        self._path, self._kinds = path, kinds
        self._changed = _changed_at(path)
        self._users = self._callers(users)

    def _callers(self, users: Mapping[str, DevUser]) -> dict[bytes, Caller]:
        return {
            _digest(user.token): Caller(
                frozenset(user.groups),
                asker_in({spec.claim or k: user.claims.get(k) for k, spec in self._kinds.items()}, self._kinds),
                name,
            )
            for name, user in users.items()
        }

    def caller(self, token: str) -> Caller:
        """Whose token this is; every known token is compared, in constant time."""
        known = self._known(token)
        if known is None and (changed := _changed_at(self._path)) not in (0, self._changed):
            self._changed = changed  # a file that was broken by hand is looked at once, and the users stay
            with suppress(ServiceError):
                self._users = self._callers(load_dev_tokens(self._path))
            known = self._known(token)
        if known is None:
            raise Denied("unknown")
        return known

    def _known(self, token: str) -> Caller | None:
        asked, known = _digest(token), None
        for digest, caller in self._users.items():
            if hmac.compare_digest(digest, asked):
                known = caller
        return known


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _changed_at(path: Path) -> int:
    """When a file was changed last; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


class Both:
    """A JWT is verified as one; any other token is looked up in the development file."""

    def __init__(self, jwts: Verifier, dev: Verifier) -> None:
        self._jwts, self._dev = jwts, dev
        self.directory: Directory | None = getattr(jwts, "directory", None)

    def caller(self, token: str) -> Caller:
        """Whose token this is."""
        return (self._jwts if token.count(".") == 2 else self._dev).caller(token)


def open_verifier(identity: Identity, host: str, groups: Sequence[str]) -> Verifier:
    """What the spec's `deploy.identity` asks for. `groups` are those of the access file, for development users.

    Raises:
        ServiceError: nobody could call, or a development token file is used on a host that others reach.
    """
    verifiers: list[Verifier] = []
    directory = open_directory(identity.directory)
    if directory and not identity.jwks:
        step = "set deploy.identity.jwks, or leave directory out: a development token names its groups itself"
        raise ServiceError("deploy.identity.directory without jwks: no token would name anybody in it", next_step=step)
    if identity.jwks:
        if not identity.issuer or not identity.audience:
            raise ServiceError(
                "deploy.identity.jwks without issuer and audience would take tokens for other applications",
                next_step="set deploy.identity.issuer and deploy.identity.audience",
            )
        keys = KeySet(identity.jwks, max_age_seconds=identity.keys_max_age_seconds)
        verifiers.append(JwtVerifier(keys, identity, directory))
    if identity.dev_tokens:
        if not is_loopback(host):
            raise ServiceError(
                f"development tokens are refused on {host or 'an unknown address'}: it is not loopback",
                next_step="set deploy.host: 127.0.0.1, or deploy.identity.jwks and dev_tokens: ''",
            )
        path = Path(identity.dev_tokens)
        verifiers.append(DevVerifier(path, ensure_dev_tokens(path, groups), identity.boost_claims))
    if not verifiers:
        step = "set deploy.identity.jwks, or dev_tokens on a laptop"
        raise ServiceError("deploy.identity names no way to prove who is asking", next_step=step)
    return Both(*verifiers) if len(verifiers) == 2 else verifiers[0]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def bearer(headers: Sequence[str]) -> str:
    """The token of a request's Authorization headers. Of two, a proxy and we could each take another one: refused."""
    if len(headers) > 1:
        raise Denied("ambiguous")
    if not headers or not headers[0]:
        raise Denied("missing")
    scheme, _, token = headers[0].partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or len(token) > LONGEST_TOKEN or not TOKEN.fullmatch(token):
        raise Denied("malformed")
    return token
