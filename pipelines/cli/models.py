"""Commands about models. PyTorch is loaded when an encoder is exported, not before."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.screen import screen
from raftops.errors import ModelError
from raftops.models import resolve

commands = typer.Typer(help="Models: bring an encoder into the form that every step reads.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    commands.command("export")(models_export)
    commands.callback()(lambda: None)
    app.add_typer(commands, name="models")


def models_export(
    source: Annotated[str, typer.Argument(help="The encoder: hf://, file:// or package://.")],
    folder: Annotated[Path, typer.Argument(help="A new folder, to be named by models.embedder: file://FOLDER.")],
) -> None:
    """Write the ONNX form of a sentence encoder, for one that the index step cannot read by itself."""
    try:
        export = import_module("raftops.retrieval.export")
    except ModuleNotFoundError as error:
        raise ModelError(f"{error.name} is not installed", next_step="pip install 'raftops[export]'") from error
    export.export_encoder(resolve(source), folder)
    screen.say(f"{source} is written to {folder}: name it in the spec as models.embedder: file://{folder}")
    screen.result({"source": source, "folder": str(folder)})
