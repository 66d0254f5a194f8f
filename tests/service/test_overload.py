"""More questions than can be answered, callers that leave, dawdle and crowd: the app in process, a slow generator."""

import asyncio
import logging
import threading
import time
from collections import Counter

import pytest

from raftops.cancellation import Cancelled, check
from raftops.data.records import Generation
from raftops.service.app import create_app
from raftops.service.metrics import Metrics
from tests.retrieval.tiny import passage
from tests.service.asgi import call
from tests.service.doubles import Held, live

LEAVE = passage(1, "Employees in Norway get 27 days of leave.", "open", "Leave", "leave.md")


class Slow:
    """A generator that takes its time, one reply at a time, and looks between two tokens whether it is wanted."""

    def __init__(self, seconds, honours=True):
        self.seconds, self.honours = seconds, honours
        self.begun = self.finished = self.cancelled = 0
        self.turn, self.at_work, self.go_on = threading.Lock(), threading.Event(), threading.Event()

    def generate(self, messages, max_new_tokens):
        with self.turn:
            check()
            self.begun += 1
            self.at_work.set()
            end = time.monotonic() + self.seconds
            try:
                while time.monotonic() < end and not self.go_on.is_set():
                    time.sleep(0.005)
                    if self.honours:
                        check()
            except Cancelled:
                self.cancelled += 1
                raise
            self.finished += 1
            return Generation("27 days [1]", 100, 7)


class Service:
    """The app over a slow generator."""

    def __init__(self, seconds, timeout_seconds, honours=True, **more):
        self.model, self.metrics = Slow(seconds, honours), Metrics()
        self.app = create_app(Held(live([LEAVE], self.model)), self.metrics, timeout_seconds, **more)

    def value(self, name, **labels):
        return self.metrics.registry.get_sample_value(name, labels) or 0

    def counted(self, status, endpoint="chat"):
        return self.value("raftops_requests_total", endpoint=endpoint, status=str(status))

    async def idle(self):
        """Wait until nothing is in the queue; an hour's questions are not."""
        for _ in range(1000):
            if self.value("raftops_questions_in_queue") == 0:
                return True
            await asyncio.sleep(0.01)
        return False

    async def admitted(self, count):
        """Wait until a question is at the model, and this many are in the queue."""
        while not self.model.at_work.is_set() or self.value("raftops_questions_in_queue") < count:
            await asyncio.sleep(0.005)


def test_a_flood_is_refused_at_once_and_what_is_admitted_is_answered():
    service = Service(0.02, 2.0)

    async def flood():
        answers = await asyncio.gather(*(call(service.app) for _ in range(500)))
        after = await call(service.app)
        return answers, after, await service.idle()

    answers, after, idle = asyncio.run(flood())
    got = Counter(answer.status for answer in answers)
    assert set(got) <= {200, 429} and got[200] >= 1 and got[429] > 100, got
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.code in ("busy", "caller_busy") and int(refused.headers["retry-after"]) >= 1
    assert after.status == 200 and idle
    assert service.counted(200) == got[200] + 1 and service.counted(429) == got[429]


def test_past_its_deadline_a_question_is_answered_by_us_counted_and_no_longer_generated(caplog):
    caplog.set_level(logging.INFO)
    service = Service(60, 0.3)

    async def ask():
        answers = await asyncio.gather(call(service.app), call(service.app, "boss"))
        return answers, await service.idle()

    answers, idle = asyncio.run(ask())
    assert [answer.status for answer in answers] == [504, 504] and {answer.code for answer in answers} == {"timeout"}
    assert idle and service.model.cancelled == service.model.begun >= 1 and service.model.finished == 0
    assert service.counted(504) == 2 and "ERROR" not in caplog.text


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_who_hangs_up_takes_the_question_along(stream, caplog):
    service = Service(60, 30)

    async def leave():
        gone = asyncio.Event()
        asked = asyncio.create_task(call(service.app, gone=gone, stream=stream))
        await service.admitted(1)
        behind = [asyncio.Event() for _ in range(3)]
        waiting = [asyncio.create_task(call(service.app, gone=event, stream=stream)) for event in behind]
        await service.admitted(4)
        for event in [*behind, gone]:
            event.set()
        left = await asyncio.gather(asked, *waiting)
        service.model.go_on.set()
        return await service.idle(), (await call(service.app)).status, left

    idle, after, left = asyncio.run(leave())
    assert idle and after == 200
    assert {answer.status for answer in left} == {200 if stream else 499}, "whoever waits around us hears of the end"
    assert service.model.cancelled == 1 and service.model.begun == 2, "those in the queue were never begun"
    assert service.counted(499) == 4 and service.counted(500) == 0 and not caplog.records


