"""Commands about runs on Kubeflow: submit, status, logs, cancel."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipelines.cli.authoring import PIPELINE, DryRun, Force, Overlays, SpecPath, named_steps, store_folder, write_made
from pipelines.cli.history import LATEST, has_run, show_log, store_of
from pipelines.cli.planning import cluster_costs, tell_notes
from pipelines.cli.run_screen import RunScreen
from pipelines.cli.screen import duration, linked, screen
from pipelines.kubeflow.client import Gone, Server, endpoint_of
from pipelines.kubeflow.run_state import ENDED, StepState, state_of, steps_of
from pipelines.kubeflow.step_progress import PodReason, StepProgress, pending_reason, progress_of
from pipelines.kubeflow.submit import Submitted, experiment_of, find, find_submitted, submitted
from pipelines.kubeflow.submit import submit as submit_run
from pipelines.kubeflow.watch import failure, watch
from pipelines.runs.cost import keep_to_budget
from pipelines.runs.estimate import with_questions
from pipelines.wiring.compile import Compiled, compile_spec
from pipelines.wiring.steps import BESIDE, downstream
from raftops.errors import ClusterError, RaftopsError, SpecError
from raftops.spec.load import LoadedSpec, load_spec
from raftops.spec.model.base import STEPS, StepName
from raftops.spec.model.platform import Kubeflow, Platform

SINGLE_USER_NAMESPACE = "kubeflow"
"""Where a single-user Kubeflow runs its pods."""
PAUSE = 5.0
"""Seconds between two looks at a run that is waited for."""
EndpointOption = Annotated[str, typer.Option("--endpoint", help="Kubeflow's address, instead of the spec's.")]
OfSpec = Annotated[Path | None, typer.Option("--spec", help="Spec that names Kubeflow and the store.")]
RunId = Annotated[str, typer.Argument(help="Run, by the first digits of its id, or `latest`.", metavar="RUN")]


class StoppedWatching(RaftopsError):
    """Ctrl-C while a run is watched: the run goes on."""

    exit_code = 130


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(submit)
    app.command("kfp-run")(kfp_run)
    app.command()(status)
    app.command()(logs)
    app.command()(cancel)


def submit(
    spec: SpecPath,
    overlay: Overlays = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show the steps until the run ends; fail where it fails.")
    ] = False,
    endpoint: EndpointOption = "",
    force: Force = None,
    dry_run: DryRun = False,
) -> None:
    """Run a spec on Kubeflow."""
    again = downstream(named_steps(force or []))
    loaded = load_spec(spec, overlay or ())
    _submit(loaded, compile_spec(loaded), endpoint, again, _How(wait, dry_run))


def kfp_run(  # noqa: PLR0913  one argument per option
    spec: SpecPath,
    overlay: Overlays = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Pipeline file to write; build/NAME.yaml if absent.")
    ] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="Held-out questions of this run's evaluation, instead of the spec's.")
    ] = None,
    force: Force = None,
    experiment: Annotated[str, typer.Option(help="Experiment of the run, instead of the spec's.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Follow the run until it ends; fail where it fails.")] = False,
    endpoint: EndpointOption = "",
    dry_run: DryRun = False,
) -> None:
    """Compile a spec and create a run on Kubeflow in one command, for CI: as `kfp run create` does."""
    again = downstream(named_steps(force or []))
    loaded = load_spec(spec, overlay or ())
    loaded = with_questions(loaded, questions) if questions else loaded
    compiled = compile_spec(loaded)
    target = out or Path("build") / f"{loaded.assistant.name}.yaml"
    write_made(target, compiled.text, PIPELINE)
    screen.say(f"wrote {linked(target)} ({len(compiled.text) / 1024:.1f} kB)")
    _submit(loaded, compiled, endpoint, again, _How(wait, dry_run, experiment))


@dataclass(frozen=True)
class _How:
    """What is done about a run beside creating it."""

    wait: bool
    dry_run: bool
    experiment: str = ""


def _submit(loaded: LoadedSpec, compiled: Compiled, endpoint: str, again: Collection[StepName], how: _How) -> None:
    """Create a run where it is within the budget, say where it is, and follow it if that is wanted."""
    assistant = loaded.assistant
    experiment = how.experiment or experiment_of(assistant, os.environ)
    try:
        server = Server(endpoint_of(assistant.spec.platform.kubeflow, os.environ, endpoint))
    except ClusterError as unnamed:
        if not how.dry_run or endpoint:
            raise
        _tell_dry_run(loaded, compiled, None, experiment, again)
        screen.say(f"[yellow]note:[/] {escape(str(unnamed))}, which a run needs: {escape(unnamed.next_step)}")
        return
    if assistant.spec.platform.budget is not None:
        keep_to_budget(assistant, cluster_costs(loaded, compiled, server, experiment, again))
    if how.dry_run:
        _tell_dry_run(loaded, compiled, server, experiment, again)
        return
    run = submit_run(loaded, compiled, server, experiment, store_folder(loaded), again)
    screen.say(f"[bold]{run.name}[/] submitted as run [bold]{run.run_id}[/] of experiment {escape(experiment)}")
    screen.say(f"see it at {escape(server.page(run.run_id))}")
    screen.result({"event": "submitted", **asdict(run), "page": server.page(run.run_id)})
    tell_notes(loaded, server)
    if how.wait:
        _follow(server, run.run_id)
    else:
        screen.say(f"next: raftops status {run.run_id[:8]}, or raftops cancel {run.run_id[:8]}")


def _tell_dry_run(
    loaded: LoadedSpec, compiled: Compiled, server: Server | None, experiment: str, again: Collection[StepName]
) -> None:
    """What a run would be, and where; CI looks at a pipeline where no cluster is, too."""
    name, url = loaded.assistant.name, server.endpoint.url if server else ""
    kept = f"without an earlier result of {', '.join(s for s in STEPS if s in again)}" if again else ""
    screen.say(f"nothing was submitted; a run of {name} would begin in experiment {escape(experiment)}")
    on = f"on {escape(url)}" if url else "on a Kubeflow that nothing names yet"
    screen.say(f"{on}, {len(compiled.text) / 1024:.1f} kB of pipeline {kept}".rstrip())
    where = {"endpoint": url, "experiment": experiment, "forced": sorted(again)}
    screen.result({"event": "dry run", "name": name, **where, "notes": tell_notes(loaded, server)})


def _follow(server: Server, run_id: str) -> None:
    """Show a run until it ends. Raises `StepError` where it ends badly."""
    try:
        with RunScreen(screen) as follower:
            ended = watch(server, run_id, follower, PAUSE, _pod_reasons(server))
    except Gone as gone:
        raise ClusterError(
            f"run {run_id} was deleted: {gone}", next_step="raftops submit SPEC starts another"
        ) from gone
    except ClusterError as lost:
        step = f"{lost.next_step}; then raftops status {run_id[:8]} --wait"
        raise ClusterError(f"{lost}; run {run_id} goes on unwatched", next_step=step) from lost
    except KeyboardInterrupt as stop:
        step = f"raftops status {run_id[:8]} --wait goes on watching, raftops cancel {run_id[:8]} ends it"
        raise StoppedWatching(f"no longer watching; run {run_id} goes on", next_step=step) from stop
    error = failure(server, ended, _pod_reasons(server))
    screen.result({"event": "ended", "run_id": run_id, "state": ended.get("state")})
    if error:
        raise error
    screen.say(f"[green]run {run_id} succeeded[/]")


def _pod_reasons(server: Server) -> PodReason:
    """What Kubernetes knows of a pod; its client is loaded only where something failed or waits."""
    namespace = server.endpoint.namespace or SINGLE_USER_NAMESPACE

    def reason(pod: str) -> str:
        return str(import_module("pipelines.kubeflow.pod_events").pod_reason(namespace, pod))

    return reason


def status(
    run: Annotated[str, typer.Argument(help="Run, by the first digits of its id, or `latest`.", metavar="[RUN]")] = "",
    endpoint: EndpointOption = "",
    spec: OfSpec = None,
    overlay: Overlays = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the run until it ends; fail where it fails.")] = False,
) -> None:
    """Show the newest runs, or the steps of one."""
    if not run:
        try:
            server = _server(None, endpoint, spec, overlay)
        except ClusterError as unnamed:
            more = f"{unnamed.next_step}; raftops runs shows the runs of this machine"
            raise ClusterError(str(unnamed), next_step=more) from None
        _show_runs(server)
        return
    server, run_id = _located(run, endpoint, spec, overlay)
    if wait:
        _follow(server, run_id)
        return
    found = server.run(run_id)
    steps = steps_of(found)
    reason = _pod_reasons(server)
    notes = {s.step: _note(server, found, s, reason) for s in steps.values()}
    rows = [(s.step, s.status, duration(s.seconds) if s.seconds else "-", notes[s.step]) for s in steps.values()]
    screen.table(f"{found.get('display_name')}: {found.get('state')}", ("step", "", "time", "note"), rows)
    failed = failure(server, found, reason) if found.get("state") in ENDED else None
    if failed:
        screen.say(f"[red]{escape(str(failed))}[/]\n  [bold]next:[/] {escape(failed.next_step)}")
    screen.say(f"see it at {escape(server.page(run_id))}")
    shown = [asdict(s) | {"note": notes[s.step]} for s in steps.values()]
    why = {"error": str(failed), "next": failed.next_step} if failed else {}
    screen.result({"run_id": run_id, "state": found.get("state"), "steps": shown} | why)


def _note(server: Server, run: Mapping[str, Any], state: StepState, reason: PodReason) -> str:
    """How far a step at work is, and what keeps it from working, where Kubernetes can be asked."""
    far = progress_of(server, run, state, StepProgress())
    pending = state.status == "running" and set(state.states.values()) == {"PENDING"}
    waits = pending_reason(state, reason) or ("its pod has not started" if pending else "")
    notes = [waits, f"{far.done}/{far.total} {far.note}" if far else ""]
    notes += [{"skipped": "nothing changed", "left out": "the run did not get there"}.get(state.status, "")]
    return "; ".join(filter(None, notes))


def _show_runs(server: Server) -> None:
    runs = server.runs()
    rows = [(str(r["run_id"])[:8], *(str(r.get(k, "")) for k in ("display_name", "state", "created_at"))) for r in runs]
    screen.table(f"runs on {server.endpoint.url}", ("run", "name", "state", "created"), rows)
    screen.say("next: raftops status RUN" if rows else "no runs yet; next: raftops submit SPEC")
    screen.result(
        [{k: r.get(k) for k in ("run_id", "display_name", "state", "created_at", "finished_at")} for r in runs]
    )


def logs(
    run: RunId,
    step: Annotated[
        str,
        typer.Argument(help=f"One of {', '.join(STEPS)}; here, the one that failed or came last.", metavar="[STEP]"),
    ] = "",
    endpoint: EndpointOption = "",
    spec: OfSpec = None,
    overlay: Overlays = None,
) -> None:
    """Show what a step of a run wrote, on this machine or on Kubeflow."""
    store = store_of(spec, overlay)
    if step and step not in (*STEPS, *BESIDE):
        raise SpecError(f"{step}: no such step", next_step=f"choose one of {', '.join((*STEPS, *BESIDE))}")
    known = find_submitted(store.root, run) if run != LATEST or submitted(store.root) else None
    if not endpoint and known is None and has_run(store, run):
        show_log(store, run, step)
        return
    if not endpoint and run == LATEST and known is None:
        raise RaftopsError(f"no run yet in {store.root}", next_step="raftops run SPEC, or raftops submit SPEC")
    if not step:
        raise SpecError("which step of the run?", next_step=f"raftops logs {run} STEP: one of {', '.join(STEPS)}")
    server, run_id = _located(run, endpoint, spec, overlay)
    state = state_of(server.run(run_id), step)
    if not state.pods:
        why = {
            "skipped": "its result came from the cache",
            "waiting": "it has not started",
            "left out": "the run did not get there",
        }.get(state.status)
        message = f"{step} of run {run_id} has no log: {why or f'it is {state.status}'}"
        raise ClusterError(message, next_step=f"raftops status {run_id[:8]}")
    lost = [error for pod in state.pods if (error := _show_log(server, run_id, step, pod, len(state.pods) > 1))]
    if len(lost) == len(state.pods):
        raise lost[-1]
    for error in lost:
        screen.error(str(error), error.next_step)


def _show_log(server: Server, run_id: str, step: str, pod: str, named: bool) -> ClusterError | None:
    """Show what a pod wrote; the error where nobody has it any more, as of an earlier try whose pod is gone."""
    try:
        text = server.log(run_id, pod)
    except ClusterError as error:
        look = f"kubectl -n {server.endpoint.namespace or SINGLE_USER_NAMESPACE} logs {pod} -c main"
        return ClusterError(f"Kubeflow has no log of {pod}: {error}", next_step=look)
    if screen.json_output:
        screen.result({"run_id": run_id, "step": step, "pod": pod, "log": text})
    else:
        screen.raw(f"{pod}\n{text}" if named else text)
    return None


def cancel(
    run: RunId, endpoint: EndpointOption = "", spec: OfSpec = None, overlay: Overlays = None, dry_run: DryRun = False
) -> None:
    """End a run; what its finished steps made is kept."""
    server, run_id = _located(run, endpoint, spec, overlay)
    state = str(server.run(run_id).get("state"))
    if state in ENDED:
        screen.say(f"run {run_id} had already ended: {state}")
    elif dry_run:
        screen.say(f"run {run_id} is {state}; it would be canceled")
        screen.result({"run_id": run_id, "state": state, "event": "dry run"})
        return
    else:
        server.terminate(run_id)
        screen.say(f"run {run_id} is being canceled; finished steps are not redone by the next submit")
    screen.result({"run_id": run_id, "state": state if state in ENDED else "CANCELING"})


def _located(run: str, endpoint: str, spec: Path | None, overlay: list[Path] | None) -> tuple[Server, str]:
    """A run's server and its whole id."""
    noted = find_submitted(store_folder(load_spec(spec, overlay or ())) if spec else Path(Platform().store), run)
    server = _server(noted, endpoint, spec, overlay)
    return server, noted.run_id if noted else find(server, run)


def _server(noted: Submitted | None, endpoint: str, spec: Path | None, overlay: list[Path] | None) -> Server:
    """The server that is named, by option or spec; else the one that a run was submitted to; else the environment's."""
    section = load_spec(spec, overlay or ()).assistant.spec.platform.kubeflow if spec else Kubeflow()
    if noted and not endpoint and not section.endpoint:
        section = noted.section()
    return Server(endpoint_of(section, os.environ, endpoint))
