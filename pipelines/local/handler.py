"""One handler for every task that KFP's local runner starts, whatever a task is: a process or a container.

KFP makes a handler for each task and asks it to `run` (`kfp.local.task_handler_interface.ITaskHandler`), so start and
end need no guessing, and each task has a state of its own. Which handler it makes is decided in
`kfp.local.task_dispatcher.run_single_task_implementation`, by a table inside that function: the only way in is the name
`subprocess_task_handler` in that module. It is replaced for the time of a run and nothing else of KFP is touched. Leans
on kfp 2.17.0 and 2.17.3, which are equal here; where a later one looks elsewhere, no step is heard and tests fail.

Tasks are shown by their step: a shard of ingest is ingest, a candidate of train is train, and only the task of that
name ends it.
"""

from __future__ import annotations

import io
import json
import signal
import sys
import threading
import time
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

from kfp import local
from kfp.local import task_dispatcher
from kfp.local.status import Status
from kfp.local.task_handler_interface import ITaskHandler

from pipelines.runs.events import Listener, marked, reason_of
from pipelines.runs.record import RunRecord
from pipelines.wiring.steps import BESIDE, HOLD, step_of
from raftops.errors import GateFailed, RaftopsError, StepError, explained
from raftops.progress import FAILURE, PROGRESS
from raftops.spec.model.base import StepName

LONGEST, QUOTED = 2**20, 2_000
"""Letters of a line that are listened to, the last ones, and those that a failure quotes; the log has them all."""
_SIGNALS = {int(signal.SIGKILL): "Killed", int(signal.SIGTERM): "Terminated"}
"""What a shell says of a process that ended so; not every shell says it."""


@dataclass(frozen=True)
class Ending:
    """How a task ended: well where the code is 0 and there is no message."""

    code: int
    message: str = ""
    """What a task that was ended by force cannot say itself."""
    next_step: str = ""


class Tasks:
    """The tasks of one run, and what they share."""

    def __init__(
        self, launch: Callable[[Handler], Ending], record: RunRecord, folder: Path, listener: Listener
    ) -> None:
        self.launch, self.record, self.folder, self.listener = launch, record, folder, listener
        self.stopped = threading.Event()
        """Set when the run is ended from outside: what is at work ends, and what waits is not started."""
        self.lock = threading.RLock()
        self.spent = dict[StepName, float]()
        """Seconds of work, by step: of its parts together."""
        self.latest: Handler | None = None
        self.error: StepError | None = None
        """The first failure: the end of a run comes after it, and does not hide it."""
        self._terminal = sys.stdout

    @contextmanager
    def under_kfp(self) -> Iterator[local.SubprocessRunner]:
        """The runner that KFP is given; until the block ends, its tasks are these."""
        before = task_dispatcher.subprocess_task_handler
        task_dispatcher.subprocess_task_handler = SimpleNamespace(SubprocessTaskHandler=partial(Handler, self))
        try:
            yield local.SubprocessRunner(use_venv=False)
        finally:
            task_dispatcher.subprocess_task_handler = before

    def tell(self, event: Callable[..., None], *values: Any) -> None:
        """Call the listener. While KFP runs, stdout is KFP's: what the listener prints goes where it did before."""
        with self.lock, redirect_stdout(self._terminal):
            event(*values)

    def failure(self, error: Exception) -> StepError:
        """Why a run failed, where KFP says no more than that it did."""
        if isinstance(error, OSError) and self.error is None:
            name, (message, advice) = self.latest.name if self.latest else "the run", explained(error)
            return StepError(f"{name} failed: {message}", next_step=advice or "raftops doctor")
        if self.latest is None:
            return StepError(f"KFP's local runner failed before the first step: {error}", next_step="raftops doctor")
        return self.error or self.latest.failed(str(error))


