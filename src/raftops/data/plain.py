"""Data that no pointer file names, for the pods of a cluster: listed and stored as DVC would, and without DVC.

A folder at the top of the project becomes one list of the files that the spec names in it; the list is named by its
hash, and is stored after its files. What the spec does not name is neither listed nor stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath

from raftops.data.dvc import AT_ONCE, FOLDER, Out, object_name
from raftops.data.listing import example_files, list_documents
from raftops.errors import SpecError
from raftops.files import sha256_file
from raftops.spec.check_pods import PROJECT
from raftops.spec.load import LoadedSpec
from raftops.spec.model.assistant import Assistant


@dataclass(frozen=True)
class Listed:
    """A folder at the top of the project, with the files that a spec names in it."""

    out: Out
    body: bytes
    """The list, as DVC writes that of a folder."""
    files: Mapping[Path, str]
    """MD5 by path."""


def listed(assistant: Assistant, root: Path) -> list[Listed]:
    """The folders that a pod can fetch: below the project, and no claim is mounted there."""
    claims = [PurePosixPath(volume.path) for volume in assistant.spec.platform.volumes]
    by_folder: dict[str, dict[Path, str]] = {}
    for path in named_files(assistant, root):
        folder = path.relative_to(root).parts[0]
        place = PROJECT / folder
        if not any(place.is_relative_to(claim) or claim.is_relative_to(place) for claim in claims):
            by_folder.setdefault(folder, {})[path] = md5_file(path)
    found = []
    for folder, files in sorted(by_folder.items()):
        rows = [{"md5": md5, "relpath": path.relative_to(root / folder).as_posix()} for path, md5 in files.items()]
        body = json.dumps(sorted(rows, key=lambda row: row["relpath"]), sort_keys=True).encode()
        name = hashlib.md5(body, usedforsecurity=False).hexdigest() + FOLDER
        found.append(Listed(Out(path=folder, md5=name), body, files))
    return found


def named_files(assistant: Assistant, root: Path) -> Iterator[Path]:
    """Documents, access file and examples that lie in a folder of the project, each once."""
    data = assistant.spec.data
    documents = [path for _, path in list_documents(data.documents, root)]
    for path in dict.fromkeys((*documents, root / data.access, *example_files(data, root))):
        if is_in_a_folder(path, root):
            yield path


def is_in_a_folder(path: Path, root: Path) -> bool:
    """Whether a pod can fetch a file: it lies in a folder of the project, and is named without `..`."""
    return path.is_relative_to(root) and ".." not in (parts := path.relative_to(root).parts) and len(parts) > 1


def files_below(folder: Path, root: Path) -> tuple[Out, ...]:
    """Every file of a folder by its own hash; none of a folder that does not lie below the project."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and is_in_a_folder(path, root))
    return tuple(Out(path=path.relative_to(root).as_posix(), md5=md5_file(path)) for path in paths)


def md5_file(path: Path) -> str:
    """Hash of a file's bytes, by which DVC names them."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def push(loaded: LoadedSpec) -> int:
    """Store what the pods of a cluster read, in the bucket of `platform.dvc`; returns how many files were not there.

    Raises:
        SpecError: the spec names no bucket.
        StorageError: the storage refuses.
    """
    storage, root = loaded.assistant.spec.platform.dvc, loaded.root
    if storage is None:
        advice = "write platform: {dvc: {uri: s3://bucket/data}} into it, or into an overlay: -f overlay.yaml"
        raise SpecError(f"{loaded.path}: platform.dvc names no bucket to keep the data in", next_step=advice)
    bucket = import_module("raftops.release.bucket").Bucket(storage, setting="platform.dvc")
    folders, start = listed(loaded.assistant, root), loaded.assistant.spec.train.init_from
    files = {path: md5 for folder in folders for path, md5 in folder.files.items()}
    files |= {root / out.path: out.md5 for out in files_below(root / start, root)} if start else {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sent = sum(
            pool.map(lambda file: bucket.put(object_name(file[1]), file[0], sha256_file(file[0])), files.items())
        )
    for folder in folders:
        bucket.put_bytes(object_name(folder.out.md5), folder.body)
    return int(sent)
