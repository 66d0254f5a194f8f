"""What is kept of each request, and its id: a ring of ASGI around everything else that answers.

The routes say who asks and what is shown; the line is written before the first byte that shows it, so that nothing is
shown of which there is no line. It holds no question by default, and never an answer, a token or a group.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextvars import ContextVar
from typing import Any

from raftops.access import AccessPolicies
from raftops.answer.answering import Answer
from raftops.data.records import Hit
from raftops.errors import ServiceError, explained
from raftops.files import sha256_json
from raftops.service.identity import Caller
from raftops.service.ledger import Ledger
from raftops.service.live import Live, Refused

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ENTRY = "raftops.entry"
"""Key of a request's scope with its `Entry`."""
HEADER = b"x-request-id"
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
"""What a caller's own id must look like to be taken: it stands in lines, logs and headers."""
NAMES = {"/v1/chat/completions": "chat", "/v1/search": "search", "/v1/models": "models"}
NOT_KEPT = ("/metrics", "/livez", "/readyz", "/healthz")
ERROR_BYTES = 1 << 16
UNAVAILABLE = Refused(503, "audit_unavailable", "the answer could not be recorded, so it is not given")
log = logging.getLogger("raftops.service")
_now: ContextVar[str] = ContextVar("request_id", default="")


class Entry:
    """What is known of a request so far. The routes fill it; without a ledger nobody reads it."""

    def __init__(self, scope: Scope, ledger: Ledger | None) -> None:
        given = dict(scope["headers"]).get(HEADER, b"")
        self.id = given.decode() if REQUEST_ID.fullmatch(given) else f"req-{secrets.token_hex(12)}"
        self.shows = False
        """Whether what follows shows documents: then the line has to be there first."""
        self._ledger, self._began, self._abstained = ledger, time.monotonic(), False
        self._line: dict[str, Any] = {
            "endpoint": NAMES.get(scope["path"], "other"),
            "method": str(scope["method"])[:10],
        }
        self._documents: dict[tuple[str, str], set[str]] = {}

    @property
    def known(self) -> bool:
        """Whether it is known who asks."""
        return "principal" in self._line

    def caller(self, who: Caller) -> None:
        """A token was verified."""
        try:
            named = json.loads(who.principal)
        except ValueError:  # a development user
            named = who.principal
        pair = isinstance(named, list) and len(named) == 2
        subject = named[-1] if isinstance(named, list) and named else who.principal
        self._line["principal"] = {"issuer": named[0], "subject": subject} if pair else {"subject": subject}

    def question(self, text: str) -> None:
        """What was asked, of which as much is kept as the settings say."""
        if self._ledger:
            self._line |= self._ledger.question(text)

    def answered(self, live: Live, answer: Answer) -> None:
        """An answer is about to be shown: the evidence that it rests on, what it cites, what it names beside."""
        self._under(live)
        self._abstained = answer.abstained
        self._line |= {"route": answer.route.name, "mode": answer.mode, "reason": answer.reason}
        self._shown("evidence", ((unit.doc_id, unit.version) for unit in answer.units))
        self._shown("cited", ((cited.doc_id, cited.version) for cited in answer.citations))
        self._shown("nearest", ((near.doc_id, near.version) for near in answer.nearest))

    def found(self, live: Live, hits: Iterable[Hit]) -> None:
        """Passages are about to be shown."""
        self._under(live)
        self._shown("found", ((hit.passage.doc_id, hit.passage.version) for hit in hits))

    def line(self, status: int, code: str, ended: bool = True) -> dict[str, Any]:
        """The line, for an outcome."""
        line = dict(self._line)
        decision = _decision(status, self._abstained, line["endpoint"]) if ended else "abandoned"
        documents = [{"doc": d, "version": v, "as": sorted(how)} for (d, v), how in sorted(self._documents.items())]
        seconds = round(time.monotonic() - self._began, 3)
        more = {"documents": documents} if documents else {}
        return line | more | {
            "event": "request", "request": self.id, "status": status, "decision": decision, "seconds": seconds,
            "reason": code or line.get("reason", ""),
        }  # fmt: skip

    def _under(self, live: Live) -> None:
        self.shows = True
        policies = live.in_force.version if live.in_force else policy_version(live.access)
        self._line |= {"assistant": live.name, "release": live.release, "policies": policies}

    def _shown(self, how: str, documents: Iterable[tuple[str, str]]) -> None:
        for document in documents:
            self._documents.setdefault(document, set()).add(how)


