"""Commands about the data: data pull, data push. DVC, an extra of its own, is imported where it is used.

What DVC keeps goes through its repository, to the remote of `.dvc/config` or the bucket of an overlay. No file of DVC's
is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer

from pipelines.cli.authoring import DryRun, Overlays, SpecPath
from pipelines.cli.screen import screen
from raftops.data import plain as plain_data
from raftops.errors import SpecError, StorageError
from raftops.spec.load import LoadedSpec, load_spec

REMOTE = "raftops"
"""Name of an overlay's remote, while a command runs."""

commands = typer.Typer(help="The data in a bucket, for other machines and the pods of a cluster.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    commands.command("pull")(data_pull)
    commands.command("push")(data_push)
    app.add_typer(commands, name="data")


def data_pull(
    spec: SpecPath,
    overlay: Overlays = None,
    if_named: Annotated[bool, typer.Option("--if-named", help="Nothing where the spec names no pointer file.")] = False,
) -> None:
    """Fetch the data from DVC's remote, or from the overlay's bucket."""
    loaded = load_spec(spec, overlay or (), data_is_here=False)
    fetched = pull(loaded) if loaded.assistant.spec.data.dvc or not if_named else 0
    screen.say(f"{fetched} files fetched")
    screen.result({"fetched": fetched})


def data_push(
    spec: SpecPath,
    overlay: Overlays = None,
    if_plain: Annotated[
        bool, typer.Option("--if-plain", help="Nothing where DVC keeps the data, or no bucket is named.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Store the data: what DVC's pointer file names, or without one the files themselves in platform.dvc."""
    loaded = load_spec(spec, overlay or (), data_is_here=False)
    section, bucket = loaded.assistant.spec.data, loaded.assistant.spec.platform.dvc
    wanted = not if_plain or (bucket is not None and not section.dvc)
    if dry_run and wanted and (section.dvc or bucket):  # without either, push says what is missing
        named = (
            [str(path) for path in plain_data.named_files(loaded.assistant, loaded.root)]
            if not section.dvc
            else [section.dvc]
        )
        what = f"what {section.dvc} names" if section.dvc else f"{len(named)} files"
        screen.say(f"{what} would be sent to {bucket.uri if bucket else 'the remote of .dvc/config'}; nothing was sent")
        screen.result({"event": "dry run", "files": named})
        return
    sent = (push if section.dvc else plain_data.push)(loaded) if wanted else 0
    where = f" to {bucket.uri}" if bucket else ""
    screen.say(f"{sent} files sent{where}" if wanted else "nothing to send")
    screen.result({"sent": sent})


def pull(loaded: LoadedSpec) -> int:
    """Fetch the data that the pointer file names; returns the number of files fetched. DVC checks their hashes.

    Raises:
        SpecError: the spec names no pointer file.
        StorageError: the remote cannot be reached, refuses, or lacks a file.
    """
    with _repository(loaded) as (repo, pointer, remote):
        return int(repo.pull(targets=[pointer], remote=remote)["stats"].get("fetched", 0))


def push(loaded: LoadedSpec) -> int:
    """Store the data that the pointer file names; returns the number of files sent.

    Raises:
        SpecError: the spec names no pointer file.
        StorageError: the remote refuses, or the data is neither there nor in DVC's cache, which DVC passes over.
    """
    with _repository(loaded) as (repo, pointer, remote):
        sent = int(repo.push(targets=[pointer], remote=remote))
        kept = repo.cloud.get_remote_odb(remote)
        outs = [out for stage in repo.stage.collect(pointer) for out in stage.outs]
        if lost := [str(out) for out in outs if not kept.exists(out.hash_info.value)]:
            message = f"{pointer}: {', '.join(lost)} as it names them are neither in DVC's cache here nor in the remote"
            raise StorageError(message, next_step=f"dvc commit {pointer}, or dvc add the data again, then push")
    return sent


@contextmanager
def _repository(loaded: LoadedSpec) -> Iterator[tuple[Any, str, str | None]]:
    """DVC's repository, the pointer file, and the remote of the overlay; credentials stay in memory."""
    data, storage = loaded.assistant.spec.data, loaded.assistant.spec.platform.dvc
    if not data.dvc:
        raise SpecError(
            f"{loaded.path}: data.dvc names no pointer file, so there is nothing to pull",
            next_step="leave it so where git keeps the data; else dvc add data, and write data.dvc: data.dvc",
        )
    dvc, refused = import_module("dvc.repo"), import_module("dvc.exceptions").DvcException
    config: dict[str, Any] = {}
    if storage:
        settings = {"url": storage.uri, "endpointurl": storage.endpoint, "region": storage.region}
        if storage.access_key and storage.secret_key:
            secret_value = import_module("raftops.release.bucket").secret_value
            settings["access_key_id"] = secret_value(storage.access_key)
            settings["secret_access_key"] = secret_value(storage.secret_key)
        config = {"remote": {REMOTE: {name: value for name, value in settings.items() if value}}}
    try:
        with dvc.Repo(str(loaded.root), config=config) as repo:
            yield repo, str(loaded.root / data.dvc), REMOTE if storage else None
    except (refused, OSError) as error:
        where = storage.uri if storage else "the remote of .dvc/config"
        message, cause = " ".join(str(error).split()), error.__cause__
        if cause and str(cause) not in message:
            message += f" ({' '.join(str(cause).split())})"
        raise StorageError(f"{where}: {message}", next_step="check the remote and its credentials") from error
