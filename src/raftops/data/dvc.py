"""The data of a spec by content, and where a pod takes it from: a bucket that DVC pushed it to, by its hash.

What DVC keeps in a remote is a file for each content, named after its MD5, and for a folder a list of its files
(https://dvc.org/doc/user-guide/project-structure/internal-files). Only that is read here: no repository, no DVC.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import Field

from raftops.errors import StorageError
from raftops.files import sha256_file, sha256_json, sha256_text
from raftops.data.listing import example_files, list_documents
from raftops.progress import progress
from raftops.spec.model.base import Section
from raftops.spec.model.knowledge import Data
from raftops.spec.model.platform import Storage

AT_ONCE = 8
"""Files fetched at the same time."""
FOLDER = ".dir"
"""Behind the hash of a folder."""
PUSH = "raftops data push, from a machine that has the data"


class Out(Section):
    """A file or a folder that DVC tracks."""

    path: str
    """Below the project."""
    md5: str = Field(pattern=r"^[0-9a-f]{32}(\.dir)?$")
    """Its hash; that of a folder ends in `.dir`."""


class Source(Section):
    """Where a pod finds what the project's folder holds on a laptop."""

    storage: Storage
    """Bucket of a DVC remote."""
    outs: tuple[Out, ...]
    """What to fetch."""
    content: dict[str, str] = Field(default_factory=dict)
    """What the pipeline was compiled from, by `content_of`; not compared where empty."""


def fetch_missing(given: Mapping[str, Any] | None, step: str, data: Data | None = None, root: Path = Path()) -> int:
    """Fetch what is not there, each file whole and checked; returns how many. What is there stays as it is.

    Args:
        given: a `Source` as JSON; nothing is fetched without one.
        step: the step that says how far it is.
        data: what was fetched has to be the content that the source names.

    Raises:
        StorageError: the bucket refuses, lacks a file, or holds other data than the pipeline was compiled from.
    """
    if not given:
        return 0
    source = Source.model_validate(given)
    paths = {root / out.path: out for out in source.outs}
    # an empty folder is what a mount point or an earlier, failed fetch leaves: its files are missing
    missing = [out for path, out in paths.items() if not (path.is_file() or (path.is_dir() and any(path.iterdir())))]
    if not missing:
        return 0
    remote = Remote(source.storage)
    files = [file for out in missing for file in remote.files(out)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done, _ in enumerate(pool.map(lambda file: remote.fetch(file, root), files), 1):
            if done % 50 == 0 or done == len(files):
                progress(step, done, len(files), "files fetched")
    if data and source.content and content_of(data, root) != source.content:
        advice = "dvc add the data, raftops data push, and compile again"
        raise StorageError(f"{source.storage.uri}: not the data that was compiled", next_step=advice)
    return len(files)


class OnDemand:
    """Files of a source, fetched when they are asked for; without a source nothing is."""

    def __init__(self, given: Mapping[str, Any] | None) -> None:
        """`given` is a `Source` as JSON; nothing is fetched without one."""
        self._source = Source.model_validate(given) if given else None

    def __call__(self, path: Path) -> None:
        """Fetch a file, given below the project, if it is not there; what the source does not know is left alone."""
        if self._source is None or path.is_file():
            return
        remote, files = self._known
        if file := files.get(path.as_posix()):
            remote.fetch(file, Path())

    def only(self, paths: Sequence[Path]) -> dict[str, Any]:
        """The source of these files as JSON, each by its own hash; the whole source where all of them are there."""
        if self._source is None:
            return {}
        if all(path.is_file() for path in paths):
            return self._source.model_dump(mode="json")
        files = self._known[1]
        outs = tuple(files[name] for path in paths if (name := path.as_posix()) in files)
        return self._source.model_copy(update={"outs": outs}).model_dump(mode="json")

    @cached_property
    def _known(self) -> tuple[Remote, Mapping[str, Out]]:
        """The remote, and its files by path."""
        assert self._source is not None
        remote = Remote(self._source.storage)
        return remote, {file.path: file for out in self._source.outs for file in remote.files(out)}


class Remote:
    """The contents of a DVC remote."""

    def __init__(self, storage: Storage) -> None:
        self._bucket = import_module("raftops.release.bucket").Bucket(storage, setting="platform.dvc")

    def files(self, out: Out) -> list[Out]:
        """The files of a folder, or the file itself."""
        if not out.md5.endswith(FOLDER):
            return [out]
        name = object_name(out.md5)
        body = self._bucket.get_bytes(name)
        if body is None or hashlib.md5(body, usedforsecurity=False).hexdigest() != out.md5.removesuffix(FOLDER):
            raise StorageError(f"{self._bucket.uri}/{name}: {out.path} is not there, or not whole", next_step=PUSH)
        return [Out(path=_below(out.path, row["relpath"]), md5=row["md5"]) for row in json.loads(body)]

    def fetch(self, file: Out, root: Path) -> None:
        """Write a file whose content is what its hash says."""
        self._bucket.get(object_name(file.md5), root / file.path, file.md5, "md5", f"{file.path}: {PUSH}")


def object_name(md5: str) -> str:
    """Where a DVC remote keeps a content."""
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def _below(folder: str, name: str) -> str:
    """A path of a list, which may not leave its folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise StorageError(f"{folder}: its list names {name}, which lies outside", next_step=PUSH)
    return str(PurePosixPath(folder) / path)


def content_of(data: Data, root: Path) -> dict[str, str]:
    """One hash for all documents, one for all examples, one for the access file."""
    return content_by(document_digests(data, root), example_digests(data, root), root / data.access)


def content_by(documents: Mapping[str, str], examples: Mapping[str, str], access: Path) -> dict[str, str]:
    """The same of documents and examples whose hashes are known."""
    return {
        "documents": sha256_json(dict(documents)),
        "examples": sha256_json(dict(examples)),
        "access": sha256_file(access),
    }


def document_digests(data: Data, root: Path) -> dict[str, str]:
    """SHA-256 of the bytes by document id."""
    return {doc_id: sha256_file(path) for doc_id, path in list_documents(data.documents, root)}


def example_digests(data: Data, root: Path) -> dict[str, str]:
    """SHA-256 of the row by example id, or path:line where it has none or repeats one."""
    rows: dict[str, str] = {}
    for place, line in _lines(example_files(data, root), root):
        name = _row_id(line)
        rows[name if name and name not in rows else place] = sha256_text(line)
    return rows


def cited_documents(data: Data, root: Path) -> frozenset[str]:
    """The documents that examples quote, by id, as the rows say it: weights learn from these."""
    cited: set[str] = set()
    for _, line in _lines(example_files(data, root), root):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        evidence = row.get("evidence") if isinstance(row, dict) else None
        for one in evidence if isinstance(evidence, list) else ():
            if isinstance(one, dict) and isinstance(one.get("doc_id"), str):
                cited.add(one["doc_id"])
    return frozenset(cited)


def _lines(paths: Sequence[Path], root: Path) -> Iterator[tuple[str, str]]:
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="surrogateescape").split("\n"), 1):
            if line.strip():
                yield f"{os.path.relpath(path, root)}:{number}", line.strip()


def _row_id(line: str) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        return ""
    return str(row.get("id", "")) if isinstance(row, dict) else ""