class Audited:
    """An ASGI app around another: gives each request an id and a line."""

    def __init__(self, app: App, ledger: Ledger | None = None, refuse: bool = True) -> None:
        """`refuse`: what cannot be recorded is not answered."""
        self._app, self._ledger, self._refuse = app, ledger, refuse

    def __getattr__(self, name: str) -> Any:
        """What the app inside offers beside answering."""
        return getattr(self._app, name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        entry = scope[ENTRY] = Entry(scope, self._ledger)
        out = _Out(send, entry, self._ledger if scope["path"] not in NOT_KEPT else None, self._refuse, scope)
        token = _now.set(entry.id)
        try:
            await self._app(scope, receive, out)
        except BaseException:  # cancelled from outside: a timeout around us, or the end of the process
            out.abandoned()
            raise
        finally:
            _now.reset(token)
        await out.ended()


class _Out:
    """What goes out of one request, held back until its line is there."""

    def __init__(self, send: Send, entry: Entry, ledger: Ledger | None, refuse: bool, scope: Scope) -> None:
        self._send, self._entry, self._ledger, self._refuse, self._scope = send, entry, ledger, refuse, scope
        self._status, self._code = 0, ""
        self._start: Message | None = None
        """The beginning of an error or of a plain answer, until its body is here."""
        self._written = self._closed = self._stream = False

    async def __call__(self, message: Message) -> None:
        """One message of the answer."""
        if self._closed:
            return
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message["headers"] = [*message.get("headers", ()), (HEADER, self._entry.id.encode())]
            kinds = dict(message["headers"])
            self._stream = kinds.get(b"content-type", b"").startswith(b"text/event-stream")
            if not self._stream:
                self._start = message
                return
            await self._send(message)
            return
        if self._start is not None:
            message = self._named(message) if self._status >= 400 and not message.get("more_body") else message
            if not await self._kept():
                await self._unavailable()
                return
            start, self._start = self._start, None
            await self._send(start)
        elif self._stream and self._entry.shows and not await self._kept():
            await self._unavailable()
            return
        await self._send(message)

    async def ended(self) -> None:
        """The app has said all."""
        await self._kept()

    def abandoned(self) -> None:
        """The app was stopped in its middle: what was sent was sent, and the line says that it did not end."""
        if self._ledger and not self._written:
            self._written = True
            try:
                self._ledger.write(self._entry.line(self._status, "cancelled", ended=False), self._entry.known)
            except (OSError, ServiceError) as error:
                log.error("the audit cannot be written: %s", _why(error))

    async def _kept(self) -> bool:
        """Write the line, once; whether the answer may go out."""
        if self._written or self._ledger is None:
            return True
        self._written = True
        status = self._scope.get("state", {}).get("outcome", self._status)
        try:
            await asyncio.to_thread(self._ledger.write, self._entry.line(status, self._code), self._entry.known)
        except (OSError, ServiceError) as error:
            log.error("the audit cannot be written: %s", _why(error))
            return not (self._refuse and self._entry.shows)
        return True

    async def _unavailable(self) -> None:
        """Instead of an answer that could not be recorded."""
        self._closed = True
        self._scope.setdefault("state", {})["outcome"] = UNAVAILABLE.status  # what the guard inside counts
        body = {**UNAVAILABLE.body(), "request_id": self._entry.id}
        if self._stream:
            text = f"data: {json.dumps(body)}\n\ndata: [DONE]\n\n".encode()
            await self._send({"type": "http.response.body", "body": text, "more_body": False})
            return
        text = json.dumps(body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
        headers += [(b"retry-after", b"2"), (HEADER, self._entry.id.encode())]
        await self._send({"type": "http.response.start", "status": UNAVAILABLE.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": text})

    def _named(self, message: Message) -> Message:
        """An error in OpenAI's shape, with the request's id beside it."""
        body = message.get("body", b"")
        try:
            error: dict[str, Any] = json.loads(body if len(body) <= ERROR_BYTES else b"")
            self._code = str(error["error"]["code"])[:80]
        except (ValueError, TypeError, KeyError):
            return message
        text = json.dumps({**error, "request_id": self._entry.id}, ensure_ascii=False).encode()
        assert self._start is not None
        kept = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
        self._start["headers"] = [*kept, (b"content-length", str(len(text)).encode())]
        return {**message, "body": text}


class WithRequestId(logging.Filter):
    """Puts the id of the request that is being answered behind a line of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every line stays."""
        if id_ := _now.get():
            record.msg = f"{record.msg} (request {id_})"
        return True


log.addFilter(WithRequestId())


class _Version:
    """The hash of the policies that were asked for last: they are the same ones for thousands of requests."""

    access: AccessPolicies | None = None
    hash = ""


def policy_version(access: AccessPolicies) -> str:
    """What stands for the access policies that decided."""
    if _Version.access is not access:
        _Version.hash, _Version.access = sha256_json(access.model_dump(mode="json")), access
    return _Version.hash


def _decision(status: int, abstained: bool, endpoint: str) -> str:
    """What was decided, in a word."""
    if status in (401, 403):
        return "denied"
    if status >= 400 or status < 100:
        return "failed" if status >= 500 or status < 100 else "refused"
    if endpoint == "chat":
        return "declined" if abstained else "answered"
    return {"search": "found", "models": "listed"}.get(endpoint, "answered")


def _why(error: Exception) -> str:
    return explained(error)[0] if isinstance(error, OSError) else str(error)
