"""The outermost ring of HTTP: bounds what comes in, counts it, and lets no exception's text out.

What nobody waits for any more ends with its caller. Pure ASGI, so that it also stands before the parsing of a body.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import ExitStack
from typing import Any

from raftops.service.live import Refused
from raftops.service.metrics import Metrics
from raftops.service.turns import Turns

BODY_BYTES = 1024 * 1024
"""A long conversation whole; what is read of it is bounded in `wire.py`."""
BODY_SECONDS = 10.0
"""Longest time for the whole body: until then it holds a connection and no place in a queue."""
AT_ONCE = 1000
"""Requests in this process, however little each of them does yet."""
GONE = 499
"""Counted where the caller hung up: nginx's number, for which HTTP has none."""
ENDPOINTS = {"/v1/chat/completions": "chat", "/v1/search": "search", "/v1/models": "models"}

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
log = logging.getLogger("raftops.service")


class Guard:
    """An ASGI app around another.

    In a request's `state` it leaves `closing`, an `ExitStack` that ends with the request, and it takes from there
    `outcome`: the status to count where it is not the one that was sent, as for a stream that fails in its middle.
    """

    at_once, body_seconds = AT_ONCE, BODY_SECONDS

    def __init__(self, app: App, metrics: Metrics, queues: Sequence[Turns] = ()) -> None:
        """`queues` are those that the app's questions wait in."""
        self._app, self._metrics, self._queues = app, metrics, queues
        self._requests = 0

    @property
    def stuck(self) -> bool:
        """Whether an engine holds a question long after its deadline: what waits behind it is not answered either."""
        return any(queue.stuck for queue in self._queues)

    def stop(self, grace_seconds: float) -> None:
        """Admit nobody more, and end after the grace what was admitted."""
        for queue in self._queues:
            queue.close(grace_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        endpoint, sent, started = ENDPOINTS.get(scope["path"]), _Sent(send), time.perf_counter()
        state = scope.setdefault("state", {})
        self._requests += 1
        try:
            if endpoint and self._requests > self.at_once:
                raise Refused(503, "overloaded", "too many connections at once; try again in a moment")
            await self._while_wanted(scope, receive, sent)
        except Refused as refused:
            await _refuse(sent, refused)
        except asyncio.CancelledError:  # from outside: the process ends
            state["outcome"] = 503
            raise
        except Exception as error:  # whatever it is, its text may hold a document or a question: it goes nowhere
            log.error("request failed: %s", _where(error))
            if not sent.status:
                await _refuse(sent, Refused(500, "internal_error", "something went wrong here; the log says where"))
            elif not sent.ended:
                await sent({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._requests -= 1
            if endpoint:
                self._metrics.requests.labels(endpoint, str(state.get("outcome", sent.status))).inc()
                self._metrics.latency.labels(endpoint).observe(time.perf_counter() - started)

    async def _while_wanted(self, scope: Scope, receive: Receive, sent: _Sent) -> None:
        """Let the app answer for as long as the caller is there."""
        body = _Body(scope, receive, self.body_seconds)
        answer = asyncio.ensure_future(self._app(scope, body.next_part, sent))
        gone = asyncio.ensure_future(body.gone.wait())
        with ExitStack() as closing:
            scope["state"]["closing"] = closing
            try:
                await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
                if answer.done():
                    answer.result()
            finally:
                tasks = [answer, gone, *([body.watcher] if body.watcher else [])]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if body.gone.is_set() and not sent.ended:
            scope["state"]["outcome"] = GONE
            if not sent.status:  # for nobody, but BentoML's own timeout would wait for it
                raise Refused(GONE, "gone", "the caller has hung up")


class _Sent:
    """What goes out, and how far it is."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status, self.ended = 0, False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.ended = not message.get("more_body", False)
        await self._send(message)


class _Body:
    """What comes in: bounded in bytes, by the announced length at once, and in time; then, whether the caller stays."""

    def __init__(self, scope: Scope, receive: Receive, seconds: float) -> None:
        self._receive, self._left = receive, BODY_BYTES
        self._end = asyncio.get_running_loop().time() + seconds
        self.gone = asyncio.Event()
        """The caller has hung up."""
        self.watcher: asyncio.Task[None] | None = None
        """Waits for that, once the body is there."""
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or len(announced) > 20 or int(announced) > BODY_BYTES:
            raise self._too_large()

    def _too_large(self) -> Refused:
        return Refused(413, "body_too_large", f"a body has at most {BODY_BYTES} bytes")

    async def next_part(self) -> MutableMapping[str, Any]:
        """What the app receives."""
        if self.watcher:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        try:
            async with asyncio.timeout_at(self._end):
                message = await self._receive()
        except TimeoutError:
            raise Refused(408, "body_timeout", "the body did not come in time") from None
        if message["type"] == "http.disconnect":
            self.gone.set()
            await asyncio.Event().wait()  # the guard ends this request
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise self._too_large()
        if not message.get("more_body", False):
            self.watcher = asyncio.ensure_future(self._watch())
        return message

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone.set()


async def _refuse(send: Send, refused: Refused) -> None:
    """An error in OpenAI's shape."""
    body = json.dumps(refused.body()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refused.retry_after:
        headers.append((b"retry-after", str(refused.retry_after).encode()))
    if refused.status in (408, 413):
        headers.append((b"connection", b"close"))  # the rest of the body is not waited for
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _where(error: BaseException) -> str:
    """Kind and place of an error, without its message."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return f"{type(error).__name__} at " + " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames))
