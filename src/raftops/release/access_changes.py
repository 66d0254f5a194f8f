"""What a change of access opens and closes, document by document: for the screen, a plan and a rollback.

Compares who may read; puts nothing in force (`in_force.py` does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from raftops.access import AccessPolicies
from raftops.errors import ReleaseError
from raftops.release.current import Current, find_release, mark_bad, previous_release, read_current, rollback
from raftops.release.in_force import InForce, documents_of, read_in_force, take_release
from raftops.release.release import Release, open_release

Readers = Callable[[str, str], frozenset[str]]
"""The groups that may read a version of a document."""


@dataclass(frozen=True)
class Change:
    """A document that other groups may read than before."""

    doc_id: str
    opened: tuple[str, ...]
    """Groups that may read it now and could not before."""
    closed: tuple[str, ...]
    """Groups that could read it before and may not now."""


def readers_by(access: AccessPolicies) -> Readers:
    """Who may read, by policies alone."""
    return lambda doc_id, version: _groups(access, access.policy_of(doc_id))


def readers_now(in_force: InForce) -> Readers:
    """Who may read, by what is in force."""
    return lambda doc_id, version: _groups(in_force.access, in_force.policy_of(doc_id, version))


def _groups(access: AccessPolicies, policy_id: str | None) -> frozenset[str]:
    return frozenset(group for group in access.groups if access.may_read([group], policy_id))


def changes(before: Readers, after: Readers, documents: Iterable[tuple[str, str]]) -> list[Change]:
    """The documents (id and version) that somebody may read who could not, or the other way round."""
    found = []
    for doc_id, version in documents:
        had, has = before(doc_id, version), after(doc_id, version)
        if had != has:
            found.append(Change(doc_id, tuple(sorted(has - had)), tuple(sorted(had - has))))
    return found


def versions_of(release: Path) -> list[tuple[str, str]]:
    """Every document of a release with its version."""
    return sorted((doc_id, version) for doc_id, held in documents_of(release).items() for version in held)


def would_change(releases: Path, access: AccessPolicies) -> list[Change]:
    """What these policies would open and close of the current release, were they put in force. Nothing, where that is a
    release of an earlier version, which nobody serves."""
    current = read_current(releases)
    if current is None:
        return []
    try:
        release = open_release(releases / current.hash)
    except ReleaseError:
        return []
    now = read_in_force(releases) or InForce(access=release.access)
    then = now.model_copy(update={"access": access})
    return changes(readers_now(now), readers_now(then), versions_of(release.path))


def would_reopen(releases: Path, release: Release) -> list[Change]:
    """What a release would give back to somebody if its own policies counted: revoked or deleted since it was made."""
    now = read_in_force(releases)
    if now is None:
        current = read_current(releases)
        now = InForce(access=open_release(releases / current.hash).access) if current else None
    if now is None:
        return []
    found = changes(readers_now(now), readers_by(release.access), versions_of(release.path))
    return [change for change in found if change.opened]


def roll_back(releases: Path, prefix: str = "", keep: bool = False) -> Current:
    """Serve an earlier release under the access of today, and mark the one that is left as bad unless `keep`.

    Where nothing was put in force yet, what the current release says is, before it goes.
    """
    current = read_current(releases)
    wanted = find_release(releases, prefix) if prefix else previous_release(releases)
    if current and read_in_force(releases) is None:
        take_release(releases, open_release(releases / current.hash))
    back = current is not None and wanted.short in current.previous
    now = rollback(releases, wanted.short if prefix else "")
    if current and back and not keep:
        now = mark_bad(releases, current.hash, f"rolled back to {now.hash}")
    return now
