"""Runs of the stand-in: their states over time as Argo's nodes say them, moved on by a script or by an execution."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Protocol

from tests.standin.rules import Template

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
NEVER = "0001-01-01T00:00:00Z"
"""What the server says where a time is not there yet: Go's zero time."""
_PAINT = re.compile(r"\x1b\[\d+m|'")
"""Colours and quotes around names."""
_STARTED = re.compile(r"^\d\d:\d\d:\d\d\.\d+ - INFO - Executing task ([\w-]+)")
_CACHED = re.compile(r"^\d\d:\d\d:\d\d\.\d+ - INFO - Task ([\w-]+) cache hit")
_FINISHED = re.compile(r"^\d\d:\d\d:\d\d\.\d+ - \w+ - Task ([\w-]+) finished with status (SUCCESS|FAILURE)")


def now() -> str:
    """The present time as the server writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Task:
    """One task of a run: its driver pod and its own pod."""

    name: str
    hash: str
    state: str = ""
    """Of the task: empty before its driver starts; a task of a failed run that never started is SKIPPED."""
    cached: bool = False
    started: str = NEVER
    ended: str = NEVER
    log: list[str] = field(default_factory=list)

    def move(self, state: str, cached: bool = False) -> None:
        """Into another state, at this moment."""
        if self.started == NEVER and state != "SKIPPED":
            self.started = now()
        if state in ENDED:
            self.ended = now()
        self.state, self.cached = state, cached


@dataclass
class Run:
    """One run."""

    body: dict[str, Any]
    template: Template
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: str = field(default_factory=now)
    finished: str = "1970-01-01T00:00:00Z"
    state: str = "PENDING"
    error: str = ""
    storage_state: str = "AVAILABLE"
    history: list[dict[str, str]] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    lock: Any = field(default_factory=Lock)
    execution: Execution | None = None

    def __post_init__(self) -> None:
        self.workflow = f"{self.template.spec.pipeline_info.name}-{self.run_id[:5]}"
        self.components = dict(self.template.tasks())
        self.tasks = {name: Task(name, str(abs(hash((self.run_id, name))) % 10**10)) for name in self.components}
        self.move("PENDING")

    def move(self, state: str, error: str = "") -> None:
        """Into another state, at this moment."""
        self.state, self.error = state, error
        if state in ENDED:
            self.finished = now()
        self.history.append({"update_time": now(), "state": state})

    def task_of(self, component: str) -> Task | None:
        """The task that runs a component: KFP's local runner names components only."""
        return next((self.tasks[name] for name, of in self.components.items() if component in (of, name)), None)

    def pod(self, task: Task) -> str:
        """Name of the pod that does a task's work (Argo 3.4 and later: workflow, template, hash)."""
        return f"{self.workflow}-system-container-impl-{task.hash}"

    def as_json(self) -> dict[str, Any]:
        """The run as the server answers it."""
        with self.lock:
            answer = {
                name: self.body[name]
                for name in ("experiment_id", "display_name", "description", "service_account", "runtime_config",
                             "pipeline_version_reference", "pipeline_spec")
                if self.body.get(name)
            }  # fmt: skip
            answer |= {
                "run_id": self.run_id, "storage_state": self.storage_state, "created_at": self.created,
                "scheduled_at": self.created, "finished_at": self.finished, "state": self.state,
                "state_history": list(self.history), "run_details": {"task_details": self._details()},
            }  # fmt: skip
            return answer | ({"error": {"code": 2, "message": self.error}} if self.error else {})

    def _details(self) -> list[dict[str, Any]]:
        """Argo's nodes: for each task its driver, the task itself, and the executor below it."""
        if self.state == "PENDING":
            return []
        rows = [self._node(self.workflow, "root", self.state, self.created, self.finished)]
        rows.append(self._node(f"{self.workflow}-1", "root-driver", "SUCCEEDED", self.created, self.created))
        for task in self.tasks.values():
            if not task.state:
                continue
            below = f"{self.workflow}-{task.hash}"
            rows.append(self._node(f"{below}-t", task.name, task.state, task.started, task.ended, [below]))
            if task.state == "SKIPPED":
                continue
            pod = f"{self.workflow}-system-container-driver-{task.hash}"
            rows.append(self._node(pod, f"{task.name}-driver", "SUCCEEDED", task.started, task.started))
            state = "SKIPPED" if task.cached else task.state
            rows.append(self._node(self.pod(task), "executor", state, task.started, task.ended))
        return rows

    def _node(
        self, pod: str, name: str, state: str, started: str, ended: str, children: Sequence[str] = ()
    ) -> dict[str, Any]:
        return {
            "run_id": self.run_id, "task_id": str(uuid.uuid5(uuid.NAMESPACE_OID, pod)), "display_name": name,
            "create_time": self.created, "start_time": started, "end_time": ended, "state": state, "pod_name": pod,
            "state_history": [{"update_time": started, "state": state}],
            "child_tasks": [{"pod_name": child} for child in children],
        }  # fmt: skip


