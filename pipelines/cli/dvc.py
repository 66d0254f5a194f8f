"""The data, by DVC: from the remote of the repository, or from the bucket of an overlay. Changes no file of DVC's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from raftops.errors import SpecError, StorageError
from raftops.release.bucket import secret_value
from raftops.spec.load import LoadedSpec
from raftops.spec.model.platform import Storage

REMOTE = "raftops"
"""Name of an overlay's remote, while a command runs."""


def pull(loaded: LoadedSpec) -> int:
    """Fetch the data that the pointer file names; returns the number of files fetched. DVC checks their hashes.

    Raises:
        SpecError: the spec names no pointer file.
        StorageError: the remote cannot be reached, refuses, or lacks a file.
    """
    with _repo(loaded) as (repo, pointer, remote):
        return int(repo.pull(targets=[pointer], remote=remote)["stats"].get("fetched", 0))


def push(loaded: LoadedSpec) -> int:
    """Store the data that the pointer file names; returns the number of files sent.

    Raises:
        SpecError: the spec names no pointer file.
        StorageError: the remote refuses, or the data is neither there nor in DVC's cache, which DVC passes over.
    """
    with _repo(loaded) as (repo, pointer, remote):
        sent = int(repo.push(targets=[pointer], remote=remote))
        kept = repo.cloud.get_remote_odb(remote)
        outs = [out for stage in repo.stage.collect(pointer) for out in stage.outs]
        if lost := [str(out) for out in outs if not kept.exists(out.hash_info.value)]:
            message = f"{pointer}: {', '.join(lost)} as it names them are neither in DVC's cache here nor in the remote"
            raise StorageError(message, next_step=f"dvc commit {pointer}, or dvc add the data again, then push")
    return sent


@contextmanager
def _repo(loaded: LoadedSpec) -> Iterator[tuple[Repo, str, str | None]]:
    data, storage = loaded.assistant.spec.data, loaded.assistant.spec.platform.dvc
    if not data.dvc:
        raise SpecError(
            f"{loaded.path}: data.dvc names no pointer file, so there is nothing to pull",
            next_step="leave it so where git keeps the data; else dvc add data, and write data.dvc: data.dvc",
        )
    config = {"remote": {REMOTE: _settings(storage)}} if storage else {}
    try:
        with Repo(str(loaded.root), config=config) as repo:
            yield repo, str(loaded.root / data.dvc), REMOTE if storage else None
    except (DvcException, OSError) as error:
        where = storage.uri if storage else "the remote of .dvc/config"
        raise StorageError(f"{where}: {_reason(error)}", next_step="check the remote and its credentials") from error


def _settings(storage: Storage) -> dict[str, Any]:
    """A storage as DVC says it; credentials stay in memory."""
    settings = {"url": storage.uri, "endpointurl": storage.endpoint, "region": storage.region}
    if storage.access_key and storage.secret_key:
        settings["access_key_id"] = secret_value(storage.access_key)
        settings["secret_access_key"] = secret_value(storage.secret_key)
    return {name: value for name, value in settings.items() if value}


def _reason(error: BaseException) -> str:
    said = " ".join(str(error).split())
    cause = error.__cause__
    return f"{said} ({' '.join(str(cause).split())})" if cause and str(cause) not in said else said
