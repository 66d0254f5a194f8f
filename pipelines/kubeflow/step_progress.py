"""How far a running step is: by the logs of its one pod, or of its parts (shards, candidates) side by side; and what
keeps a pending pod from starting, where Kubernetes can be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.kubeflow.client import Server
from pipelines.kubeflow.run_state import StepState, part_count
from pipelines.runs.events import marked
from raftops.errors import ClusterError
from raftops.progress import PROGRESS

READ = 8
"""Logs of one step that are read at a look: each is read whole."""
NAMED = 3
"""Parts whose own notes are shown."""
ASKED = 3
"""Pods of a step that Kubernetes is asked about at a look: where it cannot be reached, each costs seconds."""
PodReason = Callable[[str], str]
"""From a pod's name to what Kubernetes knows of it: why it failed, or is pending; empty where nobody can tell."""


@dataclass(frozen=True)
class Progress:
    """How far a step is: sums over its parts, and the notes of those that run."""

    done: int
    total: int
    note: str


@dataclass
class StepProgress:
    """The last progress of each pod of one step. A pod that succeeded counts in full, one that failed not at all."""

    rows: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """By pod: done, total, note."""

    def look(self, states: Mapping[str, str], expected: int, read: Callable[[str], str]) -> Progress | None:
        """Read the logs of the running pods; None where none of them says how far it is.

        `states`: of each pod; `expected`: parts that the step has in all, zero where it has none or nobody knows.
        """
        running = [pod for pod, state in states.items() if state == "RUNNING"]
        for pod in running[:READ]:
            if last := last_marked(read(pod).splitlines(), PROGRESS):
                self.rows[pod] = int(last["done"]), int(last["total"]), str(last["note"])
        counted = {pod: row for pod, row in self.rows.items() if states.get(pod) != "FAILED"}
        rows = [counted[pod] for pod in running if pod in counted]
        if not rows:
            return None
        total = sum(row[1] for row in counted.values())
        done = total - sum(row[1] - row[0] for row in rows)
        if max(expected, len(counted)) == 1:
            return Progress(done, total, rows[0][2])
        ended = [pod for pod, state in states.items() if state in ("SUCCEEDED", "SKIPPED")]
        # Such as "1 of 3 done; brisk loss 2.1 (4/9); gentle loss 1.9 (3/9)".
        notes = [f"{note} ({done}/{total})".strip() for done, total, note in rows[:NAMED]]
        notes += [f"{len(running) - len(notes)} more at work"] if len(running) > len(notes) else []
        if expected:
            notes.insert(0, f"{min(len(ended), expected)} of {expected} done")
        # Parts that said nothing yet are taken to be as large as the others; cached ones are no work left.
        pending = max(0, expected - len(counted.keys() | set(ended)))
        return Progress(done, total + pending * total // len(counted), "; ".join(notes))


def progress_of(server: Server, run: Mapping[str, Any], state: StepState, seen: StepProgress) -> Progress | None:
    """How far a running step is, by the logs of its pods; `seen` remembers what they said."""
    if state.status != "running":
        return None
    run_id = str(run.get("run_id"))
    return seen.look(state.states, part_count(run, state.step), lambda pod: log_of(server, run_id, pod))


def pending_reason(state: StepState, reason: PodReason) -> str:
    """What keeps a pod of a running step from starting, where Kubernetes tells; else empty."""
    pending = [pod for pod, at in state.states.items() if at == "PENDING"] if state.status == "running" else []
    return next(filter(None, map(reason, pending[:ASKED])), "")


def log_of(server: Server, run_id: str, pod: str) -> str:
    """The log of a pod; empty where it cannot be had."""
    try:
        return server.log(run_id, pod)
    except ClusterError:
        return ""


def last_marked(lines: Sequence[str], mark: str) -> dict[str, Any]:
    """The object of the last marked line of a log; empty where there is none."""
    return next(filter(None, (marked(line, mark) for line in reversed(lines))), {})
