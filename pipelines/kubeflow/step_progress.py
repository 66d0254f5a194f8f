"""How far a step is, from what its pods say: one pod, or the parts of a step (shards, candidates) side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.runs.events import marked
from pipelines.wiring.steps import PARTS
from raftops.progress import PROGRESS

READ = 8
"""Logs of one step that are read at a look: each is read whole."""
NAMED = 3
"""Parts whose own words are shown."""


@dataclass(frozen=True)
class Far:
    """How far a step is: sums over its parts, and what those at work say."""

    done: int
    total: int
    note: str


@dataclass
class Parts:
    """What the pods of one step said so far. A pod that ended well counts in full, one that failed not at all."""

    said: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """By pod: done, total, note."""

    def look(self, states: Mapping[str, str], expected: int, read: Callable[[str], str]) -> Far | None:
        """Ask the pods at work; None where none of them says how far it is.

        `states`: of each pod; `expected`: parts that the step has in all, zero where it has none or nobody knows.
        """
        working = [pod for pod, state in states.items() if state == "RUNNING"]
        for pod in working[:READ]:
            if last := _last(read(pod)):
                self.said[pod] = last
        said = {pod: row for pod, row in self.said.items() if states.get(pod) != "FAILED"}
        at_work = [said[pod] for pod in working if pod in said]
        if not at_work:
            return None
        ended = [pod for pod, state in states.items() if state in ("SUCCEEDED", "SKIPPED")]
        total = sum(row[1] for row in said.values())
        done = total - sum(row[1] - row[0] for row in at_work)
        if max(expected, len(said)) == 1:
            return Far(done, total, at_work[0][2])
        waiting = max(0, expected - len(said.keys() | set(ended)))
        note = _side_by_side(at_work, len(working), min(len(ended), expected), expected)
        return Far(done, total + waiting * total // len(said), note)


def _side_by_side(rows: list[tuple[int, int, str]], working: int, ended: int, expected: int) -> str:
    """Such as "1 of 3 done; brisk loss 2.1 (4/9); gentle loss 1.9 (3/9)"."""
    told = [f"{note} ({done}/{total})".strip() for done, total, note in rows[:NAMED]]
    told += [f"{working - len(told)} more at work"] if working > len(told) else []
    return "; ".join([f"{ended} of {expected} done", *told] if expected else told)


def _last(log: str) -> tuple[int, int, str] | None:
    """The last marked line of a log."""
    for line in reversed(log.splitlines()):
        if said := marked(line, PROGRESS):
            return int(said["done"]), int(said["total"]), str(said["note"])
    return None


def parts_of(run: Mapping[str, Any], step: str) -> int:
    """Shards or candidates that a step of a run has by its pipeline; zero where it has none, or nobody knows."""
    given = run.get("pipeline_spec") or {}
    pipeline = given.get("pipeline_spec") or given
    components = pipeline.get("components") or {}
    for dag in (pipeline.get("root") or {}, *components.values()):
        for task in _tasks(dag).values():
            items = ((task.get("parameterIterator") or {}).get("items") or {}).get("raw")
            inner = components.get((task.get("componentRef") or {}).get("name")) or {}
            if items and set(PARTS.get(step, ())) & set(_tasks(inner)):
                return len(json.loads(items))
    return 0


def _tasks(component: Mapping[str, Any]) -> Mapping[str, Any]:
    return (component.get("dag") or {}).get("tasks") or {}
