"""Commands about specs: init, validate, schema, plan, compile."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from raftops.spec.template import write_project
from rich.markup import escape

from pipelines.cli.screen import duration, screen
from pipelines.compile import Compiled, compile_spec
from pipelines.plan import PlannedStep, plan
from pipelines.store import Store
from raftops.files import write_text
from raftops.spec.load import LoadedSpec, load_spec
from raftops.spec.schema import json_schema

SpecPath = Annotated[Path, typer.Argument(help="The spec file.", metavar="SPEC")]
Overlays = Annotated[list[Path] | None, typer.Option("-f", "--overlay", help="Overlay merged by key; repeatable.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(init)
    app.command()(validate)
    app.command()(schema)
    app.command("plan")(plan_command)
    app.command("compile")(compile_command)


def store_of(loaded: LoadedSpec) -> Store:
    """The project's store."""
    return Store(loaded.root / loaded.assistant.spec.platform.store)


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to write into; made if absent.")] = Path(),
    name: Annotated[str, typer.Option(help="Name of the assistant.")] = "",
) -> None:
    """Write a commented spec and a tiny data folder that runs."""
    label = name or re.sub(r"[^a-z0-9-]+", "-", folder.resolve().name.lower()).strip("-") or "assistant"
    written = write_project(folder, label)
    for path in written:
        screen.say(f"  wrote {escape(str(path))}")
    screen.say(f"next: cd {escape(str(folder))} && raftops validate raftops.yaml && raftops run raftops.yaml")
    screen.result({"written": [str(path) for path in written]})


def validate(spec: SpecPath, overlay: Overlays = None) -> None:
    """Check a spec and everything it names; show every mistake with its place."""
    loaded = load_spec(spec, overlay or ())
    screen.say(f"[green]{escape(str(spec))} is valid[/]: assistant {loaded.assistant.name}")
    screen.result({"valid": True, "name": loaded.assistant.name})


def schema(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="File to write; standard output if absent.")] = None,
) -> None:
    """Print the JSON Schema (draft 7) that editors read."""
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    if out:
        write_text(out, text)
    else:
        screen.raw(text)


def plan_command(spec: SpecPath, overlay: Overlays = None) -> None:
    """Show what a run would do: which steps, why, how much work, how long."""
    loaded = load_spec(spec, overlay or ())
    compiled = compile_spec(loaded)
    planned = plan(loaded.assistant, compiled, store_of(loaded))
    show_plan(loaded, compiled, planned)


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
