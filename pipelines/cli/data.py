"""Commands about the data: data pull, data push."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer

from pipelines.cli.authoring import Overlays, SpecPath
from pipelines.cli.screen import screen
from pipelines.wiring import plain_data
from raftops.errors import StorageError
from raftops.spec.load import load_spec

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
    fetched = _dvc().pull(loaded) if loaded.assistant.spec.data.dvc or not if_named else 0
    screen.say(f"{fetched} files fetched")
    screen.result({"fetched": fetched})


def data_push(
    spec: SpecPath,
    overlay: Overlays = None,
    if_plain: Annotated[
        bool, typer.Option("--if-plain", help="Nothing where DVC keeps the data, or no bucket is named.")
    ] = False,
) -> None:
    """Store the data: what DVC's pointer file names, or without one the files themselves in platform.dvc."""
    loaded = load_spec(spec, overlay or (), data_is_here=False)
    section, bucket = loaded.assistant.spec.data, loaded.assistant.spec.platform.dvc
    wanted = not if_plain or (bucket is not None and not section.dvc)
    sent = (_dvc() if section.dvc else plain_data).push(loaded) if wanted else 0
    where = f" to {bucket.uri}" if bucket else ""
    screen.say(f"{sent} files sent{where}" if wanted else "nothing to send")
    screen.result({"sent": sent})


def _dvc() -> Any:
    """What needs DVC, which is an extra of its own."""
    try:
        return import_module("pipelines.cli.dvc")
    except ModuleNotFoundError as error:
        raise StorageError(f"{error.name}: not installed", next_step="pip install 'raftops[ci]'") from error
