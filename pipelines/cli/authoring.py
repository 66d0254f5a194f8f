"""Commands about spec files: init, validate, schema. Light: nothing here knows Kubeflow."""

from __future__ import annotations

import json
import re
import shlex
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipelines.cli.gaps import tell_gaps
from pipelines.cli.screen import screen
from raftops.data.schemas import SCHEMAS, file_name
from raftops.errors import SpecError
from raftops.files import write_text
from raftops.spec.explain import did_you_mean
from raftops.spec.figures import metric_names
from raftops.spec.load import LoadedSpec, command_line, load_spec
from raftops.spec.model.base import STEPS, StepName
from raftops.spec.template import write_ci, write_project

SpecPath = Annotated[Path, typer.Argument(help="The spec file.", metavar="SPEC")]
SpecPaths = Annotated[list[Path], typer.Argument(help="Spec files.", metavar="SPEC")]
Overlays = Annotated[list[Path] | None, typer.Option("-f", "--overlay", help="Overlay merged by key; repeatable.")]
Force = Annotated[
    list[str] | None,
    typer.Option("--force", help="Run this step, and those behind it, although nothing changed; repeatable."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]

STARTER = "raftops.yaml"
PIPELINE = "deploymentSpec:"
"""What stands in every compiled pipeline, and in no spec."""


class Forge(StrEnum):
    """Where a repository lives."""

    github = "github"
    gitlab = "gitlab"


class Schema(StrEnum):
    """What there are schemas of."""

    spec = "spec"
    overlay = "overlay"
    examples = "examples"
    access = "access"
    router = "router"


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(init)
    app.command()(validate)
    app.command()(schema)


def named_steps(names: list[str], option: str = "--force") -> list[StepName]:
    """The steps that an option names, in their order."""
    for name in names:
        if name not in STEPS:
            close = did_you_mean(name, STEPS)
            raise SpecError(f"{option} {name}: no such step{close}", next_step=f"choose one of {', '.join(STEPS)}")
    return [step for step in STEPS if step in names]


def store_folder(loaded: LoadedSpec) -> Path:
    """The project's store: runs, results, releases, caches."""
    return loaded.root / loaded.assistant.spec.platform.store


def releases_folder(loaded: LoadedSpec) -> Path:
    """The releases of one assistant of the project."""
    return store_folder(loaded) / "releases" / loaded.assistant.name


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to write into; made if absent.")] = Path(),
    name: Annotated[str, typer.Option(help="Name of the assistant.")] = "",
    ci: Annotated[Forge | None, typer.Option(help="Write the workflow for this forge, too.")] = None,
    spec: Annotated[str, typer.Option(help="Spec that the workflow runs, below the folder; only with --ci.")] = STARTER,
    examples: Annotated[
        bool, typer.Option("--examples/--no-examples", help="Write examples, or begin with documents alone.")
    ] = True,
) -> None:
    """Write a commented spec and a tiny data folder that runs; beside a spec that is there, --ci adds the workflow."""
    there = ci is not None and (folder / spec).is_file()
    label = name or re.sub(r"[^a-z0-9-]+", "-", folder.resolve().name.lower()).strip("-") or "assistant"
    if there:
        label = load_spec(folder / spec, data_is_here=False).assistant.name
    elif spec != STARTER:
        raise SpecError(
            f"{folder / spec}: no such spec", next_step="raftops init FOLDER --ci github --spec specs/mine.yaml"
        )
    schemas = {file_name(kind): schema_text(kind) for kind in ("examples", "access", "router")}
    written = [] if there else write_project(folder, label, schemas, examples)
    of_ci = write_ci(folder, ci.value, spec, label) if ci else []
    written += of_ci
    for path in written:
        screen.say(f"  wrote {escape(str(path))}")
    if of_ci:
        screen.say(f"next: the settings named at the top of {escape(str(of_ci[0]))}, then commit and push")
    else:
        screen.say(
            f"next: cd {escape(shlex.quote(str(folder)))} && raftops validate raftops.yaml && raftops run raftops.yaml"
        )
    screen.result({"written": [str(path) for path in written]})


def validate(specs: SpecPaths, overlay: Overlays = None) -> None:
    """Check specs and everything they name; show every mistake with its place.

    Overlays are merged into each of several specs; JSON is then a line for each valid one.
    """
    errors: list[SpecError] = []
    for spec in specs:
        try:
            loaded = load_spec(spec, overlay or ())
            check_examples(loaded)
        except SpecError as error:
            errors.append(error)
            continue
        screen.say(f"[green]{escape(str(spec))} is valid[/]: assistant {loaded.assistant.name}")
        shown = {"valid": True, "name": loaded.assistant.name} | ({"spec": str(spec)} if len(specs) > 1 else {})
        notes = tell_gaps(loaded)
        screen.result(shown | ({"notes": notes} if notes else {}))
    if errors and len(specs) == 1:
        raise errors[0]
    if errors:
        again = command_line("validate", *specs, overlays=overlay or ())
        raise SpecError("\n".join(map(str, errors)), next_step=f"mend the places above, then: {again}") from errors[0]


def check_examples(loaded: LoadedSpec) -> None:
    """Say what is wrong with the examples, as `raftops examples lint` does; without parsers that is said, and left."""
    examples = import_module("pipelines.cli.examples")
    try:
        aside = loaded.assistant.spec.validate_.on_bad_row == "reject"
        examples.show_notes(examples.linted_examples(loaded, aside=aside))
    except ModuleNotFoundError as error:
        screen.note(f"examples were not looked at: {error.name} is not installed", "pip install 'raftops[validate]'")


def schema(
    of: Annotated[Schema, typer.Argument(help="What it is the schema of.", metavar="WHAT")] = Schema.spec,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="File to write; standard output if absent.")] = None,
    for_overlays: Annotated[
        bool, typer.Option("--for-overlays", help="The schema of overlays, as WHAT overlay: no key is needed.")
    ] = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Instead: the names of figures that gates may name.")
    ] = False,
) -> None:
    """Print the JSON Schema (draft 7) that editors read: of spec, overlay, examples, access or router."""
    if metrics:
        screen.raw("\n".join(metric_names()))
        return
    text = schema_text("overlay" if for_overlays else of.value)
    if out:
        write_made(out, text, '"$schema"')
    else:
        screen.raw(text)


def write_made(path: Path, text: str, sign: str) -> None:
    """Write what a command makes: a new file, or one over an earlier of its kind, in which `sign` stands.

    Raises:
        SpecError: another file has the name, such as a spec; it is left as it is.
    """
    if path.is_dir():
        raise SpecError(f"{path}: is a folder; nothing was written", next_step="name a file: -o NEW-FILE")
    there = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if there.strip() and sign not in there:
        message = f"{path}: is there already, and this command did not write it; nothing was written"
        raise SpecError(message, next_step="choose another name: -o NEW-FILE")
    write_text(path, text)


def schema_text(kind: str) -> str:
    """A schema as its file holds it."""
    return json.dumps(SCHEMAS[kind](), indent=2, ensure_ascii=False) + "\n"
