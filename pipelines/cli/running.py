"""The command that runs a spec on this machine: run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipelines.cli.access import tell_changes
from pipelines.cli.authoring import Force, Overlays, SpecPath, named_steps, releases_folder, store_folder
from pipelines.cli.doctor import missing_packages
from pipelines.cli.gaps import tell_gaps
from pipelines.cli.history import tell_unreadable
from pipelines.cli.planning import tell_estimate
from pipelines.cli.run_screen import RunScreen
from pipelines.cli.screen import duration, linked, screen
from pipelines.local.run import Runner, as_processes, run_local
from pipelines.runs.estimate import quick
from pipelines.runs.plan import plan
from pipelines.runs.record import RunRecord, StepRecord, Store
from pipelines.wiring.compile import Compiled, compile_spec
from pipelines.wiring.steps import TABLE, downstream, upstream
from raftops.errors import RaftopsError
from raftops.files import read_json
from raftops.release import access_changes, in_force
from raftops.spec.load import LoadedSpec, command_line, load_spec
from raftops.spec.model.base import STEPS, StepName


class Where(StrEnum):
    """What a step is on this machine."""

    processes = "processes"
    containers = "containers"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(run)


def run(  # noqa: PLR0913  one argument per option
    spec: SpecPath,
    overlay: Overlays = None,
    force: Force = None,
    inside: Annotated[
        Where, typer.Option("--in", help="Run steps as processes of this environment, or in their containers (Docker).")
    ] = Where.processes,
    demo: Annotated[
        bool, typer.Option("--demo", help="Then start the service, put the spec's smoke questions, and stop it.")
    ] = False,
    until: Annotated[
        str, typer.Option("--until", help="The last step that runs, such as index; all if absent.", metavar="STEP")
    ] = STEPS[-1],
    quickly: Annotated[
        bool, typer.Option("--quick", help="Evaluate on 8 questions, RAFT against base+rag only; train as ever.")
    ] = False,
) -> None:
    """Run a spec on this machine: only what changed runs."""
    again = downstream(named_steps(force or []))
    last = named_steps([until], "--until")[0]
    loaded = load_spec(spec, overlay or ())
    loaded = quick(loaded) if quickly else loaded
    if demo:  # the port is taken now or in an hour: now is the time to say so
        import_module("raftops.service.launch").check_free(loaded.assistant.spec.deploy)
    compiled, store = compile_spec(loaded), Store(store_folder(loaded))
    screen.say(f"[bold]{loaded.assistant.name}[/] from {escape(str(spec))}; results in {escape(str(store.root))}")
    tell_gaps(loaded)
    tell_unreadable(store)
    planned = plan(loaded.assistant, compiled, store)
    wanted = {p.step for p in planned if (p.runs or p.step in again) and p.step in upstream(last)}
    tell_estimate(loaded, compiled, [p for p in planned if p.step in wanted])
    runner: Runner = as_processes
    if inside is Where.containers:  # the engine's client is an extra
        runner = import_module("pipelines.local.containers").in_containers
    elif lacking := [step for step in STEPS if missing_packages(step)]:
        raise RaftopsError(
            f"this environment lacks packages of the steps {', '.join(lacking)}",
            next_step="pip install 'raftops[all]'; raftops doctor names them",
        )
    if last == STEPS[-1]:
        put_in_force(loaded, compiled)
    with RunScreen(screen) as follower:
        try:
            record = run_local(loaded, compiled, store, follower, again, runner, last)
        except RaftopsError:
            follower.verdict()
            raise
    _show(loaded, record, store, ["--quick"] * quickly)
    follower.verdict()
    screen.result(asdict(record))
    if demo and last == STEPS[-1]:
        import_module("pipelines.cli.serving").demonstrate(loaded)


def put_in_force(loaded: LoadedSpec, compiled: Compiled) -> None:
    """The access file of a run is in force from its start on: a change made while it is at work is the newer one."""
    folder, access = releases_folder(loaded), compiled.inputs.access
    found = access_changes.would_change(folder, access)
    now = in_force.apply_access(folder, access, "run")
    if found:
        screen.say(f"access {now.version[:16]} is in force from now on: {len(found)} documents are opened or closed")
        tell_changes(found)


def _show(loaded: LoadedSpec, record: RunRecord, store: Store, options: Sequence[str]) -> None:
    """What ran and where its pages are; what is typed next has the `options` of this run, or other steps would run."""
    states = [(step, record.steps[step]) for step in STEPS]
    words = {"waiting": "not wanted"}
    times = {step: duration(state.seconds) if state.status == "done" else "-" for step, state in states}
    rows = [(step, words.get(s.status, s.status), times[step], _figures(step, s)) for step, s in states]
    ran = sum(state.status == "done" for state in record.steps.values())
    title = f"{record.name}: {ran} of {len(record.steps)} steps ran in {duration(record.seconds)}"
    screen.table(title, ("step", "", "time", "figures"), rows)
    screen.say("[bold]where to look[/]")
    for step in STEPS:  # lines, not a column: a path is there to be copied
        page = store.latest / record.name / step / TABLE[step].page
        if record.steps[step].status != "waiting":
            screen.say(f"  {linked(page)}")
    if record.steps["deploy"].status == "waiting":
        whole = " ".join([command_line("run", loaded.path, overlays=loaded.overlays), *options])
        screen.say(f"next: {escape(whole)} runs the rest")
        return
    serve, ask = (command_line(verb, loaded.path, overlays=loaded.overlays) for verb in ("serve", "ask"))
    screen.say(f'next: {escape(serve)}\n  then, in a second terminal: {escape(ask)} "your question"')


def _figures(step: StepName, state: StepRecord) -> str:
    """The figures of a step that are shown; of several candidates of training, which one went on."""
    shown = {name: state.metrics[name] for name in TABLE[step].figures if name in state.metrics}
    figures = [
        f"{name} {value:,.0f}" if float(value).is_integer() else f"{name} {value:.3f}"
        for name, value in (shown or dict(list(state.metrics.items())[:4])).items()
    ]
    adapters = state.artifacts.get("adapters")
    report = Path(adapters) / "train.json" if adapters else None
    if report and report.is_file() and "chosen" in (trained := read_json(report)):
        return ", ".join([f"{trained['chosen']} of {len(trained['candidates'])} candidates", *figures])
    return ", ".join(figures)
