"""Commands about the data: data pull, data push."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines import data
from pipelines.cli.authoring import Overlays, SpecPath
from pipelines.cli.screen import screen
from raftops.spec.load import load_spec

commands = typer.Typer(help="The data by DVC.", no_args_is_help=True)


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
    fetched = data.pull(loaded) if loaded.assistant.spec.data.dvc or not if_named else 0
    screen.say(f"{fetched} files fetched")
    screen.result({"fetched": fetched})


def data_push(spec: SpecPath, overlay: Overlays = None) -> None:
    """Store the data in DVC's remote, or in the overlay's bucket."""
    sent = data.push(load_spec(spec, overlay or (), data_is_here=False))
    screen.say(f"{sent} files sent")
    screen.result({"sent": sent})
