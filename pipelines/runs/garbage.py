"""What of a store nobody needs any more: results that no kept run used, and what of the cache only they shared.

Results, releases and cache share files by hard links, so a file takes its place once, and deleting one name of it frees
nothing: what is freed is counted by files whose every name goes.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.runs.record import Store
from raftops.errors import RaftopsError

SHARED = ("gguf", "rerankers", "train")
"""Parts of the cache that hold large files, each made for one result: of no use when no kept result has them."""


@dataclass(frozen=True)
class Garbage:
    """A folder or file that can go, and why."""

    path: Path
    why: str


def garbage(store: Store, keep: int, whole_cache: bool = False) -> list[Garbage]:
    """What can go when the newest `keep` runs of each assistant that ended well stay, and its newest one.

    `whole_cache`: everything in the cache, which runs make or fetch again.
    """
    found = [
        Garbage(path, f"used by none of the newest {keep} runs that ended well")
        for path in store.unused(keep, whole=True)
    ]
    if whole_cache:
        return [*found, *(Garbage(path, "the cache: made again when it is needed") for path in children(store.cache))]
    going = {one.path for one in found}
    kept = _inodes(path for path in store.artifacts.glob("*/*") if path not in going)
    kept |= _inodes(children(store.root / "releases"))
    records, broken = store.read()
    newest = {record.name: record for record in reversed(records)}
    if broken or any(record.status != "done" for record in newest.values()):
        return found  # the next run goes on from what the last one left in the cache
    for part in SHARED:
        whole = [path for path in children(store.cache / part) if not _inodes([path]) & kept]
        found += [Garbage(path, f"cache/{part}: no kept result or release has it") for path in whole]
    return found


def freed(found: Iterable[Garbage]) -> int:
    """Bytes that deleting it all gives back."""
    names, sizes, links = Counter[tuple[int, int]](), dict[tuple[int, int], int](), dict[tuple[int, int], int]()
    for one in found:
        for file in _files(one.path):
            about = file.stat()
            inode = (about.st_dev, about.st_ino)
            names[inode] += 1
            sizes[inode], links[inode] = about.st_blocks * 512, about.st_nlink
    return sum(sizes[inode] for inode, count in names.items() if count >= links[inode])


def size_of(folder: Path) -> int:
    """Bytes that a folder takes on the disk, each file once."""
    abouts = {(a.st_dev, a.st_ino): a.st_blocks * 512 for a in (file.stat() for file in _files(folder))}
    return sum(abouts.values())


def delete(store: Store, found: Iterable[Garbage]) -> None:
    """Delete it. Raises `RaftopsError` where a run is at work, or where something lies outside the store."""
    with store.locked():
        for one in found:
            if store.root not in one.path.resolve().parents:
                raise RaftopsError(f"{one.path} leads out of {store.root}", next_step="remove that link by hand")
            if one.path.is_dir():
                shutil.rmtree(one.path, ignore_errors=True)
            else:
                one.path.unlink(missing_ok=True)
        for run in children(store.artifacts):
            if run.is_dir() and not any(run.iterdir()):
                run.rmdir()


def children(folder: Path) -> list[Path]:
    """What lies in a folder, in order; nothing where there is none."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _files(path: Path) -> Iterator[Path]:
    """The regular files at and below a path; links are not followed."""
    if path.is_symlink():
        return
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def _inodes(paths: Iterable[Path]) -> set[tuple[int, int]]:
    abouts = (file.stat() for path in paths for file in _files(path))
    return {(about.st_dev, about.st_ino) for about in abouts if about.st_size}
