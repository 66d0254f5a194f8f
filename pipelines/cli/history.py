"""Commands about runs on this machine: runs, gc; and the logs of their steps."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.authoring import Overlays, store_folder
from pipelines.cli.screen import duration, screen
from pipelines.runs.garbage import delete, freed, garbage, size_of
from pipelines.runs.record import RunRecord, Store, read_record, run_files
from raftops.errors import RaftopsError, StepError
from raftops.spec.load import load_spec
from raftops.spec.model.base import STEPS
from raftops.spec.model.platform import Platform

MIB = 2**20
SHOWN = 20
"""Runs in a list."""
LATEST = "latest"
OfSpec = Annotated[Path | None, typer.Option("--spec", help="Spec that names the store; .raftops here if absent.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(runs)
    app.command()(gc)


def runs(
    run: Annotated[str, typer.Argument(help="Run, by the first digits of its id, or `latest`.", metavar="[RUN]")] = "",
    spec: OfSpec = None,
    overlay: Overlays = None,
) -> None:
    """Show the newest runs on this machine, or the steps of one."""
    store = store_of(spec, overlay)
    if run:
        _show(store, found_run(store, run))
        return
    records = tell_unreadable(store)[:SHOWN]
    rows = [(r.run_id, r.name, r.status, duration(r.seconds), _did(r), r.spec) for r in records]
    screen.table(f"runs in {store.root}", ("run", "assistant", "", "time", "steps", "spec"), rows)
    screen.say("next: raftops runs RUN, or raftops logs RUN STEP" if rows else "no runs yet; next: raftops run SPEC")
    keys = ("run_id", "name", "spec", "status", "started", "seconds")
    screen.result([{key: asdict(r)[key] for key in keys} for r in records])


def tell_unreadable(store: Store) -> list[RunRecord]:
    """The records of the runs, newest first; of each that cannot be read it is said what it is and what mends it."""
    records, broken = store.read()
    for path, error in broken.items():
        shown = os.path.relpath(path.parent)
        step = f"rm -r {shlex.quote(shown)}; until then raftops gc keeps what no other run names"
        screen.note(f"{os.path.relpath(path)}: {str(error).removeprefix(f'{path}: ')}; the run is left out", step)
    return records


def _did(record: RunRecord) -> str:
    ran = sum(state.status == "done" for state in record.steps.values())
    failed = next((f", {step} failed" for step in STEPS if _failed(record, step)), "")
    return f"{ran} of {len(record.steps)} ran{failed}"


def _failed(record: RunRecord, step: str) -> bool:
    return step in record.steps and record.steps[step].status == "failed"


def _show(store: Store, record: RunRecord) -> None:
    logs = {step: store.runs / record.run_id / f"{step}.log" for step in STEPS}
    states = [(step, record.steps[step]) for step in STEPS if step in record.steps]
    rows = [(s, r.status, duration(r.seconds), str(logs[s]) if logs[s].is_file() else "-") for s, r in states]
    screen.table(f"{record.name}, {record.started}: {record.status}", ("step", "", "time", "log"), rows)
    screen.say(f"next: raftops logs {record.run_id} STEP")
    screen.result(asdict(record))


def store_of(spec: Path | None, overlay: list[Path] | None) -> Store:
    """The store of a spec, or the one in this folder."""
    return Store(store_folder(load_spec(spec, overlay or ())) if spec else Path(Platform().store))


def found_run(store: Store, run: str) -> RunRecord:
    """A run on this machine, by the first digits of its id.

    Raises:
        StepError: there is none, or there are several.
    """
    if run == LATEST and (records := tell_unreadable(store)):
        return records[0]
    matching = [path for path in _records(store) if run != LATEST and path.parent.name.startswith(run)]
    if len(matching) != 1:
        wrong = "is no run" if not matching else f"is the beginning of {len(matching)} runs"
        raise StepError(f"{run} {wrong} in {store.root}", next_step="raftops runs lists them")
    return read_record(matching[0])


def has_run(store: Store, run: str) -> bool:
    """Whether a run on this machine is meant; ids of Kubeflow look otherwise."""
    paths = _records(store)
    return bool(paths) if run == LATEST else any(path.parent.name.startswith(run) for path in paths)


def show_log(store: Store, run: str, step: str) -> None:
    """What a step of a run on this machine wrote; of the one that failed, or came last, if none is named."""
    record = found_run(store, run)
    folder = store.runs / record.run_id
    written = [name for name in STEPS if (folder / f"{name}.log").is_file()]
    failed = [name for name in written if _failed(record, name)]
    wanted = step or next(iter([*failed, *reversed(written)]), "")
    if wanted not in written:
        why = f"its log has {', '.join(written)}" if written else "nothing ran: no step had changed"
        advice = "raftops runs lists the runs"
        raise StepError(f"run {record.run_id} has no log of {wanted or 'a step'}: {why}", next_step=advice)
    text = (folder / f"{wanted}.log").read_text(encoding="utf-8", errors="replace")
    if screen.json_output:
        screen.result({"run_id": record.run_id, "step": wanted, "log": text})
    else:
        screen.raw(text)


def _records(store: Store) -> list[Path]:
    """The records of the runs, newest first."""
    return run_files(store.runs)


def gc(
    spec: OfSpec = None,
    overlay: Overlays = None,
    keep: Annotated[int, typer.Option(min=1, help="Newest runs of each assistant whose results stay.")] = 1,
    cache: Annotated[bool, typer.Option("--cache", help="The whole cache, too: runs make it again.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete it; without this, it is only shown.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show it, whatever else is said.")] = False,
) -> None:
    """Show what the store no longer needs and what it takes; delete it with --yes. Releases stay as they are."""
    store = store_of(spec, overlay)
    if not store.root.is_dir():
        raise RaftopsError(f"{store.root}: no store here", next_step="raftops gc --spec SPEC")
    tell_unreadable(store)
    found, before = garbage(store, keep, cache), size_of(store.root)
    rows = [(str(one.path.relative_to(store.root)), f"{size_of(one.path) / MIB:,.1f} MiB", one.why) for one in found]
    screen.table(f"{store.root}: {before / MIB:,.0f} MiB", ("not needed", "holds", "why"), rows)
    listed = [{"path": str(one.path), "why": one.why, "bytes": size_of(one.path)} for one in found]
    back, gone = freed(found), yes and not dry_run
    if gone:
        delete(store, found)
    parts = {name: size_of(store.root / name) for name in ("artifacts", "releases", "cache")}
    did = "given back" if gone else "would be given back by --yes" if found else "to be given back: all of it is used"
    screen.say(f"{back / MIB:,.0f} MiB {did} (files that something else has, too, stay)")
    screen.say(
        "what stays shares its files: " + ", ".join(f"{name} {size / MIB:,.0f} MiB" for name, size in parts.items())
    )
    screen.result({"store": str(store.root), "bytes": before, "freed": back, "deleted": gone, "garbage": listed})