class Execution(Protocol):
    """What moves a run on."""

    def looked_at(self) -> None:
        """Somebody asks for the run's state."""

    def stop(self) -> None:
        """End it."""


Start = Callable[[Run], Execution]


class Scripted:
    """Moves a run on by one frame each time that somebody looks.

    A frame names the states of tasks, and `run` for that of the run: `{"validate": "RUNNING"}`,
    `{"ingest": "CACHED"}`, `{"train": "FAILED", "run": "FAILED"}`. `logs` are what the tasks' pods wrote.
    """

    def __init__(self, run: Run, frames: Sequence[dict[str, str]], logs: dict[str, str] | None = None) -> None:
        self._run, self._frames = run, list(frames)
        for name, text in (logs or {}).items():
            run.tasks[name].log = text.splitlines()

    def looked_at(self) -> None:
        """One frame on."""
        with self._run.lock:
            if self._run.state not in ENDED and self._frames:
                for name, state in self._frames.pop(0).items():
                    if name == "run":
                        self._run.move(state)
                    else:
                        self._run.tasks[name].move("SUCCEEDED" if state == "CACHED" else state, state == "CACHED")

    def stop(self) -> None:
        """Canceled at once."""
        self._frames = [{"run": "CANCELED"}]


def scripted(*frames: dict[str, str], logs: dict[str, str] | None = None) -> Start:
    """Runs that follow a script."""
    return lambda run: Scripted(run, frames, logs)


class Local:
    """Runs a pipeline for real, by KFP's local runner in another process."""

    def __init__(self, run: Run, project: Path, root: Path) -> None:
        self._run = run
        folder = root / "runs" / run.run_id
        folder.mkdir(parents=True)
        pipeline = folder / "pipeline.yaml"
        pipeline.write_text(run.template.text(), encoding="utf-8")
        parameters = json.dumps((run.body.get("runtime_config") or {}).get("parameters") or {})
        program = str(Path(__file__).with_name("execute.py"))
        paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", program, str(pipeline), str(root), parameters], cwd=project,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, errors="replace",
            env={**os.environ, "PATH": paths, "PYTHONUNBUFFERED": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        )  # fmt: skip
        Thread(target=self._follow, daemon=True).start()

    def looked_at(self) -> None:
        """It moves by itself."""

    def stop(self) -> None:
        """The process and the steps that it started."""
        with self._run.lock:
            self._run.move("CANCELING")
        os.killpg(self._process.pid, signal.SIGKILL)

    def _follow(self) -> None:
        current: Task | None = None
        said: list[str] = []
        with self._run.lock:
            self._run.move("RUNNING")
        for line in self._process.stdout or ():
            said.append(line.rstrip("\n"))
            with self._run.lock:
                current = self._take(line.rstrip("\n"), current)
        code = self._process.wait()
        with self._run.lock:
            self._end(code, said)

    def _take(self, line: str, current: Task | None) -> Task | None:
        plain = _PAINT.sub("", line)
        if match := _CACHED.match(plain):
            if task := self._run.task_of(match[1]):
                task.move("SUCCEEDED", cached=True)
        elif match := _STARTED.match(plain):
            current = self._run.task_of(match[1])
            if current:
                current.move("RUNNING")
        elif match := _FINISHED.match(plain):
            if task := self._run.task_of(match[1]):
                task.move("SUCCEEDED" if match[2] == "SUCCESS" else "FAILED")
        elif current and line.startswith("    "):
            current.log.append(line.removeprefix("    "))
        return current

    def _end(self, code: int, said: list[str]) -> None:
        if self._run.state == "CANCELING":
            self._run.move("CANCELED")
        else:
            self._run.move("FAILED" if code else "SUCCEEDED", "\n".join(said[-5:]) if code else "")
        for task in self._run.tasks.values():
            if task.state in ("", "RUNNING"):
                task.move("SKIPPED" if not task.state else self._run.state)


def locally(project: Path, root: Path) -> Start:
    """Runs that are really executed, with `project` as working directory and their results below `root`."""
    return lambda run: Local(run, project, root)


def node(name: str, state: str, pod: str, *children: str, start: str = "2026-01-01T00:00:00Z", end: str = "") -> Any:
    """One task as a run's details name it."""
    below = [{"pod_name": child} for child in children]
    end = end or ("0001-01-01T00:00:00Z" if state == "RUNNING" else "2026-01-01T00:01:30Z")
    return {"display_name": name, "state": state, "pod_name": pod, "child_tasks": below, "start_time": start,
            "end_time": end}  # fmt: skip
