"""HTTP: routes, tokens, errors. What an answer is, `answering` decides; who may read what, `raftops.access`."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from raftops.answer.answering import Answer
from raftops.errors import ModelError
from raftops.service.audit import ENTRY, Audited, Entry
from raftops.service.directory import PushEntrance
from raftops.service.guard import Guard
from raftops.service.identity import Caller, Denied, bearer
from raftops.service.ledger import Ledger
from raftops.service.live import Live, Refused, Serving
from raftops.service.metrics import Metrics
from raftops.service.wire import ChatRequest, Reply, SearchRequest, chunk, event, frame, results

log = logging.getLogger("raftops.service")
Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Front:
    """What the routes need."""

    serving: Serving
    metrics: Metrics


def create_app(serving: Serving, metrics: Metrics, ledger: Ledger | None = None, unrecorded: bool = False) -> Audited:
    """The ASGI app. Requests are kept in the `ledger`; `unrecorded`: where that fails, answers are given without."""
    app = FastAPI(title="raftops", openapi_url=None)
    app.state.front = Front(serving, metrics)
    app.include_router(routes)
    app.mount("/scim", PushEntrance(serving))
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_exception_handler(Exception, lambda request, error: _refused(request, FAILED))
    return Audited(Guard(app, metrics), ledger, refuse=not unrecorded)


routes = APIRouter()
CHANGES = 3
"""How often an answer is begun again because the access changed under it."""
CHANGED = Refused(503, "access_changed", "what you may read changed while the answer was made; ask again")
FAILED = Refused(500, "internal_error", "something went wrong here; the log says where")


def front(request: Request) -> Front:
    """What `create_app` was given."""
    here: Front = request.app.state.front
    return here


def entry(request: Request) -> Entry:
    """What is kept of the request."""
    kept: Entry = request.scope[ENTRY]
    return kept


def caller(request: Request) -> Caller:
    """Whoever asks, by the verified token."""
    here = front(request)
    try:
        who = here.serving.verifier.caller(bearer(request.headers.getlist("authorization")))
    except Denied as denied:
        here.metrics.denied.labels(denied.reason).inc()
        code = "invalid_api_key" if denied.status == 401 else denied.reason
        raise Refused(denied.status, code, str(denied)) from denied
    entry(request).caller(who)
    return who


def parsed(model: type[Body]) -> Callable[[Request], Any]:
    """A dependency that reads the body as a model; errors name fields and never repeat what was sent."""

    async def read(request: Request) -> Body:
        try:
            return model.model_validate_json(await request.body())
        except ValidationError as error:
            first = error.errors(include_input=False, include_context=False, include_url=False)[0]
            param = ".".join(map(str, first["loc"])) or None
            # pydantic's sentence, but for broken JSON, where it may quote the body
            reason = "not valid JSON" if first["type"] == "json_invalid" else first["msg"]
            raise Refused(400, "invalid_body", f"{param or 'body'}: {reason}", param) from None

    return read


Here = Annotated[Front, Depends(front)]
Who = Annotated[Caller, Depends(caller)]  # before the body: strangers make us parse nothing


@routes.post("/v1/chat/completions")
def chat(
    request: Request, here: Here, who: Who, body: Annotated[ChatRequest, Depends(parsed(ChatRequest))]
) -> Response:
    """Answer the last message, with citations."""
    question, history, stops = body.question(), body.history(), body.stops()
    entry(request).question(question)
    if body.n not in (None, 1):
        raise Refused(400, "unsupported_n", "n must be 1: decoding is greedy", "n")
    id_, now = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())

    def answered(live: Live) -> Answer:
        answerer = replace(live.answerer, max_new_tokens=body.tokens(live.answerer.max_new_tokens))
        try:
            return answerer.answer(question, live.access.readable(who.groups), history, who.asker)
        except ModelError as error:
            message = "question and history are longer than the model reads; send a shorter conversation"
            raise Refused(400, "context_length_exceeded", message, "messages") from error

    def reply(live: Live) -> Reply:
        live, answer = under_access_now(live, who, answered)
        here.metrics.answered(answer)
        entry(request).answered(live, answer)
        return Reply(id_, now, live.name, live.release, answer, stops)

    def later() -> tuple[Reply, Callable[[], bool]]:
        # a stream is answered when this function has returned, and never where the caller has gone: it leases anew,
        # for a lease that waited for it could be one that nobody ends
        with here.serving.lease() as live:
            made = reply(live)
            shown = live.latest()
        return made, lambda: shown.latest().still_answers(made.answer, shown, who.groups)

    with here.serving.lease() as live:
        if body.model not in (None, live.name):
            raise Refused(404, "model_not_found", f"this service serves the model {live.name}", "model")
        if not body.stream:
            return JSONResponse(reply(live).completion(), headers={"cache-control": "no-store"})
        framed = frame(id_, now, live.name, "chat.completion.chunk")
    usage = bool(body.stream_options and body.stream_options.include_usage)
    lines = _stream(later, framed, usage)
    return StreamingResponse(lines, media_type="text/event-stream", headers={"cache-control": "no-store"})


def under_access_now(live: Live, who: Caller, answered: Callable[[Live], Answer]) -> tuple[Live, Answer]:
    """An answer that may leave: where the access changed while it was made, and it rests on what the caller may not
    read any more, it is made again under the access in force now."""
    for _ in range(CHANGES):
        answer, now = answered(live), live.latest()
        if now.still_answers(answer, live, who.groups):
            return now, answer
        live = now
    raise CHANGED


def _stream(
    reply: Callable[[], tuple[Reply, Callable[[], bool]]], framed: dict[str, Any], usage: bool
) -> Iterator[str]:
    """Server-sent events: the role at once, the text when it is known to be carried by its sources.

    An answer is checked as a whole before any of it is shown, so its first word comes after the last was generated:
    what is streamed is the checked text. A word shown too early could not be taken back; one that may not be read any
    more when its turn comes, for the reader was slow, is not sent.
    """
    yield event(chunk(framed, {"role": "assistant", "content": ""}))
    try:
        made, may_leave = reply()
        for piece in made.chunks(usage):
            if not may_leave():
                raise CHANGED
            yield event(piece)
    except Refused as refused:
        yield event(refused.body())
    except Exception as error:  # the status is sent already: the client learns it from the stream, the log its kind
        log.error("a streamed answer failed: %s", type(error).__name__)
        yield event(FAILED.body())
    yield "data: [DONE]\n\n"


@routes.post("/v1/search")
def search(
    request: Request, here: Here, who: Who, body: Annotated[SearchRequest, Depends(parsed(SearchRequest))]
) -> Response:
    """The passages nearest to a query that the caller may read."""
    entry(request).question(body.query)
    with here.serving.lease() as live:
        policies = live.access.readable(who.groups)
        hits = live.answerer.library.search(body.query, policies, body.top_k)
        readable, now = [hit for hit in hits if hit.passage.policy_id in policies], live.latest()
        if now is not live:
            readable = [
                hit for hit in readable if now.may_show(who.groups, [(hit.passage.doc_id, hit.passage.version)])
            ]
        entry(request).found(live, readable)
        return JSONResponse(results(readable, live.release), headers={"cache-control": "no-store"})


@routes.get("/v1/models")
def models(here: Here, who: Who) -> Response:
    """The assistant, as a model."""
    with here.serving.lease() as live:
        row = {"id": live.name, "object": "model", "created": live.created, "owned_by": "raftops"}
        return JSONResponse({"object": "list", "data": [row | {"release": live.release}]})


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {"www-authenticate": 'Bearer realm="raftops"'} if error.status == 401 else {}
    headers |= {"retry-after": "2"} if error.status in (429, 503) else {}
    return JSONResponse(error.body(), error.status, headers)


def _not_found(request: Request, error: Exception) -> Response:
    """Routes and methods that there are not, in OpenAI's shape; the path is not repeated."""
    assert isinstance(error, HTTPException)
    said = {404: ("not_found", "no such endpoint"), 405: ("method_not_allowed", "not with this method")}
    code, message = said.get(error.status_code, ("http_error", "the request cannot be handled"))
    return JSONResponse(Refused(error.status_code, code, message).body(), error.status_code, dict(error.headers or {}))
