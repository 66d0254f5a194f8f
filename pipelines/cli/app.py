"""The front of the command line, behind `raftops.__main__`: which commands there are, and how a failure is shown.

Help, completion and a mistyped command read the table; the module of a command is loaded when the command is asked for.
"""

from __future__ import annotations

import shlex
import signal
import sys
import traceback
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from pipelines.cli.screen import screen
from raftops import __version__
from raftops.errors import RaftopsError, SpecError

SIGNALS = {128 + signal.SIGINT: "interrupted", 128 + signal.SIGTERM: "terminated"}
"""Exit codes of what a signal ended."""
OURS = ("components", "pipelines", "raftops")


@dataclass(frozen=True)
class Command:
    """A command, as far as it is known without its module."""

    module: str
    """In this package; has `add_to`."""
    help: str
    """First line of what the command says of itself; a test keeps the two alike."""
    extra: str = ""
    """Extra of the distribution that the whole command needs; none where the plain one will do."""


COMMANDS = {
    "init": Command(
        "authoring",
        "Write a commented spec and a tiny data folder that runs; beside a spec that is there, --ci adds the workflow.",
    ),
    "validate": Command("authoring", "Check specs and everything they name; show every mistake with its place."),
    "schema": Command(
        "authoring", "Print the JSON Schema (draft 7) that editors read: of spec, overlay, examples, access or router."
    ),
    "plan": Command("planning", "Show what a run would do: which steps, why, how much work, how long."),
    "compile": Command("planning", "Compile a spec to a Kubeflow pipeline (IR YAML), the same bytes each time."),
    "run": Command("running", "Run a spec on this machine: only what changed runs.", "all"),
    "doctor": Command("doctor", "Say what is missing on this machine, and the command that mends it."),
    "serve": Command(
        "serving", "Serve the current release until Ctrl-C; a newer release is taken up by itself.", "service"
    ),
    "ask": Command(
        "serving", "Ask the running service one question and show the answer with its citations.", "service"
    ),
    "report": Command(
        "reporting",
        "Show the last evaluation, or what it changed against an earlier one, paired question by question.",
        "evaluate",
    ),
    "submit": Command("cluster", "Run a spec on Kubeflow."),
    "status": Command("cluster", "Show the newest runs, or the steps of one."),
    "logs": Command("cluster", "Show what a step of a run wrote."),
    "cancel": Command("cluster", "End a run; what its finished steps made is kept."),
    "release": Command("releases", "What was released, and going back.", "service"),
    "examples": Command(
        "examples", "Examples: what is wrong with them, where they come from, which are accepted.", "validate"
    ),
    "data": Command("data", "The data in a bucket, for other machines and the pods of a cluster.", "ci"),
    "models": Command("models", "Models: bring an encoder into the form that every step reads.", "index"),
    "manifests": Command("manifests", "Kubernetes resources, checked before a cluster sees them.", "manifests"),
}
EXTRAS = {"boto3": "s3", "botocore": "s3", "docker": "containers", "model_signing": "signing"}
"""Extras of packages that only some uses of a command need."""


class Commands(TyperGroup):
    """The commands of the table: listed without their modules, loaded when one is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is asked for, from its module."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, loaded(COMMANDS[name].module)[name] if name in COMMANDS else listed, rest

    def invoke(self, ctx: Any) -> Any:
        """Call the command; of a choice that is none, pydantic's words before those of typer are left out."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


@cache
def loaded(module: str) -> dict[str, Any]:
    """The commands of a module by name."""
    own = typer.Typer(rich_markup_mode="rich")
    import_module(f"pipelines.cli.{module}").add_to(own)
    return dict(typer.main.get_group(own).commands)


app = typer.Typer(
    name="raftops",
    cls=Commands,
    help="Specs in, a served RAFT model out.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command in COMMANDS.items():
    app.command(_name, help=_command.help)(lambda: None)


def _version(shown: bool) -> None:
    if shown:
        sys.stdout.write(f"raftops {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    output: str = typer.Option("text", "--output", help="text or json."),
    verbose: bool = typer.Option(False, "--verbose", help="Show the traceback of a failure."),
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Specs in, a served RAFT model out."""
    if output not in ("text", "json"):
        raise typer.BadParameter("choose text or json", param_hint="--output")
    screen.configure(json_output=output == "json", verbose=verbose)


def main() -> None:
    """Run the command line. A failure is a line on stderr and an exit code; its traceback is shown with --verbose."""
    try:
        app()
    except RaftopsError as error:
        _fail(error, str(error), error.next_step, "spec" if isinstance(error, SpecError) else "")
        sys.exit(error.exit_code)
    except OSError as error:
        _fail(error, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and (package := (error.name or "").partition(".")[0]) not in OURS:
            command = next((word for word in sys.argv[1:] if word in COMMANDS), "")
            extra = EXTRAS.get(package) or (COMMANDS[command].extra if command else "") or "all"
            message = f"{package} is not installed; this use of raftops {command} needs the extra {extra}"
            _fail(error, message, f"pip install 'raftops[{extra}]'")
        else:
            where = traceback.extract_tb(error.__traceback__)[-1]
            message = f"unforeseen {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
            _fail(error, message, f"raftops --verbose {shlex.join(sys.argv[1:])} shows the traceback to report")
    except SystemExit as end:
        if end.code in SIGNALS:
            screen.error(SIGNALS[end.code], "run the same command again: it goes on where it stopped")
        raise
    sys.exit(1)


def _fail(error: Exception, message: str, next_step: str = "", kind: str = "") -> None:
    if screen.verbose:
        traceback.print_exception(error)
    screen.error(message, next_step, kind)
