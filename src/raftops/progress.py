"""How a step tells the outside how far it is and why it failed: marked JSON lines on stdout.

The local runner turns them into a progress bar and one-line errors; on a cluster they stand in the pod's log as they
are.
"""

from __future__ import annotations

import gc
import json
import os
import select
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from raftops.errors import RaftopsError, explained

PROGRESS = "raftops-progress "
FAILURE = "raftops-error "

P = ParamSpec("P")
T = TypeVar("T")


def progress(step: str, done: int, total: int, note: str = "") -> None:
    """Say how far a step is."""
    _emit(PROGRESS, {"step": step, "done": done, "total": total, "note": note})


def reported(step: Callable[P, T]) -> Callable[P, T]:
    """The same step: an expected failure, and one of the system, is also said as a marked line.

    It ends when its run is killed.
    """

    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        _end_with_reader(sys.__stdout__.fileno() if sys.__stdout__ else 1)
        gc.freeze()  # what was imported stays: going through it for garbage took 3 of a small training's 46 seconds
        try:
            return step(*args, **kwargs)
        except RaftopsError as error:
            _emit(FAILURE, {"type": type(error).__name__, "message": str(error), "next": error.next_step})
            raise
        except OSError as error:
            message, advice = explained(error)
            with suppress(OSError):  # stdout may be what fails
                _emit(FAILURE, {"type": type(error).__name__, "message": message, "next": advice})
            raise

    return run


def _emit(mark: str, value: dict[str, Any]) -> None:
    sys.stdout.write(mark + json.dumps(value) + "\n")
    sys.stdout.flush()


def _end_with_reader(out: int) -> None:
    """Where stdout is a pipe, end this process when its reader is gone: a killed run leaves no step working on."""
    if stat.S_ISFIFO(os.fstat(out).st_mode):
        Thread(target=_wait_for_end, args=(out,), daemon=True).start()


def _wait_for_end(pipe: int) -> None:
    ends = select.poll()
    ends.register(pipe, 0)  # no event asked for: a closed reader is always told
    ends.poll()
    os._exit(1)
