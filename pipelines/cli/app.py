"""The commands. Each is a few lines over what pipelines and the library do; `main` is the console script."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from functools import cache
from importlib import import_module

import typer

from pipelines.cli.screen import screen
from raftops import __version__
from raftops.errors import RaftopsError, SpecError

INTERRUPTED = 130
"""Exit code after Ctrl-C (128 + SIGINT)."""

app = typer.Typer(
    name="raftops",
    help="Specs in, a served RAFT model out.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = {
    "init": "authoring", "validate": "authoring", "schema": "authoring", "plan": "planning", "compile": "planning",
    "run": "running", "doctor": "running", "serve": "serving", "ask": "serving", "release": "serving",
    "report": "reporting", "data": "data", "submit": "cluster", "status": "cluster", "logs": "cluster",
    "cancel": "cluster", "manifests": "manifests", "models": "models",
}  # fmt: skip
"""Which module has a command: only that one is loaded, so that `validate` does not wait for Kubeflow's client."""


def load_commands(arguments: Sequence[str]) -> typer.Typer:
    """The app with the command that is asked for, or with all of them where none is (help, completion)."""
    named = next((COMMANDS[word] for word in arguments if word in COMMANDS), None)
    for module in [named] if named else dict.fromkeys(COMMANDS.values()):
        _add(module)
    return app


@cache
def _add(module: str) -> None:
    """Add a module's commands, once in a process."""
    import_module(f"pipelines.cli.{module}").add_to(app)


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
    """Run the command line. A user's mistake is a line on stderr and an exit code, never a traceback."""
    try:
        load_commands(sys.argv[1:])()
    except RaftopsError as error:
        _fail(error, str(error), error.next_step, "spec" if isinstance(error, SpecError) else "")
        sys.exit(error.exit_code)
    except OSError as error:
        _fail(error, f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            screen.error("interrupted", "run the same command again: it goes on where it stopped")
        raise


def _fail(error: Exception, message: str, next_step: str = "", kind: str = "") -> None:
    if screen.verbose:
        traceback.print_exception(error)
    screen.error(message, next_step, kind)
