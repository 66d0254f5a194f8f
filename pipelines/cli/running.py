"""Commands that run: run, doctor."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipelines.cli.authoring import Force, Overlays, SpecPath, named_steps, store_folder
from pipelines.cli.doctor import examine
from pipelines.cli.screen import RunScreen, duration, screen
from pipelines.local.run import Runner, as_processes, run_local
from pipelines.runs.record import RunRecord, StepRecord, Store
from pipelines.wiring.compile import compile_spec
from pipelines.wiring.steps import TABLE, downstream
from raftops.files import read_json
from raftops.spec.load import load_spec
from raftops.spec.model.base import STEPS, StepName


class Where(StrEnum):
    """What a step is on this machine."""

    processes = "processes"
    containers = "containers"


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(run)
    app.command()(doctor)


def run(
    spec: SpecPath,
    overlay: Overlays = None,
    force: Force = None,
    inside: Annotated[
        Where, typer.Option("--in", help="Run steps as processes of this environment, or in their containers (Docker).")
    ] = Where.processes,
    demo: Annotated[
        bool, typer.Option("--demo", help="Then start the service, put the spec's smoke questions, and stop it.")
    ] = False,
) -> None:
    """Run a spec on this machine: only what changed runs."""
    again = downstream(named_steps(force or []))
    loaded = load_spec(spec, overlay or ())
    compiled, store = compile_spec(loaded), Store(store_folder(loaded))
    screen.say(f"[bold]{loaded.assistant.name}[/] from {escape(str(spec))}; results in {escape(str(store.root))}")
    with RunScreen(screen) as follower:
        record = run_local(loaded, compiled, store, follower, again, _runner(inside))
    _show(record, store)
    if demo:
        import_module("pipelines.cli.serving").demonstrate(loaded)


def _runner(inside: Where) -> Runner:
    """The engine's client is only imported where it is used."""
    return import_module("pipelines.local.containers").in_containers if inside is Where.containers else as_processes


def _show(record: RunRecord, store: Store) -> None:
    folder = store.latest / record.name
    rows = [
        (step, state.status, duration(state.seconds) if state.status == "done" else "-",
         _figures(step, state), _look(folder, step))
        for step in STEPS
        for state in (record.steps[step],)
    ]  # fmt: skip
    ran = sum(state.status == "done" for state in record.steps.values())
    title = f"{record.name}: {ran} of {len(record.steps)} steps ran in {duration(record.seconds)}"
    screen.table(title, ("step", "", "time", "figures", "where to look"), rows)
    screen.say("next: raftops serve SPEC, or raftops ask SPEC 'your question'")
    screen.result(asdict(record))


def _figures(step: StepName, state: StepRecord) -> str:
    metrics = state.metrics
    shown = {name: metrics[name] for name in TABLE[step].figures if name in metrics} or dict(list(metrics.items())[:4])
    return ", ".join([*_chosen(state), *(f"{name} {_number(value)}" for name, value in shown.items())])


def _chosen(state: StepRecord) -> list[str]:
    """Which of several candidates went on."""
    report = Path(state.artifacts.get("adapters", "")) / "train.json"
    told = read_json(report) if report.is_file() else {}
    return [f"{told['chosen']} of {len(told['candidates'])} candidates"] if "chosen" in told else []


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3f}"


def _look(folder: Path, step: StepName) -> str:
    path = folder / step / TABLE[step].page
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def doctor() -> None:
    """Say what is missing on this machine, and the command that mends it."""
    findings = examine()
    rows = [(f.what, "ok" if f.fine else f.otherwise, f.found, "" if f.fine else f.mend) for f in findings]
    screen.table("this machine", ("what", "", "found", "mend"), rows)
    screen.result([asdict(f) for f in findings])
    if any(not f.fine and f.needed for f in findings):
        raise typer.Exit(1)
