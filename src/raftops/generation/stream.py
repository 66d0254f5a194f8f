"""Pieces of text from an engine that calls back: a thread, a queue, and a way to stop. Knows no engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Event, Thread

Emit = Callable[[str], bool]
"""Takes a piece; true says that nobody listens any more and the engine should stop."""


def pieces(produce: Callable[[Emit], None]) -> Iterator[str]:
    """What `produce` emits, as it comes; closing the iterator stops it, its error is raised here."""
    queue: SimpleQueue[str | BaseException | None] = SimpleQueue()
    cancelled = Event()

    def emit(piece: str) -> bool:
        if piece:
            queue.put(piece)
        return cancelled.is_set()

    def run() -> None:
        try:
            produce(emit)
            queue.put(None)
        except BaseException as error:  # noqa: BLE001  handed to the reader, who raises it
            queue.put(error)

    thread = Thread(target=run, name="generation", daemon=True)
    thread.start()
    try:
        while (piece := queue.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        cancelled.set()
        thread.join()
