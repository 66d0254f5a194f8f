"""The record of a release, `release.json`: all that is served under one hash, in one form. Every byte of it counts.

`hash` is over everything that is served: the parts, the digest of every file, and each field that the service reads.
When the release was made is no part of it, and stands under the `seal`, which is over the whole record. Neither says
who made the release: whoever may write the store can make another one, under another hash. That is what `signing.py`
is for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from raftops.errors import ReleaseError
from raftops.files import sha256_json
from raftops.release.parts import SERVED, digest_of

FORMAT = 2
"""Of the record. In the first one the hash was over the parts alone."""
HASH_DIGITS = 16
RECORD = "release.json"
RECORD_BYTES = 16 << 20
SIGNATURES = ("release.sig", "adapter.sig")
"""Signatures of the whole and of its adapter, written after it; see `signing.py`."""
NAME = re.compile(rf"[0-9a-f]{{{HASH_DIGITS}}}")
"""What the folder of a release is called."""
UNHASHED = frozenset({"hash", "seal", "created"})
"""Keys that the hash is not over; the seal is over all but itself."""
AGAIN = "roll back, or remove the folder and run the spec again"
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """What `release.json` holds: these keys and no other."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    format: Literal[2]
    hash: Digest
    """SHA-256 over all keys but `hash`, `seal` and `created`; the folder's name is its first digits."""
    seal: Digest
    """SHA-256 over all keys but itself."""
    name: str = Field(pattern=r"^[^/\\\x00]{1,200}$")
    title: str
    created: str
    parts: dict[str, str]
    """SHA-256 by part: what it means, not the bytes that differ from run to run."""
    arm: Literal["raft", "base+rag", "fine-tuned+rag"]
    model_file: str
    base: str
    base_digest: str
    dense_share: float
    deploy: dict[str, Any]
    trained_policies: list[str]
    sources_trained: int
    files: dict[str, Digest]
    """SHA-256 of every file of the folder but this one and the signatures."""


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its format, hash and seal."""
    body = {**record, "format": FORMAT}
    body["hash"] = sha256_json({key: value for key, value in body.items() if key not in UNHASHED})
    body["seal"] = sha256_json({key: value for key, value in body.items() if key != "seal"})
    return body


def identity(record: Mapping[str, Any]) -> str:
    """What two runs over the same inputs have in common: everything but time and the files, some of which differ."""
    kept = {key: value for key, value in record.items() if key not in UNHASHED | {"files", "format"}}
    return sha256_json(kept)


def read_record(folder: Path) -> Record:
    """The record of a release, if it is whole, in the one form that is written, and that of the folder's name.

    Raises:
        ReleaseError: it is not; says in what. Checks no other file.
    """
    path = folder / RECORD
    raw = _parsed(path)
    if isinstance(raw, dict) and "format" not in raw and {"hash", "parts"} <= raw.keys():
        message = f"{path}: a release of an earlier version, whose hash does not cover its files"
        raise ReleaseError(message, next_step="run the spec again")
    try:
        record = Record.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the record"
        raise ReleaseError(
            f"{path}: not a release of this version ({where}: {first['msg']})", next_step="run the spec again"
        ) from error
    again = sealed({key: value for key, value in raw.items() if key not in ("hash", "seal")})
    if again["hash"] != record.hash:
        raise ReleaseError(f"{path}: the hash is not that of the parts and files", next_step=AGAIN)
    if again["seal"] != record.seal or canonical(again) != canonical(raw):  # 2.0 is no 2
        raise ReleaseError(f"{path}: the seal is not that of the record", next_step=AGAIN)
    named = folder.name.partition(".")[0]  # a draft has none yet; one that failed has `.failed` behind it
    if named and named != record.hash[:HASH_DIGITS]:
        raise ReleaseError(f"{path}: is the record of another release, {record.hash[:HASH_DIGITS]}", next_step=AGAIN)
    if record.model_file not in ("", f"model/{SERVED[record.arm]}.gguf"):
        raise ReleaseError(f"{path}: model_file is not the file of {record.arm}", next_step=AGAIN)
    if strange := sorted(name for name in record.files if not is_inside(name)):
        raise ReleaseError(f"{path}: {strange[0]!r} is no name of a file in a release", next_step=AGAIN)
    if record.model_file and record.model_file not in record.files:
        raise ReleaseError(f"{path}: {record.model_file} is not among its files", next_step=AGAIN)
    return record


def check_files(folder: Path, record: Record) -> None:
    """Raise `ReleaseError` where a file is missing, was added, is a link, or is not what was written."""
    present = set(files_of(folder))
    if strange := sorted(present ^ record.files.keys()):
        what = "missing" if strange[0] in record.files else "was not written with the release"
        raise ReleaseError(f"{folder / strange[0]}: {what}", next_step=AGAIN)
    for name in sorted(present):
        if digest_of(folder / name) != record.files[name]:
            raise ReleaseError(f"{folder / name}: is not what was written", next_step=AGAIN)


def files_of(folder: Path) -> Iterator[str]:
    """Every file of a release but its record and signatures, by relative name. A link, pipe or device is refused."""
    if folder.is_symlink():
        raise ReleaseError(f"{folder}: a link; a release is a folder of its own", next_step=AGAIN)
    apart = {folder / name for name in (RECORD, *SIGNATURES)}
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            what = "a link" if path.is_symlink() else "no file"
            raise ReleaseError(f"{path}: {what}; a release holds files only", next_step="run the spec again")
        if path.is_file() and path not in apart:
            yield path.relative_to(folder).as_posix()


def is_inside(name: str) -> bool:
    """Whether a name in a list of files stays in the folder, and is written in the one way."""
    path = PurePosixPath(name)
    plain = not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name
    return plain and path.parts != () and path.as_posix() == name


def canonical(record: Mapping[str, Any]) -> str:
    """The one form of a record."""
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _parsed(path: Path) -> Any:
    """The JSON of a record. A space more, a key twice, another way to write a number: all of it is refused."""
    try:
        if path.is_symlink() or path.stat().st_size > RECORD_BYTES:
            raise ReleaseError(f"{path}: a link, or too large for a record", next_step=AGAIN)
        body = path.read_bytes()
        value = json.loads(body)
        same = isinstance(value, dict) and canonical(value).encode() == body
    except OSError as error:
        raise ReleaseError(f"{path}: cannot be read ({error.strerror})", next_step="run the spec again") from error
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else error
        raise ReleaseError(f"{path}: not valid JSON ({why})", next_step=AGAIN) from error
    if not same:
        raise ReleaseError(f"{path}: not in the form that a release is written in", next_step=AGAIN)
    return value
