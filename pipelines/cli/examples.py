"""Commands about examples: lint, import. What reads, searches or drafts is imported where it is used."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pipelines.cli.authoring import Overlays
from pipelines.cli.screen import screen
from raftops.errors import SpecError
from raftops.files import write_jsonl
from raftops.spec.load import LoadedSpec, load_spec

if TYPE_CHECKING:
    from raftops.data.records import Example
    from raftops.validation.lint import Linted

commands = typer.Typer(help="Examples: what is wrong with them, where they come from, which are accepted.")
SPECS = (".yaml", ".yml")
DEFAULT = Path("raftops.yaml")
SpecOption = Annotated[Path, typer.Option("--spec", help="Spec whose documents the examples are about.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    commands.command("lint")(examples_lint)
    commands.command("import")(examples_import)
    commands.callback(no_args_is_help=True, invoke_without_command=True)(lambda: None)
    app.add_typer(commands, name="examples")


def examples_lint(
    named: Annotated[
        list[Path] | None,
        typer.Argument(help="A spec, or files of examples; raftops.yaml if absent.", metavar="SPEC|FILES"),
    ] = None,
    spec: SpecOption = DEFAULT,
    overlay: Overlays = None,
) -> None:
    """Say what is wrong with examples, each mistake at its file and line; exit code 2 where something is."""
    specs = [path for path in named or () if path.suffix in SPECS]
    files = [path for path in named or () if path.suffix not in SPECS]
    loaded = load_spec(specs[0] if specs else spec, overlay or ())
    if missing := [path for path in files if not path.is_file()]:
        raise SpecError("\n".join(f"{path}: no such file" for path in missing), next_step="raftops examples lint SPEC")
    linted = linted_examples(loaded, files)
    show_notes(linted)
    screen.say(f"[green]{len(linted.examples)} of {linted.rows} examples will do[/]")
    screen.result({"rows": linted.rows, "good": len(linted.examples), "notes": list(linted.notes)})


def linted_examples(loaded: LoadedSpec, files: Sequence[Path] = ()) -> Linted:
    """The examples of a spec, or of files, all of which will do.

    Raises:
        SpecError: some will not do; it names every mistake at its place.
    """
    access = import_module("raftops.access").load_access(loaded.root / loaded.assistant.spec.data.access)
    linted: Linted = import_module("raftops.validation.lint").lint(loaded.assistant.spec, loaded.root, files, access)
    if linted.mistakes:
        show_notes(linted)
        lines = [f"{bad.where}: {bad.reason}" for bad in linted.mistakes]
        bad = len({bad.where for bad in linted.mistakes})
        lines.append(f"{bad} of {linted.rows} examples will not do")
        again = f"mend the lines above, then: raftops examples lint {loaded.path}"
        raise SpecError("\n".join(lines), next_step=again)
    return linted


class Format(StrEnum):
    """Formats that examples are imported from."""

    auto = "auto"
    openai = "openai"
    csv = "csv"
    squad = "squad"
    raft = "raft"


class Kind(StrEnum):
    """What imported rows are."""

    knowledge = "knowledge"
    behaviour = "behaviour"


def examples_import(  # noqa: PLR0913  one argument per option
    file: Annotated[Path, typer.Argument(help="The file to import.", metavar="FILE")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File of examples to write; never written over.")],
    spec: SpecOption = DEFAULT,
    overlay: Overlays = None,
    format: Annotated[Format, typer.Option(help="Format of the file.")] = Format.auto,
    kind: Annotated[Kind, typer.Option(help="Answered from the documents, or about form alone.")] = Kind.knowledge,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Write the rows that will do, and name the others.")
    ] = False,
) -> None:
    """Make examples of OpenAI chat rows, CSV, SQuAD or RAFT's own rows; each quote is looked up in the documents."""
    loaded = load_spec(spec, overlay or (), data_is_here=False)
    if out.exists():
        raise SpecError(f"{out}: exists already; nothing was written", next_step="choose another name: -o NEW.jsonl")
    foreign = import_module("raftops.examples.foreign")
    rows = foreign.read_foreign(file, format.value)
    corpus = import_module("raftops.examples.corpus").open_corpus(loaded)
    placer = import_module("raftops.examples.placing").Placer(corpus, loaded.assistant.spec.prompt.language)
    placed = list(placer.place(rows, out.stem, kind.value))
    good = [one.example for one in placed if one.example]
    bad = [f"{one.where}: {one.problem}" for one in placed if one.problem]
    if bad and not skip_bad:
        head = f"{len(bad)} of {len(placed)} rows cannot be imported; nothing was written"
        raise SpecError("\n".join([*bad, head]), next_step="mend the rows above, or leave them out: --skip-bad")
    for line in bad:
        screen.say(f"[yellow]left out:[/] {escape(line)}")
    write_rows(out, good)
    screen.say(f"[green]{len(good)} of {len(placed)} rows imported[/]: {escape(str(out))}")
    screen.say(
        f"next: raftops examples lint {escape(str(loaded.path))}, and raftops examples review {escape(str(out))}"
    )
    screen.result({"imported": len(good), "left_out": bad, "file": str(out)})


def write_rows(path: Path, examples: Sequence[Example]) -> None:
    """Examples as a file, without what is at its default."""
    write_jsonl(path, (one.model_dump(mode="json", exclude_defaults=True) for one in examples))


def show_notes(linted: Linted) -> None:
    """What is no mistake."""
    for note in linted.notes:
        screen.say(f"[yellow]note:[/] {escape(note)}")
