"""Development tokens: a file of a few made-up users with random tokens, so that a laptop needs no identity provider.

Readable by its owner only; the service refuses it unless it listens on loopback.
"""

from __future__ import annotations

import glob
import json
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from raftops.errors import ServiceError

EVERYONE = "everyone"
"""The user who is in every group, where no group has that name."""
DRAFT_SECONDS = 60.0
"""An older draft of the file is nobody's any more."""


@dataclass(frozen=True)
class DevUser:
    """A user of the development token file."""

    token: str
    groups: tuple[str, ...]
    claims: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By kind, as `deploy.identity.boost_claims` names them: `country`. Never a permission."""


def ensure_dev_tokens(path: Path, groups: Sequence[str]) -> dict[str, DevUser]:
    """Make the file, or add the users it lacks: one for each group, named like it, and `everyone`, who is in all.

    A group that is itself called `everyone` opens what it may read, no more. Tokens stay; who is in every group follows
    the groups that there are, also in users that were made of `everyone` with claims.
    """
    users = load_dev_tokens(path) if path.exists() else {}
    wanted: dict[str, tuple[str, ...]] = {group: (group,) for group in sorted(groups)}
    wanted.setdefault(EVERYONE, tuple(sorted(groups)))
    missing = {name: DevUser(secrets.token_urlsafe(32), member) for name, member in wanted.items() if name not in users}
    follows = {
        name: replace(user, groups=wanted[EVERYONE]) for name, user in users.items()
        if name.partition(" ")[0] == EVERYONE and user.groups != wanted[EVERYONE]
    }  # fmt: skip
    if missing or follows:
        users |= missing | follows
        _write(path, users)
    return users


def dev_user_with(path: Path, users: Mapping[str, DevUser], name: str, claims: Mapping[str, str]) -> DevUser:
    """A user like the one of this name, who has these claims as well; made, and kept in the file, if there is none."""
    described = " ".join([name, *(f"{kind}={value}" for kind, value in sorted(claims.items()))])
    if described not in users:
        made = DevUser(secrets.token_urlsafe(32), users[name].groups, {**users[name].claims, **claims})
        users = {**users, described: made}
        _write(path, users)
    return users[described]


def load_dev_tokens(path: Path) -> dict[str, DevUser]:
    """The users by name.

    Raises:
        ServiceError: the file is missing, malformed or readable by others.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ServiceError(f"{path}: others may read these tokens", next_step=f"chmod 600 {path}")
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): _user(user) for name, user in raw["users"].items()}
    except OSError as error:
        raise ServiceError(f"{path}: cannot be read ({error.strerror})", next_step="raftops serve makes it") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServiceError(f"{path}: not a development token file", next_step=f"rm {path}; it is made anew") from error


def _user(raw: Any) -> DevUser:
    token, groups, claims = raw["token"], raw["groups"], raw.get("claims", {})
    whole = isinstance(token, str) and len(token) >= 20 and isinstance(groups, list) and isinstance(claims, dict)
    if not whole or not all(isinstance(value, str) for value in (*groups, *claims.values())):
        raise ValueError("a user has a token of 20 characters or more, a list of groups, and claims that are texts")
    return DevUser(token, tuple(groups), claims)


def _write(path: Path, users: Mapping[str, DevUser]) -> None:
    """Whole, and never readable by others, not even while it is written (mkstemp makes it 0600).

    A draft holds tokens, too: none stays where the disk is full, and one of a process that was killed goes now.
    """
    rows = {name: asdict(user) for name, user in sorted(users.items())}
    value = {"users": {name: {k: v for k, v in row.items() if k != "claims" or v} for name, row in rows.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}."
    for left in path.parent.glob(f"{glob.escape(prefix)}{'[a-z0-9_]' * 8}"):  # the names of mkstemp
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > DRAFT_SECONDS:
                left.unlink()
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=prefix)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(value, indent=2) + "\n")
        os.replace(draft, path)
    except BaseException as error:
        Path(draft).unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise
