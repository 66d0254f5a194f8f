"""How a step tells the outside how far it is and why it failed: marked JSON lines on stdout.

The local runner turns them into a progress bar and one-line errors; on a cluster they stand in the pod's log as they are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from raftops.errors import RaftopsError

PROGRESS = "raftops-progress "
FAILURE = "raftops-error "

P = ParamSpec("P")
T = TypeVar("T")


def progress(step: str, done: int, total: int, note: str = "") -> None:
    """Say how far a step is."""
    _emit(PROGRESS, {"step": step, "done": done, "total": total, "note": note})


def reported(step: Callable[P, T]) -> Callable[P, T]:
    """The same step, whose expected failures are also said as one marked line before they are raised."""

    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return step(*args, **kwargs)
        except RaftopsError as error:
            _emit(FAILURE, {"type": type(error).__name__, "message": str(error), "next": error.next_step})
            raise

    return run


def _emit(mark: str, value: dict[str, Any]) -> None:
    sys.stdout.write(mark + json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()
