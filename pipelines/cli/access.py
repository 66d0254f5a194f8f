"""Commands about who may read what: apply, show, restore, explain, prove.

A running service follows within a second; nothing runs again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipelines.cli.authoring import DryRun, Overlays, SpecPath, releases_folder
from pipelines.cli.releases import LISTED
from pipelines.cli.screen import screen
from pipelines.cli.who_may_read import explain, prove
from raftops.globs import nfc
from raftops.release.access_changes import Change, readers_by, would_change
from raftops.release.in_force import apply_access, lift, read_in_force
from raftops.spec.access_file import load_access
from raftops.spec.check_data import ACCESS_CHECKS
from raftops.spec.load import load_spec


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(
        help="Who may read what: put the access file in force, which rule decides, a proof on a running service.",
        no_args_is_help=True,
    )
    for command in (access_apply, access_show, access_restore):
        group.command(command.__name__.removeprefix("access_"))(command)
    group.command("explain")(explain)
    group.command("prove")(prove)
    app.add_typer(group, name="access")


def access_apply(
    spec: SpecPath,
    overlay: Overlays = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Write it again where what is in force is lost or broken.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Put the spec's access file in force, for every release: no run, no new index, no training."""
    loaded = load_spec(spec, overlay or (), only=ACCESS_CHECKS)  # a revocation waits for nothing else
    folder, access = releases_folder(loaded), load_access(loaded.root / loaded.assistant.spec.data.access)
    found = [] if anew else would_change(folder, access)
    shown = {"changes": [asdict(change) for change in found]}
    if dry_run:
        tell_changes(found)
        screen.say("nothing was changed")
        screen.result({"event": "dry run"} | shown)
        return
    now = apply_access(folder, access, anew=anew)
    screen.say(f"access {now.version[:16]} is in force (change {now.sequence})")
    if anew and now.sequence == 1:
        screen.say("  written anew: what was forgotten is not known any more; forget it again")
    else:
        tell_changes(found)
    screen.result({"version": now.version, "sequence": now.sequence} | shown)


def tell_changes(found: Sequence[Change]) -> None:
    """Say which documents are opened and closed to whom."""
    for change in found[:LISTED]:
        words = [f"closed to {', '.join(change.closed)}"] if change.closed else []
        words += [f"opened to {', '.join(change.opened)}"] if change.opened else []
        screen.say(f"  {escape(change.doc_id)}: {escape('; '.join(words))}")
    if len(found) > LISTED:
        screen.say(f"  and {len(found) - LISTED} more documents")
    if not found:
        screen.say("  no document of a release here is opened or closed by it")


def access_show(spec: SpecPath, overlay: Overlays = None) -> None:
    """What is in force: since when, by what, and which documents are withdrawn."""
    folder = releases_folder(load_spec(spec, overlay or ()))
    now = read_in_force(folder)
    if now is None:
        screen.say("nothing was put in force here: each release has its own policies")
        screen.result({"version": ""})
        return
    screen.say(f"access {now.version[:16]}, change {now.sequence} of {now.when}, by {now.origin}")
    rows: list[tuple[Any, ...]] = [
        (doc_id, one.why, one.when[:16], "all" if not one.versions else len(one.versions), "yes" if one.trained else "")
        for doc_id, one in sorted(now.withdrawn.items())
    ]
    screen.table("withdrawn documents", ("document", "why", "when", "versions", "trained on"), rows)
    screen.result({"version": now.version, **now.model_dump(mode="json")})


def access_restore(
    spec: SpecPath,
    doc_id: Annotated[str, typer.Argument(help="Document id: its path below the documents folder.")],
    overlay: Overlays = None,
) -> None:
    """Let a withdrawn document be read again where the policies say so. What was purged does not come back by this."""
    folder = releases_folder(load_spec(spec, overlay or ()))
    now = lift(folder, nfc(doc_id))
    readers = readers_by(now.access)(doc_id, "")
    screen.say(
        f"{escape(doc_id)} is not withdrawn any more; by the policies it is open to {', '.join(readers) or 'nobody'}"
    )
    screen.result({"version": now.version, "readers": sorted(readers)})
