"""Who is admitted, and in which order; threads are real, the clock is told."""

import asyncio
import threading

import pytest

from raftops.service.live import Refused
from raftops.service.turns import Turns


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Gate:
    """Work that waits until it is let through, and then takes the seconds that it is told."""

    def __init__(self, clock):
        self.clock, self.order, self.turn = clock, [], threading.Semaphore(0)

    def work(self, name):
        def run():
            self.turn.acquire()
            self.order.append(name)
            return name

        return run


def queue(threads=1, seconds=30.0):
    clock = Clock()
    return Turns(threads, seconds, clock), Gate(clock), clock


def let_through(gate, turns, seconds=0.0, count=1):
    """Let questions end one after the other, each after some seconds of the told clock."""
    for _ in range(count):
        before = len(turns)
        gate.clock.now += seconds
        gate.turn.release()
        while len(turns) == before:
            pass


def refused(turns, principal="a"):
    with pytest.raises(Refused) as caught:
        turns.enter(principal, lambda: None)
    return caught.value


def test_callers_take_turns_whoever_came_first():
    turns, gate, _ = queue()
    for name in ("a1", "a2", "a3", "b1", "c1", "b2"):
        turns.enter(name[0], gate.work(name))
    let_through(gate, turns, count=6)
    assert gate.order == ["a1", "a2", "b1", "c1", "a3", "b2"]


def test_as_many_are_admitted_as_can_be_expected_to_be_answered_in_time():
    """At 3 s a question a deadline of 30 s, of which 7.5 may be expected to be waited for, has room for 2."""
    turns, gate, _ = queue()
    for _ in range(60):  # until the mean is what questions take
        turns.enter("a", gate.work("x"))
        let_through(gate, turns, 3)
    for _ in range(2):
        turns.enter("a", gate.work("x"))
    late = refused(turns)
    assert (late.status, late.code, len(turns)) == (429, "caller_busy", 2) and 1 <= late.retry_after <= 2
    let_through(gate, turns, 3)
    turns.enter("a", gate.work("x"))
    refused(turns)


def test_a_full_queue_of_one_caller_is_not_full_for_another():
    turns, gate, _ = queue()
    with pytest.raises(Refused, match="your questions"):
        for _ in range(100):
            turns.enter("a", gate.work("a"))
    for _ in range(3):
        turns.enter("b", gate.work("b"))
    let_through(gate, turns, count=len(turns))
    assert gate.order[:7].count("b") == 3, "in turns with the other"


def test_one_question_is_admitted_beside_a_full_queue_however_slow_the_engine_is():
    turns, gate, _ = queue(threads=2)
    for _ in range(60):
        turns.enter("a", gate.work("x"))
        let_through(gate, turns, 5)
    with pytest.raises(Refused, match="your questions"):
        for _ in range(100):
            turns.enter("a", gate.work("a"))
    turns.enter("b", gate.work("b"))
    assert refused(turns, "b").code in ("busy", "caller_busy")


def test_where_everybody_waits_a_newcomer_is_told_that_it_is_not_their_own_fault():
    turns, gate, _ = queue()
    with pytest.raises(Refused, match="at once") as caught:
        for caller in range(100):
            turns.enter(f"caller {caller}", gate.work("x"))
    assert caught.value.code == "busy"


def test_a_free_thread_always_admits_however_long_the_last_question_took():
    turns, gate, _ = queue()
    for _ in range(60):
        turns.enter("a", gate.work("x"))
        let_through(gate, turns, 29)
    turns.enter("a", gate.work("x"))
    assert refused(turns).retry_after > 20


def test_who_has_left_is_no_longer_in_the_queue_and_never_at_work():
    turns, gate, _ = queue()
    turns.enter("a", gate.work("a1"))
    left = turns.enter("a", gate.work("a2"))
    turns.enter("a", gate.work("a3"))
    turns.leave(left)
    turns.leave(left)
    assert len(turns) == 2 and left.stop.is_set()
    let_through(gate, turns, count=2)
    assert gate.order == ["a1", "a3"]


def test_a_question_whose_deadline_passed_in_the_queue_is_not_begun():
    turns, gate, clock = queue()
    turns.enter("a", gate.work("a1"))
    late = turns.enter("a", gate.work("a2"))
    clock.now += 31
    gate.turn.release()
    with pytest.raises(Refused, match="no answer within 30 s"):
        late.future.result(timeout=10)
    assert gate.order == ["a1"]


def test_what_the_work_gives_or_raises_is_what_the_caller_gets():
    turns = Turns(2, 5.0)

    async def both():
        return await turns.result(turns.enter("a", lambda: 7))

    assert asyncio.run(both()) == 7

    async def fails():
        await turns.result(turns.enter("a", lambda: [][0]))

    with pytest.raises(IndexError):
        asyncio.run(fails())


def test_a_timeout_of_the_work_itself_is_not_taken_for_the_deadline():
    turns = Turns(1, 5.0)

    def away():
        raise TimeoutError("a store")

    async def ask():
        await turns.result(turns.enter("a", away))

    with pytest.raises(TimeoutError, match="a store"):
        asyncio.run(ask())
