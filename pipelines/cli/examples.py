"""Commands about examples: lint, import, draft, review. What reads, searches or drafts is imported where it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pipelines.cli.authoring import Overlays
from pipelines.cli.screen import screen
from raftops.errors import SpecError
from raftops.files import sha256_text, write_jsonl
from raftops.spec.load import LoadedSpec, load_spec

if TYPE_CHECKING:
    from raftops.data.records import Example
    from raftops.examples.drafting import Drafter
    from raftops.validation.lint import Linted

commands = typer.Typer(help="Examples: what is wrong with them, where they come from, which are accepted.")
SPECS = (".yaml", ".yml")
DEFAULT = Path("raftops.yaml")
SpecOption = Annotated[Path, typer.Option("--spec", help="Spec whose documents the examples are about.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    commands.command("lint")(examples_lint)
    commands.command("import")(examples_import)
    commands.command("draft")(examples_draft)
    commands.command("review")(examples_review)
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


def linted_examples(loaded: LoadedSpec, files: Sequence[Path] = (), aside: bool = False) -> Linted:
    """The examples of a spec, or of files, all of which will do.

    `aside`: those that their documents went on without are no mistake; a run puts them aside, and they are told.

    Raises:
        SpecError: some will not do; it names every mistake at its place.
    """
    access = import_module("raftops.spec.access_file").load_access(loaded.root / loaded.assistant.spec.data.access)
    linted: Linted = import_module("raftops.validation.lint").lint(loaded.assistant.spec, loaded.root, files, access)
    left = linted.outdated if aside else frozenset()
    for gone in (mistake for mistake in linted.mistakes if mistake.where in left):
        screen.note(f"{gone.where}: {gone.reason}: a run puts it aside", f"raftops examples lint {loaded.path}")
    mistakes = [bad for bad in linted.mistakes if bad.where not in left]
    if mistakes:
        show_notes(linted)
        lines = [f"{mistake.where}: {mistake.reason}" for mistake in mistakes]
        bad = len({mistake.where for mistake in mistakes})
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
    """Make examples of OpenAI chat rows, CSV, SQuAD or RAFT's own rows; each quote is looked up in the documents.

    CSV needs a header. Its columns, by any of these names: question (query, q, prompt, input, user, frage), answer
    (response, a, output, completion, expected, expected_answer, ground_truth, reference, antwort), quote (evidence,
    proof, citation, source_text, context, passage, zitat), document (doc, doc_id, file, filename, source, path,
    dokument), accepted (also_right, alternatives; parted by |), unanswerable (is_impossible), language (lang, sprache),
    id (key, uid). Without a quote the sentence is taken that carries the answer.
    """
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
    if not good or (bad and not skip_bad):
        why = f"{len(bad)} of {len(placed)} rows cannot be imported" if placed else f"{file}: holds no row"
        again = "mend the rows above" + (", or leave them out: --skip-bad" if good else "")
        raise SpecError("\n".join([*bad, f"{why}; nothing was written"]), next_step=again if placed else "")
    for line in bad:
        screen.say(f"[yellow]left out:[/] {escape(line)}")
    write_rows(out, good)
    screen.say(f"[green]{len(good)} of {len(placed)} rows imported[/]: {escape(str(out))}")
    read = "" if is_taken_by(loaded, out) else f", and raftops examples review {escape(str(out))}"
    screen.say(f"next: raftops examples lint {escape(str(loaded.path))}{read}")
    screen.result({"imported": len(good), "left_out": bad, "file": str(out)})


def examples_draft(  # noqa: PLR0913  one argument per option
    spec: Annotated[Path, typer.Argument(help="The spec file.", metavar="SPEC")] = DEFAULT,
    out: Annotated[Path, typer.Option("-o", "--out", help="File of drafts; what is in it stays.")] = Path(
        "drafts.jsonl"
    ),
    overlay: Overlays = None,
    count: Annotated[int, typer.Option(min=1, help="Drafts that the file is to hold.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every draw.")] = 7,
    teacher: Annotated[
        str, typer.Option(help="base, a model's source, or none; models.teacher of the spec if absent.")
    ] = "",
    rules: Annotated[bool, typer.Option("--rules/--no-rules", help="Rules of grammar, beside a teacher.")] = True,
    most_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens of a teacher that may be spent.")] = None,
    most_money: Annotated[
        float | None, typer.Option(min=0, help="What a teacher may cost, by its prices in the spec.")
    ] = None,
) -> None:
    """Make questions, answers and quotes of the documents, for a person to accept; the same command goes on.

    Without a teacher, rules of grammar turn sentences and table rows into questions; no model writes anything.
    """
    loaded = load_spec(spec, overlay or (), data_is_here=False)
    section = loaded.assistant.spec
    drafting = import_module("raftops.examples.drafting")
    named = section.models.teacher
    budget = drafting.Budget(
        most_tokens, most_money, *((named.price_in, named.price_out) if named and not teacher else (0.0, 0.0))
    )
    if most_money is not None and not (budget.price_in or budget.price_out):
        raise SpecError("--most-money needs prices", next_step="set models.teacher.price_in and price_out in the spec")
    asks = import_module("raftops.examples.teachers").teacher_of(loaded, teacher, seed)
    if asks is None and not rules:
        raise SpecError("--no-rules leaves nobody to propose questions", next_step="name one: --teacher base")
    screen.say("reading the documents")
    corpus = import_module("raftops.examples.corpus").open_corpus(loaded)
    filters = import_module("raftops.examples.filters").Filters.general(corpus, section.train.audience)
    folder = loaded.root / section.platform.store / "drafts"
    state = folder / f"{sha256_text(str(out.resolve()))[:16]}.json"
    drafter = drafting.Drafter(corpus, filters, out, state, seed, rules, asks, budget)
    drafter.run(count, questions_of(loaded), shown_progress(drafter))
    show_drafts(drafter, out, loaded)


def questions_of(loaded: LoadedSpec) -> list[str]:
    """What the examples of a spec ask already; nothing where there are none yet."""
    data = loaded.assistant.spec.data
    if not any(path.is_file() for pattern in data.examples for path in loaded.root.glob(pattern)):
        return []
    linted = import_module("raftops.validation.lint").lint(loaded.assistant.spec, loaded.root)
    return [example.asked for example in linted.examples]


def shown_progress(drafter: Drafter) -> Callable[[int, int], None]:
    """A line now and then."""

    def on_passage(done: int, total: int) -> None:
        if done % 25 == 0 or done == total:
            screen.say(f"  {done} of {total} passages, {drafter.tally.kept.total()} drafts kept")
        screen.result({"event": "progress", "done": done, "total": total})

    return on_passage


def show_drafts(drafter: Drafter, out: Path, loaded: LoadedSpec) -> None:
    """What was kept, and why the others were dropped."""
    tally, reasons = drafter.tally, import_module("raftops.examples.filters").REASONS
    rows = [(style, str(number), "kept") for style, number in tally.kept.most_common()]
    rows += [(reason, str(number), reasons[reason]) for reason, number in tally.dropped.most_common()]
    proposed = ", ".join(f"{number} by {who}" for who, number in sorted(tally.proposed.items())) or "none"
    screen.table(f"drafts of {loaded.assistant.name}: proposed {proposed}", ("", "drafts", "what became of them"), rows)
    for doc_id, why in sorted(drafter.corpus.unread.items()):
        screen.say(f"[yellow]not read:[/] {escape(doc_id)}: {escape(why)}")
    if drafter.budget.tokens_in:
        spent = drafter.budget
        screen.say(f"the teacher read {spent.tokens_in} tokens and wrote {spent.tokens_out}; cost {spent.money:.4f}")
    if drafter.stopped:
        screen.say(f"stopped: {escape(drafter.stopped)}")
    if not tally.kept:
        screen.say("next: a teacher that writes better (models.teacher, --teacher), or the rules alone: --teacher none")
    elif is_taken_by(loaded, out):
        screen.say(f"[yellow]note:[/] {escape(str(out))} is among data.examples: drafts would be trained on unread")
        screen.say("next: move the file elsewhere, then: raftops examples review FILE")
    else:
        screen.say(f"next: raftops examples review {escape(str(out))} --spec {escape(str(loaded.path))}")
    screen.result({"event": "drafted", "file": str(out), "stopped": drafter.stopped} | tally.as_json())


def examples_review(
    file: Annotated[Path, typer.Argument(help="File of drafts.", metavar="FILE")],
    spec: SpecOption = DEFAULT,
    overlay: Overlays = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="File that accepted rows go to; data/examples/reviewed.jsonl if absent."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of this machine; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Open a page on this machine to accept, edit or reject drafts beside their evidence; goes on where it stopped."""
    loaded = load_spec(spec, overlay or (), data_is_here=False)
    reviewing = import_module("raftops.examples.review")
    texts = import_module("raftops.validation.lint").Documents(loaded.assistant.spec, loaded.root)
    accepted = out or loaded.root / "data" / "examples" / "reviewed.jsonl"
    if accepted.resolve() == file.resolve():
        raise SpecError(
            f"{file}: drafts and accepted rows need a file each", next_step="-o data/examples/reviewed.jsonl"
        )
    if is_taken_by(loaded, file):
        message = f"{file}: is among data.examples already; what is accepted would stand there twice"
        raise SpecError(message, next_step="move the file elsewhere, then: raftops examples review FILE")
    review = reviewing.Review.open(file, texts, accepted)
    with reviewing.ReviewServer(review, port) as server:
        screen.say(f"review of {len(review.drafts)} drafts: {server.address}")
        screen.say("Ctrl-C or Finish ends it; what is decided stays decided")
        screen.result({"event": "reviewing", "address": server.address})
        if browser:
            import_module("webbrowser").open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            screen.say("")
    decided = list(review.decisions.values())
    good, left = decided.count("accepted"), len(review.drafts) - len(decided)
    screen.say(
        f"{good} accepted, {decided.count('rejected')} rejected, {left} not decided; accepted rows are in {accepted}"
    )
    if good and not is_taken_by(loaded, accepted):
        screen.say(f"next: name {escape(str(accepted))} in data.examples of {escape(str(loaded.path))}")
    elif good:
        screen.say(f"next: raftops examples lint {escape(str(loaded.path))}")
    screen.result({"accepted": good, "rejected": decided.count("rejected"), "left": left, "file": str(accepted)})


def is_taken_by(loaded: LoadedSpec, file: Path) -> bool:
    """Whether a spec's `data.examples` names a file."""
    taken = (path for pattern in loaded.assistant.spec.data.examples for path in loaded.root.glob(pattern))
    return file.resolve() in {path.resolve() for path in taken}


def write_rows(path: Path, examples: Sequence[Example]) -> None:
    """Examples as a file, without what is at its default."""
    write_jsonl(path, (one.model_dump(mode="json", exclude_defaults=True) for one in examples))


def show_notes(linted: Linted) -> None:
    """What is no mistake."""
    for note in linted.notes:
        screen.say(f"[yellow]note:[/] {escape(note)}")
