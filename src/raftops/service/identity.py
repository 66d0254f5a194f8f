"""Who is asking: a bearer token to a caller and its groups. Groups come from the verified token and nowhere else.

What a caller may read is not decided here; `raftops.access` does that. Claims such as the country come from the same
token; they help to understand a question, open nothing, and are written to no log.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
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
from raftops.service.key_set import ALGORITHMS, KeySet
from raftops.spec.model.serving import BoostClaim, Identity

LEEWAY_SECONDS = 10
LONGEST_TOKEN = 16_384
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


class Denied(RaftopsError):
    """The token is missing or is not good. Says why in a word that gives nothing away."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} token")
        self.reason = reason
        """missing, malformed, unknown, expired or invalid."""


class Verifier(Protocol):
    """Tokens to callers."""

    def caller(self, token: str) -> Caller:
        """Whose token this is. Raises `Denied`."""


class JwtVerifier:
    """JSON Web Tokens, signed by a key of a key set. `exp` is required, and `iss` and `aud` where configured."""

    def __init__(self, keys: KeySet, identity: Identity) -> None:
        self._keys, self._identity = keys, identity

    def caller(self, token: str) -> Caller:
        """Whose token this is."""
        try:
            header = jwt.get_unverified_header(token)
            claims = self._claims(token, header)
        except jwt.ExpiredSignatureError as error:
            raise Denied("expired") from error
        except (jwt.InvalidTokenError, ValueError) as error:
            raise Denied("invalid") from error
        groups = frozenset(groups_of(claims, self._identity.groups_claim))
        who = [claims.get("iss"), claims["sub"]] if isinstance(claims.get("sub"), str) else [_digest(token).hex()]
        return Caller(groups, asker_in(claims, self._identity.boost_claims), json.dumps(who))

    def _claims(self, token: str, header: Mapping[str, Any]) -> dict[str, Any]:
        """The verified claims. The algorithm is ours to choose, by the kind of key: `none` and HMAC never pass."""
        if header.get("alg") not in ALGORITHMS:
            raise Denied("invalid")
        kid = header.get("kid")
        key = self._keys.find(kid if isinstance(kid, str) else None)
        if key is None or key.algorithm_name != header["alg"]:
            raise Denied("unknown")
        who = self._identity
        required = ["exp", *(["iss"] if who.issuer else []), *(["aud"] if who.audience else [])]
        return jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm_name],
            issuer=who.issuer or None,
            audience=who.audience or None,
            leeway=LEEWAY_SECONDS,
            options={"require": required, "verify_aud": bool(who.audience), "verify_iss": bool(who.issuer)},
        )


def groups_of(claims: Mapping[str, Any], claim: str) -> list[str]:
    """The groups in a claim: a list of strings. Absent means none; any other shape is refused, not guessed at.

    A claim that is not there by its whole name is looked up step by step: `realm_access.roles`.
    """
    value = found(claims, claim)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(group, str) for group in value):
        raise Denied("invalid")
    return value


def found(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its whole name, or else step by step; None if there is none."""
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
    return value


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

    def caller(self, token: str) -> Caller:
        """Whose token this is."""
        return (self._jwts if token.count(".") == 2 else self._dev).caller(token)


def open_verifier(identity: Identity, host: str, groups: Sequence[str]) -> Verifier:
    """What the spec's `deploy.identity` asks for. `groups` are those of the access file, for development users.

    Raises:
        ServiceError: nobody could call, or a development token file is used on a host that others reach.
    """
    verifiers: list[Verifier] = []
    if identity.jwks:
        if not identity.issuer or not identity.audience:
            raise ServiceError(
                "deploy.identity.jwks without issuer and audience would take tokens for other applications",
                next_step="set deploy.identity.issuer and deploy.identity.audience",
            )
        verifiers.append(JwtVerifier(KeySet(identity.jwks), identity))
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


def bearer(header: str | None) -> str:
    """The token of an Authorization header."""
    if not header:
        raise Denied("missing")
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN or " " in token:
        raise Denied("malformed")
    return token
