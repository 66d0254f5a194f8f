"""Commands about what was kept of requests: audit verify, audit show. They read files and ask no service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipelines.cli.authoring import store_folder
from pipelines.cli.screen import screen
from raftops.errors import ServiceError
from raftops.files import read_json, write_json
from raftops.service.chain import SEGMENT, Wanted, check, digest_with, is_a_request, read, segments
from raftops.spec.load import LoadedSpec, load_spec
from raftops.spec.model.serving import Audit

KEY = "RAFTOPS_AUDIT_KEY"
Lines = Annotated[Path, typer.Argument(help="Spec, folder of the lines, one file of it, or a log that holds them.")]
FOLDER = Path(".raftops/audit")
SPECS = (".yaml", ".yml")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(help="Who was shown what: kept by the service, checked and read here.", no_args_is_help=True)
    group.command("verify")(verify)
    group.command("show")(show)
    app.add_typer(group, name="audit")


def verify(
    path: Lines = FOLDER,
    head: Annotated[
        list[str] | None, typer.Option("--head", help="CHAIN:PLACE:HASH that was told earlier. Repeatable.")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option(help="File of heads, kept elsewhere: compared with, then brought up to date.")
    ] = None,
) -> None:
    """Check that no line was changed, removed, reordered or cut off; says which. RAFTOPS_AUDIT_KEY is its key."""
    known = _heads(head or (), heads)
    digest = digest_with(os.environ.get(KEY, ""))
    found = [check(name, files, digest, known.get(name, {}).items()) for name, files in _chains(path).items()]
    lost = sorted(known.keys() - {one.chain for one in found})
    problems = [problem for one in found for problem in one.problems]
    problems += [f"{path}: the chain {name} was there before and is not" for name in lost]
    for one in found:
        state = "whole" if not one.problems else f"{len(one.problems)} faults"
        screen.say(f"{one.chain}: {one.lines:,} lines, {state}; head {one.chain}:{one.last}:{one.head}")
        for note in one.notes:
            screen.say(f"  {escape(note)}")
    rows = [{"chain": one.chain, "lines": one.lines, "last": one.last, "head": one.head} for one in found]
    screen.result({"chains": rows, "problems": problems})
    if problems:
        raise ServiceError(
            "\n".join(problems), next_step="compare with a copy of the lines; raftops audit show reads on"
        )
    if heads:
        write_json(heads, {one.chain: {str(one.last): one.head} for one in found})
    elif not known:
        screen.say("the end can be cut off unseen: keep the heads elsewhere (--heads FILE, --head)")


def show(  # noqa: PLR0913  one argument per option
    path: Lines = FOLDER,
    principal: Annotated[str, typer.Option(help="Subject (or development user): what were they shown?")] = "",
    document: Annotated[str, typer.Option(help="Document id: who was shown it?")] = "",
    since: Annotated[str, typer.Option(help="Time, such as 2026-11-30 or 2026-11-30T08:00:00Z.")] = "",
    request: Annotated[str, typer.Option(help="Id of a request, as answers and logs have it.")] = "",
) -> None:
    """Which requests were answered with what: by who asked, by a document, by time. Checks nothing: verify does."""
    wanted = Wanted(principal, document, since, request)
    kept = [line for files in _chains(path).values() for line in read(files) if line.get("event") == "request"]
    lines = [line for line in kept if is_a_request(line) and wanted.fits(line)]
    if strange := sum(not is_a_request(line) for line in kept):
        screen.note(f"{strange} lines are not as the service writes them", f"raftops audit verify {path}")
    lines.sort(key=lambda line: str(line["time"]))
    rows = [
        (line["time"], (line.get("principal") or {}).get("subject", "-"),
         f"{line['decision']} {line.get('status', '')}", " ".join(_shown(line, document)), line["request"])
        for line in lines
    ]  # fmt: skip
    screen.table(f"{len(lines)} requests", ("time", "who", "", "documents shown", "request"), rows)
    screen.result(lines)


def _shown(line: dict[str, Any], document: str) -> list[str]:
    shown = [one for one in line.get("documents", ()) if document in ("", one["doc"])]
    return [f"{one['doc']}@{one['version'][:8]} ({', '.join(one['as'])})" for one in shown]


def audit_of(loaded: LoadedSpec) -> Audit:
    """What is kept of requests, with the folder made absolute: the spec's, or the assistant's in the store."""
    audit = loaded.assistant.spec.deploy.audit
    folder = loaded.root / audit.folder if audit.folder else store_folder(loaded) / "audit" / loaded.assistant.name
    return audit.model_copy(update={"folder": str(folder.resolve())})


def _chains(path: Path) -> dict[str, list[Path]]:
    """The chains in a folder, or in the folders in it: a store has one for each assistant. Of a spec its own."""
    if path.suffix in SPECS and path.is_file():
        path = Path(audit_of(load_spec(path, data_is_here=False)).folder)
    folders = [path, *sorted(folder for folder in path.iterdir() if folder.is_dir())] if path.is_dir() else [path]
    found = {name: files for folder in folders for name, files in segments(folder).items()}
    collected = path.is_file() and not SEGMENT.fullmatch(path.name)  # of ours an empty one is one that was cut
    if not found or (collected and not any(read([path]))):
        raise ServiceError(
            f"{path}: no lines of an audit here", next_step="raftops serve writes them, see deploy.audit"
        )
    return found


def _heads(given: Any, kept: Path | None) -> dict[str, dict[int, str]]:
    """Places and hashes that were told earlier, by chain."""
    known: dict[str, dict[int, str]] = {}
    if kept and kept.exists():
        known = {str(name): {int(at): str(hash_) for at, hash_ in one.items()} for name, one in read_json(kept).items()}
    for text in given:
        name, _, rest = text.partition(":")
        place, _, hash_ = rest.partition(":")
        if not place.isdigit() or len(hash_) != 64:
            raise ServiceError(f"--head {text}: not CHAIN:PLACE:HASH", next_step="raftops audit verify prints it so")
        known.setdefault(name, {})[int(place)] = hash_
    return known
