"""The commands. Each is a few lines over what pipelines and the library do; `main` is the console script."""

from __future__ import annotations

import sys
import traceback

import click
import typer

from pipelines.cli import authoring, running, serving
from pipelines.cli.screen import Screen, screen
from raftops import __version__
from raftops.errors import RaftopsError, SpecError

app = typer.Typer(
    name="raftops",
    help="Specs in, a served RAFT model out.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
authoring.add_to(app)
running.add_to(app)
serving.add_to(app)


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
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except RaftopsError as error:
        _fail(screen, error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        screen.error("interrupted", "run the same command again: it goes on where it stopped")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


def _fail(screen: Screen, error: RaftopsError) -> None:
    if screen.verbose:
        traceback.print_exception(error)
    kind = "spec" if isinstance(error, SpecError) else ""
    screen.error(str(error), error.next_step, kind)
