"""Watch a run on Kubeflow until it ends, and say why it failed. What a run's state means: `run_state.py`."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.kubeflow.client import Server, Unreachable
from pipelines.kubeflow.run_state import ENDED, StepState, error_of, state_of, steps_of
from pipelines.kubeflow.step_progress import (
    PodReason,
    Progress,
    StepProgress,
    last_marked,
    log_of,
    pending_reason,
    progress_of,
)
from pipelines.runs.events import Listener, reason_of
from pipelines.runs.record import StepRecord
from pipelines.wiring.steps import BESIDE
from raftops.cluster.pod_failures import cure_of
from raftops.errors import StepError
from raftops.progress import FAILURE, PROGRESS
from raftops.spec.model.base import STEPS, StepName

PATIENCE = 20
"""Polls in a row that a server may leave unanswered: the run does not depend on us."""
_PAINT = re.compile(r"\x1b\[[\d;]*m")


def watch(
    server: Server, run_id: str, listener: Listener, pause: float, reason: PodReason = lambda pod: ""
) -> dict[str, Any]:
    """Tell the listener how a run goes until it ends; the run as it ended. Polls every `pause` seconds.

    `reason` says what Kubernetes knows of a pod that is pending.
    """
    statuses: dict[StepName, str] = {}
    seen: dict[StepName, StepProgress] = {step: StepProgress() for step in STEPS}
    reported: dict[StepName, Progress] = {}
    missed = 0
    while True:
        try:
            run = server.run(run_id)
            missed = 0
        except Unreachable:
            missed += 1
            if missed > PATIENCE:
                raise
            time.sleep(pause)
            continue
        for step, state in steps_of(run).items():
            _report(step, state, statuses, listener)
            progress = progress_of(server, run, state, seen[step])
            if progress is None and (pending := pending_reason(state, reason)):
                progress = Progress(0, 1, f"waits: {pending}")
            if progress and reported.get(step) != progress:
                reported[step] = progress
                listener.progressed(step, progress.done, progress.total, progress.note)
        if run.get("state") in ENDED:
            return run
        time.sleep(pause)


def _report(step: StepName, state: StepState, statuses: dict[StepName, str], listener: Listener) -> None:
    """Tell the listener where the status of a step has changed; `statuses` are those that it knows."""
    before, status = statuses.get(step, "waiting"), state.status
    if before == status or status in ("waiting", "left out"):
        return
    statuses[step] = status
    record = StepRecord("", {}, "failed" if status == "canceled" else status, round(state.seconds, 1))
    if status == "skipped":
        listener.skipped(step, record)
        return
    if before == "waiting":
        listener.started(step)
    if status != "running":
        listener.finished(step, record)


def failure(server: Server, run: Mapping[str, Any], reason: PodReason = lambda pod: "") -> StepError | None:
    """Why a run did not succeed: step, reason, next step; None where it did.

    `reason` says what Kubernetes knows of a pod: exit code, or the event that kept it from starting.
    """
    run_state, run_id = str(run.get("state")), str(run.get("run_id"))
    if run_state in ("SUCCEEDED", "SKIPPED"):
        return None
    states = (state_of(run, task) for task in (*STEPS, *BESIDE))
    failed = next((state for state in states if state.status == "failed"), None)
    if failed is None and run_state == "CANCELED":
        return StepError(f"run {run_id} was canceled", next_step="raftops submit SPEC: finished steps are not redone")
    if failed is None:
        lines = [line for line in _PAINT.sub("", error_of(run)).splitlines() if line.strip()]
        why = reason_of(lines) if lines else "no step of ours failed; a driver pod or the workflow itself did"
        return StepError(f"run {run_id} failed: {why}", next_step=f"look at {server.page(run_id)}")
    if not failed.pods:
        return _step_failure(failed, [], "", run_id)
    last = failed.pods[-1]
    return _step_failure(failed, log_of(server, run_id, last).splitlines(), reason(last), run_id)


def _step_failure(failed: StepState, log: Sequence[str], pod_reason: str, run_id: str) -> StepError:
    read = f"raftops logs {run_id[:8]} {failed.step}"
    if reported := last_marked(log, FAILURE):
        return StepError(f"{failed.step}: {reported['message']}", next_step=str(reported["next"]) or read)
    last = reason_of([line for line in log if line.strip() and PROGRESS not in line]) if log else ""
    reasons = [reason for reason in (pod_reason, last, failed.error) if reason]
    if not reasons:
        step = "kubectl get events in the run's namespace tells more; Kubeflow keeps neither log nor reason"
        return StepError(f"{failed.step} failed and left no log: its pod may never have started", next_step=step)
    cure = cure_of(pod_reason, failed.step) if failed.step in STEPS else ""
    advice = f"{cure}; {read}" if cure and last else cure or read
    return StepError(f"{failed.step} failed: {'; '.join(dict.fromkeys(reasons))}", next_step=advice)
