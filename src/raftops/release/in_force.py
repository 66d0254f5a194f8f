"""Who may read what *now*, beside `current`: the access policies in force and the documents that were withdrawn.

A release freezes its policies; this file outlives releases and rollbacks, and the service follows it. Its order is that
of a counter under the lock of the folder, never of a clock. Where there never was one (a store of an older version),
each release has its own policies. Not covered: what the service does with it (`service/serving.py`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from raftops.access import AccessPolicies
from raftops.errors import ReleaseError
from raftops.files import read_jsonl, sha256_json, write_json
from raftops.release.current import IN_FORCE, locked, read_current, remember_access, timestamp, whole_releases
from raftops.release.release import Release

Origin = Literal["release", "run", "apply", "file"]
REMEMBERED = 200
"""Superseded policies whose hashes are kept: by them a run that began before a change is told from one after it."""


class Withdrawn(BaseModel):
    """A document that nobody may read any more, whatever a release holds of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    versions: tuple[str, ...] = ()
    """SHA-256 of the versions that are meant; every one where there is none."""
    why: Literal["deleted", "forgotten"]
    """Deleted: a run found it gone, and the next run that has it again lifts this. Forgotten: only a person does."""
    when: str
    trained: bool = False
    """Whether weights of a release here were trained on it."""

    def covers(self, version: str) -> bool:
        """Whether this version is meant."""
        return not self.versions or version in self.versions


