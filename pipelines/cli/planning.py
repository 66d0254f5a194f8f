"""Commands that say what would be done: plan, compile."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipelines.cli.authoring import Overlays, SpecPath, store_folder
from pipelines.cli.screen import duration, screen
from pipelines.compile import Compiled, compile_spec
from pipelines.markdown import plan_markdown
from pipelines.plan import PlannedStep, plan
from pipelines.recorded import History, Recorded
from pipelines.store import Store
from raftops.files import write_text
from raftops.spec.load import LoadedSpec, load_spec


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
) -> None:
    """Show what a run would do: which steps, why, how much work, how long."""
    loaded = load_spec(spec, overlay or ())
    compiled = compile_spec(loaded)
    history: History = Recorded(against) if against else Store(store_folder(loaded))
    planned = plan(loaded.assistant, compiled, history)
    if markdown:
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
    screen.result({"name": loaded.assistant.name, "data": compiled.inputs.dvc, "steps": [asdict(p) for p in planned]})


def compile_command(
    spec: SpecPath,
    overlay: Overlays = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Pipeline file to write.")] = None,
) -> None:
    """Compile a spec to a Kubeflow pipeline (IR YAML), the same bytes each time."""
    loaded = load_spec(spec, overlay or ())
    compiled = compile_spec(loaded)
    target = out or Path("build") / f"{loaded.assistant.name}.yaml"
    write_text(target, compiled.text)
    shown = escape(str(target))
    screen.say(f"wrote {shown} ({len(compiled.text) / 1024:.1f} kB); submit it by: kfp run create -f {shown}")
    screen.result({"pipeline": str(target), "keys": {step: key.digest for step, key in compiled.keys.items()}})
