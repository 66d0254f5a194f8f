"""Commands that say what would be done: plan, compile."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipelines.cli.access import tell_changes
from pipelines.cli.authoring import PIPELINE, Overlays, SpecPath, releases_folder, store_folder, write_made
from pipelines.cli.history import tell_unreadable
from pipelines.cli.screen import duration, screen
from pipelines.kubeflow.client import Server, endpoint_of
from pipelines.kubeflow.earlier_runs import past_steps
from pipelines.kubeflow.preflight import notes, old_server
from pipelines.kubeflow.submit import experiment_of
from pipelines.runs.cost import PastStep, StepCost, cluster_plan, keep_to_budget
from pipelines.runs.cost_shown import cost_lines, cost_table, costs_json, costs_markdown
from pipelines.runs.estimate import estimate
from pipelines.runs.history import History, Recorded
from pipelines.runs.markdown import plan_markdown
from pipelines.runs.plan import PlannedStep, plan
from pipelines.runs.record import Store
from pipelines.wiring.compile import Compiled, compile_spec
from raftops.errors import ClusterError
from raftops.release.access_changes import would_change
from raftops.spec.load import LoadedSpec, load_spec
from raftops.spec.model.base import StepName


class Target(StrEnum):
    """Where a plan is for."""

    laptop = "laptop"
    kubeflow = "kubeflow"


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("plan")(plan_command)
    app.command("compile")(compile_command)


def plan_command(
    spec: SpecPath,
    overlay: Overlays = None,
    against: Annotated[
        Path | None, typer.Option(help="Run record (run.json) to compare with, instead of the runs of this machine.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="A comment for a pull request.")] = False,
    where: Annotated[
        Target, typer.Option("--on", help="This machine, or Kubeflow: resources, hours, cost.")
    ] = Target.laptop,
    within_budget: Annotated[
        bool, typer.Option("--within-budget", help="With --on kubeflow: fail where platform.budget is exceeded.")
    ] = False,
) -> None:
    """Show what a run would do: which steps, why, how much work, how long."""
    loaded = load_spec(spec, overlay or ())
    compiled = compile_spec(loaded)
    store = Store(store_folder(loaded))
    history: History = Recorded(against) if against else store
    if history is store:
        tell_unreadable(store)
    planned = plan(loaded.assistant, compiled, history)
    if where is Target.kubeflow:
        costs = _show_cluster_plan(loaded, compiled, planned, markdown)
        if within_budget:
            keep_to_budget(loaded.assistant, costs)
    elif markdown:
        screen.raw(_as_markdown(loaded, compiled, planned, history))
    else:
        show_plan(loaded, compiled, planned)


def _as_markdown(loaded: LoadedSpec, compiled: Compiled, planned: list[PlannedStep], history: History) -> str:
    name, gates = loaded.assistant.name, loaded.assistant.spec.evaluate.gates
    measured = (r.steps["evaluate"].metrics for r in history.records(name) if "evaluate" in r.steps)
    return plan_markdown(name, compiled.inputs.dvc, planned, gates, next(filter(None, measured), {}))


def show_plan(loaded: LoadedSpec, compiled: Compiled, planned: list[PlannedStep]) -> None:
    """The plan as a table, or as JSON."""
    rows = [
        (p.step, "run" if p.runs else "skip", "; ".join(p.reasons) or "nothing changed", p.work, duration(p.seconds))
        for p in planned
    ]
    screen.table(f"plan of {loaded.assistant.name}", ("step", "", "why", "work", "time"), rows)
    known = [p.seconds for p in planned if p.runs and p.seconds is not None]
    running = sum(p.runs for p in planned)
    if running:
        guess = f", about {duration(sum(known))} by the last runs" if known else ""
        screen.say(f"{running} of {len(planned)} steps run{guess}")
    else:
        screen.say("nothing changed: no step runs")
    said = tell_estimate(loaded, compiled, [p for p in planned if p.runs])
    opened_or_closed = would_change(releases_folder(loaded), compiled.inputs.access)
    if opened_or_closed:
        screen.say("the access file is in force from the start of a run on, or by raftops access apply without one:")
        tell_changes(opened_or_closed)
    shown = {
        "name": loaded.assistant.name,
        "access": [asdict(c) for c in opened_or_closed],
        "data": compiled.inputs.dvc,
        "steps": [asdict(p) for p in planned],
    }
    screen.result(shown | ({"estimate": said} if said else {}))


def tell_estimate(loaded: LoadedSpec, compiled: Compiled, running: Sequence[PlannedStep]) -> list[str]:
    """Say what steps take whose times nobody measured here yet; returns it. Nothing where all are known."""
    new = any(planned.seconds is None for planned in running)
    said = estimate(loaded, compiled).lines([planned.step for planned in running]) if new else []
    for line in said:
        screen.say(f"[dim]{escape(line)}[/]")
    return said


def cluster_costs(
    loaded: LoadedSpec, compiled: Compiled, server: Server, experiment: str, again: Collection[StepName] = ()
) -> list[StepCost]:
    """What a run on Kubeflow would take, by what its server and this machine remember; the steps `again` run anyhow."""
    planned = plan(loaded.assistant, compiled, Store(store_folder(loaded)))
    past = [replace(p, key="") if p.step in again else p for p in past_steps(server, experiment)]
    return cluster_plan(loaded.assistant, planned, past)


def _show_cluster_plan(
    loaded: LoadedSpec, compiled: Compiled, planned: Sequence[PlannedStep], markdown: bool
) -> list[StepCost]:
    """The plan for Kubeflow. A server that cannot be asked is said, and nothing is guessed in its place."""
    assistant = loaded.assistant
    past, unknown = list[PastStep](), ""
    try:
        server = Server(endpoint_of(assistant.spec.platform.kubeflow))
        past = past_steps(server, experiment_of(assistant, os.environ))
    except ClusterError as error:
        unknown = str(error)
    steps = cluster_plan(assistant, planned, past, unknown)
    if markdown:
        more = "".join(f"- {note.message}: {note.next_step}\n" for note in notes(assistant, loaded.root))
        screen.raw(costs_markdown(assistant, steps, unknown) + more)
        return steps
    screen.table(f"plan of {assistant.name} on Kubeflow", *cost_table(assistant, steps))
    for line in cost_lines(assistant, steps, unknown):
        screen.say(escape(line))
    shown = costs_json(assistant, steps, unknown) | {"data": compiled.inputs.dvc}
    screen.result(shown | {"notes": tell_notes(loaded)})
    return steps


def compile_command(
    spec: SpecPath,
    overlay: Overlays = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Pipeline file to write.")] = None,
) -> None:
    """Compile a spec to a Kubeflow pipeline (IR YAML), the same bytes each time."""
    loaded = load_spec(spec, overlay or ())
    compiled = compile_spec(loaded)
    target = out or Path("build") / f"{loaded.assistant.name}.yaml"
    write_made(target, compiled.text, PIPELINE)
    shown = escape(str(target))
    screen.say(f"wrote {shown} ({len(compiled.text) / 1024:.1f} kB); submit it by: kfp run create -f {shown}")
    keys = {step: key.digest for step, key in compiled.keys.items()}
    screen.result({"pipeline": str(target), "keys": keys, "notes": tell_notes(loaded)})


def tell_notes(loaded: LoadedSpec, server: Server | None = None) -> list[str]:
    """Say what to know before a spec runs on a cluster, and of its server where there is one; returns it."""
    found = [*notes(loaded.assistant, loaded.root), *(old_server(server) if server else ())]
    for note in found:
        screen.note(note.message, note.next_step)
    return [note.message for note in found]
