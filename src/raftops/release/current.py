"""Which release is served: `current` is one small file, rewritten whole. Promote, roll back, list, prune."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from raftops.errors import ReleaseError
from raftops.files import write_json
from raftops.release.arrivals import arrivals, note
from raftops.release.release import Release, open_release
from raftops.release.seal import HASH_DIGITS, NAME, RECORD

POINTER = "current"
IN_FORCE = "in_force.json"
"""Who may read what now; see `in_force.py`."""
POINTER_BYTES = 64 << 10
RUN = "raftops run <spec> makes one"


@dataclass(frozen=True)
class Current:
    """What is served, and what was served before, newest first."""

    hash: str
    previous: tuple[str, ...] = ()
    promoted: str = ""
    has_access: bool = False
    """Whether policies were ever put in force beside it (`in_force.py`): that their file is gone opens nothing."""
    bad: Mapping[str, str] = field(default_factory=dict)
    """Releases that no run serves again unless asked, and why."""


def read_current(releases: Path) -> Current | None:
    """What is served, or None where nothing was promoted yet. It names folders of releases here and no other place."""
    path = releases / POINTER
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(POINTER_BYTES + 1)
        if len(text) > POINTER_BYTES:
            raise ValueError("too large")
        raw: Any = json.loads(text)
        bad = {str(name): str(why) for name, why in dict(raw.get("bad", {})).items()}
        previous = tuple(map(str, raw["previous"]))
        current = Current(str(raw["hash"]), previous, str(raw["promoted"]), bool(raw.get("has_access")), bad)
        if strange := [name for name in (current.hash, *current.previous) if not NAME.fullmatch(name)]:
            raise ValueError(f"{strange[0][:40]!r} is no name of a release")
        return current
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReleaseError(
            f"{path}: cannot be read ({error})", next_step=f"remove it and promote a release in {releases}"
        ) from error


def current_release(releases: Path) -> Release:
    """The release that is served."""
    current = read_current(releases)
    if current is None:
        raise ReleaseError(f"{releases}: no release is current", next_step=RUN)
    return open_release(releases / current.hash)


def list_releases(releases: Path) -> list[dict[str, Any]]:
    """Name, hash, arm and time of every release, newest first, with the current one marked. Checks no file.

    Newest is what came last, by the order that the folder notes; the time of making is shown and counts for nothing.
    """
    current, order = read_current(releases), arrivals(releases)
    rows = []
    for folder in releases.glob("*"):
        if NAME.fullmatch(folder.name) and (folder / RECORD).is_file():
            row = {k: _noted(folder).get(k) for k in ("name", "title", "created", "arm", "sources_trained")}
            rows.append({"hash": folder.name, "current": bool(current and current.hash == folder.name), **row})
    unnoted = len(order)
    return sorted(
        rows, key=lambda row: (order.get(row["hash"], unnoted), str(row["created"] or ""), row["hash"]), reverse=True
    )


def _noted(folder: Path) -> dict[str, Any]:
    """What the record says, unchecked; nothing where it cannot be read: a list shows what is there."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def find_release(releases: Path, prefix: str) -> Release:
    """The one release whose hash begins so."""
    found = [row["hash"] for row in list_releases(releases) if row["hash"].startswith(prefix[:HASH_DIGITS])]
    if len(found) != 1:
        what = "several releases begin" if found else "no release begins"
        raise ReleaseError(f"{releases}: {what} with {prefix}", next_step="raftops release list")
    return open_release(releases / found[0])


def promote(releases: Path, hash_: str) -> Current:
    """Serve a release. The one before is remembered; promoting what is current changes nothing."""
    name = open_release(releases / hash_[:HASH_DIGITS]).short
    with locked(releases):
        note(releases, [name])
        current = read_current(releases)
        if current and current.hash == name:
            return current
        before = (current.hash, *(h for h in current.previous if h != current.hash)) if current else ()
        return _point(releases, current, name, tuple(h for h in before if h != name))


def rollback(releases: Path, hash_: str = "") -> Current:
    """Serve the release before the current one, or the one named. What was current is not offered again.

    Raises:
        ReleaseError: there is none, or it is not whole any more.
    """
    if hash_:
        return promote(releases, find_release(releases, hash_).short)
    with locked(releases):
        left = _left(releases)
        open_release(releases / left[0])
        return _point(releases, read_current(releases), left[0], tuple(left[1:]))


def previous_release(releases: Path) -> Release:
    """The release that `rollback` goes back to."""
    return open_release(releases / _left(releases)[0])


def _left(releases: Path) -> list[str]:
    """What was served before and is still here, newest first."""
    current = read_current(releases)
    left = [h for h in current.previous if (releases / h / RECORD).is_file()] if current else []
    if not left:
        raise ReleaseError(f"{releases}: there is no release to go back to", next_step="raftops release list")
    return left


def prune(releases: Path, keep: int) -> list[str]:
    """Delete all but the newest releases; the current one and the one to go back to stay. Returns what went."""
    with locked(releases):
        current = read_current(releases)
        kept = {row["hash"] for row in list_releases(releases)[:keep]}
        kept |= {current.hash, *current.previous[:1]} if current else set()
        gone = [path for path in releases.iterdir() if path.is_dir() and _is_old(path, kept)]
        for path in gone:
            shutil.rmtree(path)
        note(releases, [row["hash"] for row in reversed(list_releases(releases))])
    return sorted(path.name for path in gone)


def _is_old(path: Path, kept: set[str]) -> bool:
    """A release that is not kept, or the draft of a run that was killed an hour ago or more."""
    if path.name.startswith(".draft-"):
        return time.time() - path.stat().st_mtime > 3600
    return bool(NAME.fullmatch(path.name)) and path.name not in kept


def mark_bad(releases: Path, hash_: str, why: str) -> Current:
    """No run serves this release again unless it is promoted by name. An empty `why` takes the mark away.

    Raises:
        ReleaseError: it is the one that is served.
    """
    with locked(releases):
        current = read_current(releases)
        if current is None or current.hash == hash_:
            advice = "raftops release rollback SPEC goes back to the one before, and marks it"
            raise ReleaseError(f"release {hash_}: is the one that is served", next_step=advice)
        others = {name: reason for name, reason in current.bad.items() if name != hash_}
        marked = replace(current, bad=others | ({hash_: why} if why else {}))
        write_json(releases / POINTER, asdict(marked))
        return marked


def whole_releases(releases: Path) -> list[Path]:
    """The folders of the releases that are whole, in no order that means anything."""
    return sorted(path.parent for path in releases.glob(f"*/{RECORD}") if NAME.fullmatch(path.parent.name))


def remember_access(releases: Path) -> None:
    """Say in the pointer that policies were put in force; the caller holds the lock."""
    current = read_current(releases)
    if current and not current.has_access:
        write_json(releases / POINTER, asdict(replace(current, has_access=True)))


def _point(releases: Path, before: Current | None, name: str, previous: tuple[str, ...]) -> Current:
    in_force = bool(before and before.has_access) or (releases / IN_FORCE).is_file()
    bad = {hash_: why for hash_, why in (before.bad if before else {}).items() if hash_ != name}
    current = Current(name, previous, timestamp(), in_force, bad)
    write_json(releases / POINTER, asdict(current))
    return current


def timestamp() -> str:
    """This moment, for people: the order of changes is a counter's."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def locked(releases: Path) -> Iterator[None]:
    """One change of the folder at a time."""
    releases.mkdir(parents=True, exist_ok=True)
    with (releases / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
