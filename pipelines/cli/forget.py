"""The command that forgets a document: withdrawn at once, then purged from what this project and its bucket keep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipelines.cli.authoring import DryRun, Overlays, SpecPath, releases_folder, store_folder
from pipelines.cli.releases import LISTED
from pipelines.cli.screen import screen
from pipelines.runs.record import Store
from pipelines.runs.traces import Trace, Traced, learned, purge, served, traced, traces
from raftops.data.listing import example_files
from raftops.errors import RaftopsError
from raftops.files import write_text
from raftops.globs import nfc
from raftops.release.in_force import read_in_force, withdraw
from raftops.spec.access_file import load_access
from raftops.spec.load import LoadedSpec, command_line, load_spec

OUT_OF_REACH = (
    "git's history, DVC's cache and remotes, backups, other machines, old versions of a bucket that keeps them,",
    "names of documents in run records, and logs outside of the project: these are yours to clear",
)


@dataclass(frozen=True)
class Probe:
    """What was asked after the document, and what was found."""

    asked: int
    """Sentences of the document that were searched for, as a caller in every group."""
    found: tuple[str, ...]
    """What answers with it still; nothing may."""
    left: tuple[Trace, ...]
    """What still holds it."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(forget)


def forget(
    spec: SpecPath,
    doc_id: Annotated[str, typer.Argument(help="Document id: its path below the documents folder.", metavar="DOC")],
    overlay: Overlays = None,
    dry_run: DryRun = False,
) -> None:
    """Forget a document: nobody reads it any more; purge caches, old releases, bucket and rows; prove it."""
    loaded = load_spec(spec, overlay or ())
    store, folder, doc_id = Store(store_folder(loaded)), releases_folder(loaded), nfc(doc_id)
    wanted = traced(store, doc_id)
    found, rows = traces(store, wanted), _example_rows(loaded, doc_id)
    weights = learned(store, wanted)
    if not (found or rows or weights):  # a name that was mistyped forgets nothing, and that must be said
        now = read_in_force(folder)
        known = sorted({*_sources(loaded), *(now.withdrawn if now else ())})
        if doc_id not in known and not _remote(loaded, doc_id, dry_run=True):
            longer = [name for name in known if doc_id.endswith(f"/{name}")]
            close = [f"did you mean {name}? " for name in longer or get_close_matches(doc_id, known, 1)]
            message = f"{doc_id}: no document here, and no release or example, has this name, so nothing was forgotten"
            advice = f"raftops access explain {loaded.path.name} lists the documents"
            raise RaftopsError(message, next_step="".join([*close[:1], advice]))
    if dry_run:
        _tell("would go", [trace for trace in found if trace.path not in served(store)])
        for path, lines in rows.items():
            screen.say(f"  {escape(str(path))}: {len(lines)} examples that quote it")
        remote = _remote(loaded, doc_id, dry_run=True)
        screen.say(f"{len(remote)} objects of the bucket would go; nothing was changed")
        screen.result({"event": "dry run", "found": _rows(found), "objects": remote, "weights": weights})
        return
    now = withdraw(folder, doc_id, load_access(loaded.root / loaded.assistant.spec.data.access))
    screen.say(f"{escape(doc_id)} is withdrawn in every version (change {now.sequence}): a running service follows")
    gone = purge(store, found, wanted, weights)
    _tell("deleted", gone)
    for path, lines in rows.items():
        text = path.read_text(encoding="utf-8").split("\n")
        write_text(path, "\n".join(line for number, line in enumerate(text) if number not in lines))
        screen.say(f"  {escape(str(path))}: {len(lines)} examples that quote it were taken out")
    objects = _remote(loaded, doc_id, dry_run=False)
    screen.say(f"{len(objects)} objects of the bucket were deleted" if objects else "nothing of it is in a bucket")
    probe = _probe(loaded, store, wanted)
    if source := _sources(loaded).get(doc_id):
        probe = replace(probe, left=(*probe.left, Trace(source, "the document itself: remove it, and from git")))
    _end(loaded, probe, {"deleted": _rows(gone), "objects": objects, "examples": sum(map(len, rows.values()))})


