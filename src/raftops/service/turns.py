"""Who is answered next: a fair queue before a few threads. No HTTP, no models.

A question is admitted where it can be expected to be answered before its deadline, by what the last ones took; callers
take turns, so that a long queue of one of them makes nobody else wait. Past its deadline, or when its caller has gone,
a question leaves the queue, and the work on it is told to end.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any, Generic, TypeVar

from raftops.cancellation import cancelled_by
from raftops.service.live import Refused

FIRST, MORE = 0.8, 1 / 4
"""Share of the deadline that the expected wait may fill: of a caller's only question in the queue, and of one more.
A longer queue answers nobody sooner, and some too late: with 0.8 for all a rush was felt for 19 s after its end, and 2
of 76 that were admitted met the deadline; with a quarter for 9 s (`benchmarks/load.py`). But a caller with one question
is not refused because another has many, however slow the engine is."""
FIRST_GUESS = 1 / 30
"""Of the deadline a question takes, until one was answered."""
SLOWER, QUICKER = 0.3, 0.03
"""Weight of the newest question in the mean where it took longer, or less long. Questions come in kinds: after some
that need no model, each in milliseconds, a burst of those that do would be let in whole, and most would be too late."""
WAITING = 512
"""Most questions in the queue, however fast they go: each holds its text."""
STUCK_SECONDS = 5.0
"""So long after its deadline a question that was told to end may still be in the engine, which looks between tokens."""

T = TypeVar("T")


@dataclass(eq=False)
class Turn(Generic[T]):
    """A question in the queue, or at work."""

    principal: str
    work: Callable[[], T]
    deadline: float
    future: Future[T] = field(default_factory=Future)
    stop: Event = field(default_factory=Event)


class Turns:
    """A queue for one kind of work."""

    def __init__(self, threads: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is what a question may take, waiting included."""
        self.seconds = seconds
        self._threads, self._clock = threads, clock
        self._lock = Lock()
        self._waiting: OrderedDict[str, deque[Turn[Any]]] = OrderedDict()
        self._at_work: set[Turn[Any]] = set()
        self._pace = FIRST_GUESS * seconds
        self._since = 0.0
        self._closed = False

    def __len__(self) -> int:
        """Questions waiting and at work; what was abandoned counts until the engine has let it go."""
        with self._lock:
            return sum(map(len, self._waiting.values())) + len(self._at_work)

    @property
    def stuck(self) -> bool:
        """Whether the engine holds a question that it should have let go."""
        with self._lock:
            now = self._clock()
            return any(now > turn.deadline + STUCK_SECONDS for turn in self._at_work)

    def enter(self, principal: str, work: Callable[[], T]) -> Turn[T]:
        """Take a place in the queue. The caller awaits `result` and calls `leave` in any case.

        Raises:
            Refused: it could not be answered in time (429), or the service is being stopped (503).
        """
        with self._lock:
            if self._closed:
                raise _stopping()
            self._admit(principal)
            turn = Turn(principal, work, self._clock() + self.seconds)
            self._waiting.setdefault(principal, deque()).append(turn)
            self._start()
        return turn

    def _admit(self, principal: str) -> None:
        waiting = sum(map(len, self._waiting.values()))
        mine = len(self._waiting.get(principal, ()))
        others = sum(min(len(queue), mine + 1) for who, queue in self._waiting.items() if who != principal)
        ahead = len(self._at_work) + mine + others
        at_once = not waiting and len(self._at_work) < self._threads  # or one long question would close the service
        late = 0.0 if at_once else (ahead + 1) * self._pace - (MORE if mine else FIRST) * self.seconds
        if late > 0 or waiting >= WAITING:
            again = max(1, math.ceil(late))
            if mine > others:
                raise Refused(429, "caller_busy", "too many of your questions are waiting", retry_after=again)
            raise Refused(429, "busy", "too many questions at once; try again in a moment", retry_after=again)

    async def result(self, turn: Turn[T]) -> T:
        """What the work gave. At the deadline it is given up.

        Raises:
            Refused: the deadline has passed (504), or the service was stopped (503).
        """
        try:
            async with asyncio.timeout(max(0.0, turn.deadline - self._clock())) as limit:
                return await asyncio.wrap_future(turn.future)
        except TimeoutError:
            if limit.expired():
                raise self._late() from None
            raise
        finally:
            self.leave(turn)

    def _late(self) -> Refused:
        return Refused(504, "timeout", f"there was no answer within {self.seconds:g} s")

    def leave(self, turn: Turn[Any]) -> None:
        """Nobody waits for this one any more: out of the queue, and the work on it ends. Harmless when it is done."""
        turn.stop.set()
        with self._lock:
            queue = self._waiting.get(turn.principal)
            if queue and turn in queue:
                queue.remove(turn)
                turn.future.cancel()
                if not queue:
                    del self._waiting[turn.principal]

    def close(self, grace_seconds: float) -> None:
        """Admit nobody more; after the grace what is left is told to end. No lock: a signal's handler may call it."""
        self._closed = True
        Thread(target=self._end, args=(grace_seconds,), name="raftops-stopping", daemon=True).start()

    def _end(self, grace_seconds: float) -> None:
        end = self._clock() + grace_seconds
        while len(self) and self._clock() < end:
            time.sleep(0.05)
        with self._lock:
            left = [*self._at_work, *(turn for queue in self._waiting.values() for turn in queue)]
            self._waiting.clear()
            for turn in left:
                turn.stop.set()
                if turn not in self._at_work:
                    turn.future.set_exception(_stopping())

    def _start(self) -> None:
        """A thread more, where one is free; it goes on to the next question while there is one."""
        if len(self._at_work) < self._threads and (turn := self._take()):
            Thread(target=self._work, args=(turn,), name="raftops-question", daemon=True).start()

    def _take(self) -> Turn[Any] | None:
        """The next question, of the caller whose turn it is."""
        while self._waiting:
            principal, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[principal] = queue  # behind the others
            if turn.stop.is_set() or not turn.future.set_running_or_notify_cancel():
                continue
            if self._clock() >= turn.deadline:
                turn.future.set_exception(self._late())
                continue
            if not self._at_work:
                self._since = self._clock()
            self._at_work.add(turn)
            return turn
        return None

    def _work(self, first: Turn[Any]) -> None:
        turn: Turn[Any] | None = first
        while turn:
            answer: Any = None
            failure: BaseException | None = None
            try:
                with cancelled_by(turn.stop):
                    answer = turn.work()
            except BaseException as error:  # noqa: BLE001  handed to whoever waits, who raises it
                failure = error
            with self._lock:
                now = self._clock()
                self._at_work.remove(turn)
                # what was abandoned says nothing of how long a question takes, unless it took all the time there is
                if not turn.stop.is_set() or now >= turn.deadline:
                    took = now - self._since
                    self._pace += (took - self._pace) * (SLOWER if took > self._pace else QUICKER)
                self._since = now
                following = None if len(self._at_work) >= self._threads else self._take()
            if failure is None:
                turn.future.set_result(answer)
            else:
                turn.future.set_exception(_stopping() if turn.stop.is_set() else failure)
            turn = following


def _stopping() -> Refused:
    return Refused(503, "stopping", "the service is being stopped; try again in a moment")
