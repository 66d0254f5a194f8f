"""The outermost ring of HTTP: bounds what comes in, counts it, and lets no exception's text out.

Pure ASGI, so that it also stands before the parsing of a body.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from raftops.service.live import Refused
from raftops.service.metrics import Metrics

BODY_BYTES = 1024 * 1024
"""A long conversation whole; what is read of it is bounded in `wire.py`."""
WAITING = 32
"""Requests at work and waiting; one more is told to come back."""
ENDPOINTS = {"/v1/chat/completions": "chat", "/v1/search": "search", "/v1/models": "models"}

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
log = logging.getLogger("raftops.service")


class Guard:
    """An ASGI app around another."""

    def __init__(self, app: App, metrics: Metrics, waiting: int = WAITING) -> None:
        self._app, self._metrics, self._waiting = app, metrics, waiting
        self._at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        endpoint = ENDPOINTS.get(scope["path"])
        started, status, ended = time.perf_counter(), 0, False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                ended = not message.get("more_body", False)
            await send(message)

        try:
            await self._within_bounds(scope, receive, watched, endpoint is not None)
        except Refused as refused:
            await _refuse(watched, refused)
        except Exception as error:  # whatever it is, its text may hold a document or a question: it goes nowhere
            log.error("request failed: %s", _where(error))
            if not status:
                await _refuse(watched, Refused(500, "internal_error", "something went wrong here; the log says where"))
            elif not ended:
                await watched({"type": "http.response.body", "body": b"", "more_body": False})
        if endpoint:
            self._metrics.requests.labels(endpoint, str(status)).inc()
            self._metrics.latency.labels(endpoint).observe(time.perf_counter() - started)

    async def _within_bounds(self, scope: Scope, receive: Receive, send: Send, counted: bool) -> None:
        if counted and self._at_work >= self._waiting:
            raise Refused(429, "busy", "too many questions at once; try again in a moment")
        self._count(counted)
        try:
            await self._app(scope, _bounded(scope, receive), send)
        finally:
            self._count(-counted)

    def _count(self, more: int) -> None:
        self._at_work += more
        self._metrics.queue.set(self._at_work)


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """The body, up to the limit: by the announced length at once, by what really comes otherwise."""
    too_large = Refused(413, "body_too_large", f"a body has at most {BODY_BYTES} bytes")
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if not announced.isdigit() or int(announced) > BODY_BYTES:
        raise too_large
    left = BODY_BYTES

    async def next_part() -> MutableMapping[str, Any]:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise too_large
        return message

    return next_part


async def _refuse(send: Send, refused: Refused) -> None:
    """An error in OpenAI's shape."""
    body = json.dumps(refused.body()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refused.status in (429, 503):
        headers.append((b"retry-after", b"2"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _where(error: BaseException) -> str:
    """Kind and place of an error, without its message."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return f"{type(error).__name__} at " + " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames))