def _sources(loaded: LoadedSpec) -> dict[str, Path]:
    """The files of the documents folder by their ids, whatever form their names have on the disk."""
    folder = loaded.root / loaded.assistant.spec.data.documents.path
    return {nfc(path.relative_to(folder).as_posix()): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _end(loaded: LoadedSpec, probe: Probe, done: dict[str, Any]) -> None:
    """Say what the probe found; an error where something answers with it, or holds it still."""
    screen.say(f"probe: {probe.asked} of its sentences were searched for, {len(probe.found)} were found")
    screen.say(f"[dim]not reached: {' '.join(OUT_OF_REACH)}[/]")
    left = [f"{trace.path} ({trace.what})" for trace in probe.left]
    complete = not (probe.found or left)
    screen.result(done | {"complete": complete, "found": list(probe.found), "left": left, "asked": probe.asked})
    if not complete:
        again = command_line("run", loaded.path, overlays=loaded.overlays)
        message = "nobody may read it, but it is not gone everywhere:"
        raise RaftopsError("\n  ".join([message, *probe.found, *left]), next_step=f"{again}, then forget it again")


def _probe(loaded: LoadedSpec, store: Store, wanted: Traced) -> Probe:
    """Search for the document's own sentences in what is served, as somebody in every group, and in all files."""
    folder = releases_folder(loaded)
    now, found = read_in_force(folder), list[str]()
    current = import_module("raftops.release.current").read_current(folder)
    asked = 0
    if current and now:
        release = import_module("raftops.release.release").open_release(folder / current.hash)
        view = import_module("raftops.retrieval.view").View
        with import_module("raftops.retrieval.hybrid").open_index(release.index, release.prompt.dense_share) as index:
            library = view(index, now.policy_of)
            everyone = now.access.readable(now.access.groups)
            for sentence in wanted.sentences or (wanted.doc_id,):
                asked += 1
                for passage in (hit.passage for hit in library.search(sentence, everyone, 50)):
                    text = " ".join(passage.text.split())
                    if passage.doc_id == wanted.doc_id or any(one in text for one in wanted.sentences):
                        found.append(f"a search finds {passage.doc_id}")
            for one in index.documents():
                if one.doc_id == wanted.doc_id and library.document_text(one.doc_id, one.version) is not None:
                    found.append("a citation of it can be made")
    return Probe(asked, tuple(dict.fromkeys(found)), tuple(traces(store, wanted)))


def _tell(did: str, found: Sequence[Trace]) -> None:
    screen.say(f"{did}: {len(found)} things that hold it")
    for trace in found[:LISTED]:
        screen.say(f"  {escape(trace.what)}: {escape(str(trace.path))}")
    if len(found) > LISTED:
        screen.say(f"  and {len(found) - LISTED} more")


def _rows(found: Sequence[Trace]) -> list[dict[str, str]]:
    return [asdict(trace) | {"path": str(trace.path)} for trace in found]


def _example_rows(loaded: LoadedSpec, doc_id: str) -> dict[Path, set[int]]:
    """The lines, from 0, of examples that quote the document, by file."""
    found = {}
    for path in example_files(loaded.assistant.spec.data, loaded.root):
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
        if hits := {number for number, line in enumerate(lines) if _quotes(line, doc_id)}:
            found[path] = hits
    return found


def _quotes(line: str, doc_id: str) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    evidence = row.get("evidence") if isinstance(row, dict) else None
    return any(isinstance(one, dict) and one.get("doc_id") == doc_id for one in evidence or ())


def _remote(loaded: LoadedSpec, doc_id: str, dry_run: bool) -> list[str]:
    """Objects of the bucket's releases that hold the document; deleted unless `dry_run`."""
    artifacts = loaded.assistant.spec.platform.artifacts
    if artifacts is None:
        return []
    bucket = import_module("raftops.release.bucket").Bucket(artifacts)
    purged: list[str] = import_module("raftops.release.store").purge_remote(
        loaded.assistant.name, doc_id, bucket, dry_run
    )
    return purged
