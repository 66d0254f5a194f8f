"""Files that are never half-written: temporary name, fsync, rename. JSON Lines with located errors."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from raftops.errors import StepError, plainly

MOST_HOPS = 40
"""Links that are followed one after the other, as the kernel does."""


@contextmanager
def atomic(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path` that takes its name only when the block ends well.

    What the disk has against it names `path`: the error of a write has no name, and the temporary one says nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        encoding = None if "b" in mode else "utf-8"
        with os.fdopen(handle, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, name):
            error.filename = str(path)
        raise


@contextmanager
def alone_in(*folders: Path) -> Iterator[None]:
    """Nobody else who asks for one of these folders is in the block; no file is left in them. Waits for its turn."""
    with ExitStack() as held:
        for folder in sorted({folder.resolve() for folder in folders}):
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder, os.O_RDONLY)
            held.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


SOCKET_BYTES = 100
"""Longest path of a folder for sockets: 107 bytes with the socket's name are what Linux takes."""


def private_folder(prefix: str) -> Path:
    """A new folder for sockets that only this user can open; a deep TMPDIR is passed by. The caller removes it.

    Raises:
        StepError: no folder with so short a name can be made.
    """
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108  mkdtemp makes it new, with mode 0700
        path = Path(os.path.realpath(parent)) / f"{prefix}{'x' * 8}"
        if len(os.fsencode(path)) <= SOCKET_BYTES and os.access(path.parent, os.W_OK):
            return Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
    raise StepError(f"{tempfile.gettempdir()}: too long a path for a socket", next_step="set TMPDIR to a shorter one")


def write_text(path: Path, text: str) -> None:
    """Write a whole text file, or nothing."""
    with atomic(path) as file:
        file.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file (sorted keys, final newline), or nothing."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; a missing or broken one is a `StepError` with its place."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StepError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise StepError(f"{path}: not valid JSON (nested too deep)") from error
    except ValueError as error:
        raise StepError(f"{path}: not valid JSON ({plainly(error)})") from error


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write JSON Lines as they come; returns the number of rows."""
    count = 0
    with atomic(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
            count += 1
    return count


def not_utf8(data: bytes) -> str:
    """Why bytes are no text in UTF-8, and what mends it; empty where they are."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{")):  # a mark, or a row of JSON without one
        return "is UTF-16; save it as UTF-8"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
    return ""


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object); an unreadable line is a `StepError` with its place."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if wrong := not_utf8(line):
                    raise StepError(f"{path}:{number}: {wrong}")
                if line.strip():
                    yield number, _object(path, number, line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except OSError as error:
        raise StepError(f"{path}: cannot be read ({error})") from error


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise StepError(f"{path}:{number}: half a character ({error.reason}), which no file can hold") from error
    except RecursionError as error:
        raise StepError(f"{path}:{number}: nested too deep") from error
    except ValueError as error:
        raise StepError(f"{path}:{number}: not valid JSON ({plainly(error)})") from error
    if not isinstance(row, dict):
        raise StepError(f"{path}:{number}: a row must be a JSON object")
    return row


def names_on_the_way(folder: Path, path: Path) -> tuple[str, ...]:
    """Every name below a folder that leads to what a path names: its own, those of links on the way, and the file's.

    A path that is no link has one. Names outside of the folder are left out.
    """
    real = Path(os.path.realpath(folder))
    names, seen, hop = dict[str, None](), set[str](), str(path)
    while hop not in seen and len(seen) < MOST_HOPS:
        seen.add(hop)
        # As it is written, and with the links among its folders followed.
        inside = os.path.join(os.path.realpath(os.path.dirname(hop)), os.path.basename(hop))
        for below, each in ((folder, os.path.abspath(hop)), (real, inside), (real, os.path.realpath(hop))):
            with suppress(ValueError):
                names[Path(each).relative_to(os.path.abspath(below)).as_posix()] = None
        if os.path.islink(inside):
            hop = os.path.join(os.path.dirname(inside), os.readlink(inside))
    return tuple(names)


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """Hex SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sha256_json(value: Any) -> str:
    """Hex SHA-256 of a value's canonical JSON."""
    return sha256_text(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def sha256_tree(folder: Path) -> str:
    """Hex SHA-256 over the sorted relative names and bytes of every file below a folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return sha256_json([[p.relative_to(folder).as_posix(), sha256_file(p)] for p in files])


def link_or_copy(source: str, target: str) -> str:
    """A hard link, or a copy where the file system does not link: a copy function for `shutil.copytree`."""
    try:
        os.link(source, target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            error.filename = error.filename or target
            raise
    return target