class InForce(BaseModel):
    """What stands in the file. Whoever is not admitted by it is not admitted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sequence: int = Field(0, ge=0)
    """One more with every change."""
    access: AccessPolicies
    withdrawn: Mapping[str, Withdrawn] = Field(default_factory=dict)
    """By document id."""
    superseded: tuple[str, ...] = ()
    """Hashes of the policies that were in force before, newest first."""
    origin: Origin = "release"
    when: str = ""

    @cached_property
    def version(self) -> str:
        """The hash of what it says: policies and withdrawn documents."""
        gone = {doc_id: sorted(one.versions) for doc_id, one in self.withdrawn.items()}
        return sha256_json([policies_hash(self.access), gone])

    def policy_of(self, doc_id: str, version: str) -> str | None:
        """The policy that a version of a document has now; None: nobody may read it."""
        gone = self.withdrawn.get(doc_id)
        return None if gone and gone.covers(version) else self.access.policy_of(doc_id)

    def may_read(self, groups: Iterable[str], doc_id: str, version: str) -> bool:
        """Whether a caller with these groups may read it now."""
        return self.access.may_read(groups, self.policy_of(doc_id, version))


def policies_hash(access: AccessPolicies) -> str:
    """What stands for policies where they are compared."""
    return sha256_json(access.model_dump(mode="json"))


def read_in_force(releases: Path) -> InForce | None:
    """What is in force; None where nothing was ever put in force here.

    Raises:
        ReleaseError: the file is broken, or is gone though there was one: then nobody may read anything.
    """
    path = releases / IN_FORCE
    try:
        return InForce.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        current = read_current(releases)
        if current and current.has_access:
            raise ReleaseError(f"{path}: is gone, so nobody may read anything", next_step=AGAIN) from error
        return None
    except (OSError, ValueError, RecursionError) as error:
        said = "; ".join(e["msg"] for e in error.errors()[:3]) if isinstance(error, ValidationError) else str(error)
        raise ReleaseError(f"{path}: cannot be read ({said})", next_step=AGAIN) from error


AGAIN = "raftops access apply SPEC --anew writes it again"


def apply_access(releases: Path, access: AccessPolicies, origin: Origin = "apply", anew: bool = False) -> InForce:
    """Put policies in force. The same ones again change nothing.

    `anew` starts over where the file is lost or broken: what the newest release does not hold counts as deleted.

    Raises:
        ReleaseError: what is in force cannot be read, and it is not to be written `anew`.
    """
    with locked(releases):
        try:
            before = read_in_force(releases)
        except ReleaseError:
            if not anew:
                raise
            return _put(releases, None, access, _missing_in_current(releases), origin)
        return _put(releases, before, access, before.withdrawn if before else {}, origin)


def take_release(releases: Path, release: Release) -> InForce:
    """A run made this release: its policies are the newest unless it began before a change, and what it has no more
    is withdrawn, in every version that a release here has. Call it before the release is promoted."""
    with locked(releases):
        before = read_in_force(releases)
        access, origin = release.access, "release"
        if before and _outdated(before, access):
            access, origin = before.access, before.origin
        withdrawn = dict(before.withdrawn) if before else {}
        here = documents_of(release.path)
        for doc_id, one in list(withdrawn.items()):
            if one.why == "deleted" and here.get(doc_id, frozenset()) & frozenset(one.versions):
                del withdrawn[doc_id]
        learned = trained_here(releases)
        for doc_id, versions in gone_since(releases, here).items():
            known = withdrawn.get(doc_id)
            if known and known.why == "forgotten":
                continue
            versions |= frozenset(known.versions) if known else frozenset()
            trained = bool(known and known.trained) or doc_id in learned
            when = known.when if known and set(known.versions) == versions else timestamp()
            withdrawn[doc_id] = Withdrawn(versions=tuple(sorted(versions)), why="deleted", when=when, trained=trained)
        return _put(releases, before, access, withdrawn, origin)  # type: ignore[arg-type]


def _outdated(before: InForce, access: AccessPolicies) -> bool:
    """Whether other policies were put in force after these: a run that began before must not bring them back."""
    return policies_hash(access) in before.superseded


def withdraw(releases: Path, doc_id: str, own: AccessPolicies) -> InForce:
    """Nobody may read any version of a document any more; only `lift` changes that. `own`: where none is in force."""
    with locked(releases):
        before = read_in_force(releases)
        one = Withdrawn(why="forgotten", when=timestamp(), trained=doc_id in trained_here(releases))
        withdrawn = dict(before.withdrawn if before else {}) | {doc_id: one}
        access = before.access if before else own
        return _put(releases, before, access, withdrawn, before.origin if before else "release")


def drop_forgotten(releases: Path, in_force: InForce) -> list[str]:
    """Delete every release that is not served and holds a document that was forgotten; returns their hashes."""
    forgotten = {doc_id for doc_id, one in in_force.withdrawn.items() if one.why == "forgotten"}
    with locked(releases):
        current, gone = read_current(releases), list[str]()
        for folder in whole_releases(releases) if forgotten else ():
            sources = folder / "sources.jsonl"
            held = documents_of(folder).keys() | {str(row["doc_id"]) for _, row in read_jsonl(sources)}
            if held & forgotten and not (current and current.hash == folder.name):
                shutil.rmtree(folder)
                gone.append(folder.name)
    return gone


def lift(releases: Path, doc_id: str) -> InForce:
    """A forgotten document may be read again where the policies say so."""
    with locked(releases):
        before = read_in_force(releases)
        if before is None or doc_id not in before.withdrawn:
            raise ReleaseError(f"{doc_id}: is not withdrawn", next_step="raftops access show SPEC lists what is")
        withdrawn = {name: one for name, one in before.withdrawn.items() if name != doc_id}
        return _put(releases, before, before.access, withdrawn, before.origin)


def documents_of(release: Path) -> dict[str, frozenset[str]]:
    """The documents that a release holds, with their versions."""
    parquet = import_module("pyarrow.parquet")  # only where releases are compared: reading one needs no extra
    columns = parquet.read_table(release / "index" / "documents.parquet", columns=["doc_id", "version"]).to_pydict()
    found: dict[str, frozenset[str]] = {}
    for doc_id, version in zip(columns["doc_id"], columns["version"], strict=True):
        found[doc_id] = found.get(doc_id, frozenset()) | {version}
    return found


def gone_since(releases: Path, here: Collection[str]) -> dict[str, frozenset[str]]:
    """Documents that some release of the folder holds and `here` does not, with all their versions."""
    gone: dict[str, frozenset[str]] = {}
    for folder in whole_releases(releases):
        for doc_id, versions in documents_of(folder).items():
            if doc_id not in here:
                gone[doc_id] = gone.get(doc_id, frozenset()) | versions
    return gone


def trained_here(releases: Path) -> frozenset[str]:
    """Documents that weights of the folder's releases were trained on."""
    files = (folder / "sources.jsonl" for folder in whole_releases(releases))
    return frozenset(str(row["doc_id"]) for file in files if file.is_file() for _, row in read_jsonl(file))


def _missing_in_current(releases: Path) -> dict[str, Withdrawn]:
    current = read_current(releases)
    here = documents_of(releases / current.hash) if current else {}
    return {
        doc_id: Withdrawn(versions=tuple(sorted(versions)), why="deleted", when=timestamp())
        for doc_id, versions in gone_since(releases, here).items()
    }


def _put(
    releases: Path, before: InForce | None, access: AccessPolicies, withdrawn: Mapping[str, Withdrawn], origin: Origin
) -> InForce:
    """Write it whole, under the lock, unless it says the same already."""
    superseded = before.superseded if before else ()
    if before and (old := policies_hash(before.access)) != policies_hash(access):
        superseded = (old, *(one for one in superseded if one not in (old, policies_hash(access))))[:REMEMBERED]
    now = InForce(
        sequence=before.sequence + 1 if before else 1, access=access, withdrawn=withdrawn, superseded=superseded,
        origin=origin, when=timestamp(),
    )  # fmt: skip
    if (
        before
        and before.version == now.version
        and before.withdrawn == now.withdrawn
        and (releases / IN_FORCE).is_file()
    ):
        return before
    write_json(releases / IN_FORCE, now.model_dump(mode="json"))
    remember_access(releases)
    return now