class Handler(ITaskHandler):
    """One task, from its start to its end: its log, its progress, its failure. KFP gives the arguments."""

    def __init__(
        self,
        tasks: Tasks,
        *,
        image: str,
        full_command: Sequence[str],
        env_vars: Mapping[str, str] | None = None,
        **_: object,
    ) -> None:
        given = json.loads(full_command[list(full_command).index("--executor_input") + 1])
        self.name = Path(given["outputs"]["outputFile"]).parent.name  # .../run/task/executor_output.json
        self.image, self.command, self.environment = image, full_command, env_vars or {}
        self.stopped = tasks.stopped
        self._tasks, self._step = tasks, step_of(self.name)
        self._state = tasks.record.steps[self._step] if self._step and self.name not in BESIDE else None
        # not where its step was skipped, but lacks what its shards once made, or failed by another part
        self._shown = self._state is not None and self._state.status == "waiting"
        self._path = tasks.folder / f"{self._step or self.name}.log"
        self._log: TextIO
        self._decoder = io.IncrementalNewlineDecoder(
            getincrementaldecoder("utf-8")("backslashreplace"), translate=True
        )  # a bar ends its lines by \r
        self._echo = set(json.dumps(given, indent=4).splitlines())
        """KFP's executor prints what it was given, on many lines: no words of the step."""
        self._line = ""
        self._said = deque[str](maxlen=200)
        self._failure: dict[str, Any] = {}
        self._made = {
            name: str(made["artifacts"][0]["uri"])
            for name, made in given["outputs"].get("artifacts", {}).items() if made.get("artifacts")
        }  # fmt: skip
        """Where its artifacts lie once it ended well, by name."""

    def run(self) -> Status:
        """Run it to its end. A failure is kept and not raised, so that KFP goes on to what records the run's end."""
        tasks, step, state = self._tasks, self._step, self._state
        if self.stopped.is_set():
            return Status.FAILURE  # KFP starts the shards that wait, although the run was ended
        began, error = time.monotonic(), None
        with _log(self._path) as self._log:
            self._log.write(f"{datetime.now():%H:%M:%S} task {self.name} started\n")
            with tasks.lock:
                tasks.latest = self
                if step and self._shown and step not in tasks.spent:
                    tasks.spent[step] = 0
                    tasks.tell(tasks.listener.started, step)
            try:
                ending = tasks.launch(self)
                self.hear(b"\n" if self._line else b"", last=True)
                error = self._error(ending)
            except StepError as problem:
                error = problem
            except OSError as problem:
                message, advice = explained(problem, str(self._path))
                error = StepError(f"{step or self.name} failed: {message}", next_step=advice or f"cat {self._path}")
            except RaftopsError as problem:
                error = self.failed(str(problem))
            with suppress(OSError):  # a full disk has no room for this line either
                self._log.write("\n" * bool(self._line) + f"{datetime.now():%H:%M:%S} task {self.name} ")
                self._log.write(f"ended: {error}\n" if error else "ended well\n")
        if self.stopped.is_set():
            return Status.FAILURE
        with tasks.lock:
            tasks.error = tasks.error or error
            if step and state:
                tasks.spent[step] = tasks.spent.get(step, 0) + time.monotonic() - began
                # only the task of the step's name ends it, but any part fails it, once
                if state.status != "failed" and (error or self.name == step):
                    state.status, state.seconds = "failed" if error else "done", round(tasks.spent[step], 2)
                    state.artifacts = {} if error else self._made
                    tasks.tell(tasks.listener.finished, step, state)
        return Status.FAILURE if error else Status.SUCCESS

    def hear(self, chunk: bytes, *, last: bool = False) -> None:
        """A piece of what it prints: all of it to the log, and each line that is whole now is listened to."""
        text = self._decoder.decode(chunk, last)
        self._log.write(text)
        self._log.flush()
        *lines, rest = (self._line + text).split("\n")
        self._line = rest[-LONGEST:]  # a mark may stand behind a bar that never ended its line
        for line in lines:
            if PROGRESS in line:
                match marked(line, PROGRESS):
                    case {"done": int(done), "total": int(total), "note": str(note)} if self._shown:
                        self._tasks.tell(self._tasks.listener.progressed, self._step, done, total, note)
            elif failure := marked(line, FAILURE):
                self._failure = failure
            elif line.strip() and line not in self._echo and "[KFP Executor " not in line:
                self._said.append(line.rstrip()[:QUOTED])

    def failed(self, reason: str) -> StepError:
        """A failure with nothing to go by but the log."""
        return StepError(f"{self._step or self.name} failed: {reason}", next_step=f"tail -n 30 {self._path}")

    def _error(self, ending: Ending) -> StepError | None:
        """What to tell the user: the step, why, and what next. By force comes first: the rest was said before it."""
        name = self._step or self.name
        if ending.message:
            return StepError(f"{name}: {ending.message}", next_step=ending.next_step)
        if ending.code == 0:
            return None
        if self._failure:
            advice = str(self._failure.get("next") or f"read the step's log: {self._path}")
            kind = GateFailed if self.name == HOLD else StepError
            return kind(f"{name}: {self._failure.get('message')}", next_step=advice)
        # above 128 it is a shell whose process was ended by a signal, below zero the shell itself
        if word := _SIGNALS.get(ending.code - 128 if ending.code > 128 else -ending.code):
            return self.failed(reason_of([word]))
        code = f"exit code {ending.code}"
        last = f"{self._said[-1]} ({code})" if self._said else f"it ended with {code}, without a message"
        return self.failed(reason_of([*self._said, last]))


@contextmanager
def _log(path: Path) -> Iterator[TextIO]:
    """A step's log. Closing one on a full disk fails again, of which the step's failure has told."""
    file = path.open("a", encoding="utf-8", errors="backslashreplace")
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()