def test_a_stream_that_takes_too_long_says_so_and_is_counted_as_what_it_was():
    service = Service(60, 0.3)
    answer = asyncio.run(call(service.app, stream=True))
    assert answer.status == 200 and b'"code": "timeout"' in answer.body and answer.body.endswith(b"data: [DONE]\n\n")
    assert service.counted(504) == 1 and service.counted(200) == 0


def test_a_caller_who_leaves_in_the_middle_of_the_body_is_no_error(caplog):
    service = Service(0, 30)

    async def leave():
        gone = asyncio.Event()
        asked = asyncio.create_task(call(service.app, body=b"{", gone=gone))
        await asyncio.sleep(0.05)
        gone.set()
        await asked

    asyncio.run(leave())
    assert service.counted(499) == 1 and not caplog.records


def test_slow_bodies_hold_no_place_in_the_queue_and_end(monkeypatch):
    monkeypatch.setattr("raftops.service.guard.Guard.body_seconds", 0.5)
    service = Service(0, 30)

    async def dawdle():
        slow = [asyncio.create_task(call(service.app, body=b"{")) for _ in range(40)]
        await asyncio.sleep(0.05)
        beside = await call(service.app, "boss")
        return beside, await asyncio.gather(*slow)

    beside, slow = asyncio.run(dawdle())
    assert beside.status == 200
    assert {(answer.status, answer.code) for answer in slow} <= {(408, "body_timeout")}
    assert all(answer.headers["connection"] == "close" for answer in slow)
    assert service.counted(408) == 40


def test_one_caller_with_forty_loops_leaves_room_for_another():
    service = Service(0.02, 2.0)

    async def crowd():
        done = asyncio.Event()

        async def loop():
            while not done.is_set():
                await call(service.app, "staff")
                await asyncio.sleep(0)

        loops = [asyncio.create_task(loop()) for _ in range(40)]
        await service.admitted(1)
        answers = [await call(service.app, "boss") for _ in range(8)]
        search = await call(service.app, "boss", path="/v1/search")
        done.set()
        await asyncio.gather(*loops)
        return answers, search

    answers, search = asyncio.run(crowd())
    assert [answer.status for answer in answers] == [200] * 8 and search.status == 200


def test_readiness_says_stuck_and_not_busy(monkeypatch):
    monkeypatch.setattr("raftops.service.turns.STUCK_SECONDS", 0.1)
    service = Service(60, 0.2, honours=False)

    async def hang():
        asked = asyncio.create_task(call(service.app))
        await service.admitted(1)
        busy = service.app.stuck
        await asked
        await asyncio.sleep(0.2)
        stuck, queue = service.app.stuck, service.value("raftops_questions_in_queue")
        service.model.go_on.set()
        return busy, stuck, queue, await service.idle(), service.app.stuck

    assert asyncio.run(hang()) == (False, True, 1, True, False)


def test_a_service_that_stops_refuses_what_is_new_and_ends_what_is_left_after_the_grace():
    service = Service(60, 30)

    async def stop():
        asked = [asyncio.create_task(call(service.app)) for _ in range(3)]
        await service.admitted(3)
        service.app.stop(0.2)
        late = await call(service.app)
        return late, await asyncio.gather(*asked), await service.idle()

    late, asked, idle = asyncio.run(stop())
    assert {(answer.status, answer.code) for answer in [late, *asked]} == {(503, "stopping")}
    assert idle and service.model.cancelled == 1 and service.counted(503) == 4


def test_a_service_that_stops_finishes_what_can_be_finished():
    service = Service(0.2, 30)

    async def stop():
        asked = [asyncio.create_task(call(service.app)) for _ in range(2)]
        await service.admitted(2)
        service.app.stop(30)
        return [answer.status for answer in await asyncio.gather(*asked)]

    assert asyncio.run(stop()) == [200, 200]
