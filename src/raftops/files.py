"""Files that are never half-written: temporary name, fsync, rename. JSON Lines with located errors."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from raftops.errors import StepError


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
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else error
        raise StepError(f"{path}: not valid JSON ({why})") from error


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write JSON Lines as they come; returns the number of rows."""
    count = 0
    with atomic(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
            count += 1
    return count


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object); an unreadable line is a `StepError` with its place."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _object(path, number, line)
    except (OSError, UnicodeDecodeError) as error:
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
        raise StepError(f"{path}:{number}: not valid JSON ({error})") from error
    if not isinstance(row, dict):
        raise StepError(f"{path}:{number}: a row must be a JSON object")
    return row


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
