"""The front of the command line, behind `raftops.__main__`: which commands there are, and how a failure is shown.

Help, completion and a mistyped command read the table; the module of a command is loaded when the command is asked for.
"""

from __future__ import annotations

import copy
import re
import shlex
import signal
import sys
import traceback
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipelines.cli.screen import Form, screen
from raftops import __version__
from raftops.errors import RaftopsError, SpecError, explained

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
    "runs": Command("history", "Show the newest runs on this machine, or the steps of one."),
    "gc": Command(
        "history",
        "Show what the store no longer needs and what it takes; delete it with --yes. Releases stay as they are.",
    ),
    "search": Command(
        "looking",
        "Show the passages nearest to a question that somebody may read; no service has to run, no model answers.",
        "index",
    ),
    "open": Command(
        "looking",
        "Print where the report, the page of the validation or the docs are, and show it in a browser if there is one.",
    ),
    "redteam": Command(
        "redteam",
        "Attack a release: ask for closed documents, plant orders in documents, ask for the prompt.",
        "redteam",
    ),
    "submit": Command("cluster", "Run a spec on Kubeflow."),
    "kfp-run": Command(
        "cluster", "Compile a spec and create a run on Kubeflow in one command, for CI: as `kfp run create` does."
    ),
    "status": Command("cluster", "Show the newest runs, or the steps of one."),
    "logs": Command("cluster", "Show what a step of a run wrote, on this machine or on Kubeflow."),
    "cancel": Command("cluster", "End a run; what its finished steps made is kept."),
    "access": Command(
        "access", "Who may read what: put the access file in force, which rule decides, a proof on a running service."
    ),
    "forget": Command(
        "forget",
        "Forget a document: nobody reads it any more; purge caches, old releases, bucket and rows; prove it.",
        "index",
    ),
    "release": Command("releases", "What was released, and going back.", "service"),
    "audit": Command("audit", "Who was shown what: kept by the service, checked and read here."),
    "examples": Command(
        "examples", "Examples: what is wrong with them, where they come from, which are accepted.", "validate"
    ),
    "data": Command("data", "The data in a bucket, for other machines and the pods of a cluster.", "ci"),
    "models": Command("models", "Models: the sample's, and an encoder in the form that every step reads.", "index"),
    "manifests": Command("manifests", "Kubernetes resources, checked before a cluster sees them.", "manifests"),
}
PANELS = {
    "A project": ("init", "validate", "examples", "models", "schema", "doctor"),
    "Runs on this machine": ("plan", "run", "runs", "logs", "gc"),
    "Answers and reports": (
        "serve",
        "ask",
        "search",
        "report",
        "open",
        "release",
        "access",
        "forget",
        "audit",
        "redteam",
    ),
    "Clusters and CI": ("compile", "submit", "kfp-run", "status", "cancel", "data", "manifests"),
}
"""The commands in the order and groups of `--help`."""
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
    commands = dict(typer.main.get_group(own).commands)
    [output] = [option for option in typer.main.get_command(app).params if option.name == "output"]
    for command in commands.values():
        _take(command, output)
    return commands


def _take(command: Any, output: Any) -> None:
    """Let `--output` stand behind a command, or behind a command of a group, as well."""
    inner = getattr(command, "commands", None)
    for each in (inner or {}).values():
        _take(each, output)
    if not inner:
        option = copy.copy(output)
        option.expose_value, option.default = False, None
        command.params = [*command.params, option]


app = typer.Typer(
    name="raftops",
    cls=Commands,
    help="Specs in, a served RAFT model out.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _panel, _names in PANELS.items():
    for _name in filter(COMMANDS.__contains__, _names):
        app.command(_name, help=COMMANDS[_name].help, rich_help_panel=_panel)(lambda: None)


def _version(shown: bool) -> None:
    if shown:
        sys.stdout.write(f"raftops {__version__}\n")
        raise typer.Exit


def _form(chosen: Form | None) -> Form | None:
    if chosen is not None:
        screen.configure(form=chosen, verbose=screen.verbose)
    return chosen


@app.callback()
def options(
    output: Annotated[
        Form | None,
        typer.Option(callback=_form, help="What results are written as; before or behind a command."),
    ] = None,
    verbose: bool = typer.Option(False, "--verbose", help="Show the traceback of a failure."),
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Specs in, a served RAFT model out."""
    screen.configure(form=output or Form.text, verbose=verbose)


def main() -> None:
    """Run the command line. A failure is a line on stderr and an exit code; its traceback is shown with --verbose."""
    try:
        app()
    except RaftopsError as error:
        _fail(error, str(error), error.next_step, "spec" if isinstance(error, SpecError) else "")
        sys.exit(error.exit_code)
    except OSError as error:
        message, advice = explained(error)
        _fail(error, message, advice or f"raftops --verbose {shlex.join(sys.argv[1:])} shows where")
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
    screen.error(message, _with_spec(next_step), kind)


def _with_spec(next_step: str) -> str:
    """A next step that is about a spec, with the one of this command for the placeholder: to be typed as it is."""
    given = [word for word in sys.argv[1:] if word.endswith((".yaml", ".yml")) and not word.startswith("-")]
    spec = shlex.quote(given[0]) if given else "SPEC"
    return re.sub(r"(?<=raftops )([a-z -]+?) (SPEC|<spec>)(?!\w)", lambda found: f"{found[1]} {spec}", next_step)
