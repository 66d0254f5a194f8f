"""Ending work that nobody waits for any more: the thread at work is told, and looks between its stages.

Whoever gives work to a thread does so inside `cancelled_by`; whoever does long work calls `check` before each stage, or
takes `watch()` along into an engine that calls back from a thread of its own. Without either nothing is ever cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event

from raftops.errors import RaftopsError

_stop: ContextVar[Event | None] = ContextVar("raftops_stop", default=None)


class Cancelled(RaftopsError):
    """The work is not wanted any more. Never an answer: whoever waited has gone or was told already."""

    def __init__(self) -> None:
        super().__init__("cancelled: nobody waits for this any more")


@contextmanager
def cancelled_by(stop: Event) -> Iterator[None]:
    """What is done in the block, in this thread, ends at its next `check` once `stop` is set."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def watch() -> Callable[[], bool]:
    """Whether this thread's work is cancelled, as a question that any thread may ask."""
    stop = _stop.get()
    return stop.is_set if stop else lambda: False


def check() -> None:
    """Raise `Cancelled` where this thread's work is not wanted any more."""
    if watch()():
        raise Cancelled
