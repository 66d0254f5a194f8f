"""The command about evaluations: report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipelines.cli.authoring import Overlays, SpecPath, releases_folder, store_folder
from pipelines.cli.screen import screen
from pipelines.runs.markdown import report_markdown
from raftops.errors import StepError
from raftops.evaluation.delta import Change, Delta, Measured, compare, read_report
from raftops.release.current import read_current
from raftops.spec.load import LoadedSpec, load_spec


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(report)


def report(
    spec: SpecPath,
    overlay: Overlays = None,
    of: Annotated[
        Path | None, typer.Option(help="Report to show (folder or report.json); the last evaluation's if absent.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Earlier report to compare with: a folder or a report.json.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="A comment for a pull request.")] = False,
    link: Annotated[str, typer.Option(help="Address of the whole report, for the comment.")] = "",
) -> None:
    """Show the last evaluation, or what it changed against an earlier one, paired question by question."""
    loaded = load_spec(spec, overlay or ())
    delta = compare(read_report(of) if of else last_report(loaded), read_report(against) if against else None)
    if markdown:
        screen.raw(report_markdown(loaded.assistant.name, delta, link))
    else:
        _show(loaded.assistant.name, delta)


def last_report(loaded: LoadedSpec) -> Measured:
    """The report of the last evaluation in the store; of the current release where there was no run here.

    Raises:
        StepError: there is neither.
    """
    ran = store_folder(loaded) / "latest" / loaded.assistant.name / "evaluate" / "report"
    if (ran / "report.json").is_file():
        return read_report(ran)
    releases = releases_folder(loaded)
    current = read_current(releases)
    if current is None:
        advice = "raftops run SPEC, or raftops release pull SPEC; --of names a report that lies elsewhere"
        raise StepError(f"{loaded.assistant.name}: no evaluation in {store_folder(loaded)}", next_step=advice)
    return read_report(releases / current.hash / "report")


def _show(name: str, delta: Delta) -> None:
    screen.table(
        f"evaluation of {name}", ("figure", "before", "after", "change", ""), [_row(change) for change in delta.changes]
    )
    for gate in delta.new.body.get("gates", []):
        verdict = gate.get("verdict") or ("passed" if gate["passed"] else "failed")
        screen.say(f"gate {escape(gate['metric'])}: {verdict}")
    screen.say(f"winner: {delta.new.body.get('winner')}; report in {escape(str(delta.new.path.parent))}")
    screen.result(
        {
            "name": name,
            "winner": delta.new.body.get("winner"),
            "winner_before": delta.base.body.get("winner") if delta.base else None,
            "gates": delta.new.body.get("gates", []),
            "questions_in_common": delta.common,
            "changes": [asdict(change) | {"verdict": change.verdict} for change in delta.changes],
        }
    )


def _row(change: Change) -> tuple[str, ...]:
    if change.before is None:
        return (change.metric, "-", f"{change.after:.3f}", "-", "")
    moved = change.paired.delta if change.paired else change.after - change.before
    return (change.metric, f"{change.before:.3f}", f"{change.after:.3f}", f"{moved:+.3f}", change.verdict)
