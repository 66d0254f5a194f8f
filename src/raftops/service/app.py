"""HTTP: routes, tokens, errors. What an answer is, `answering` decides; who may read what, `raftops.access`."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from raftops.answer.answering import Answer
from raftops.errors import ModelError
from raftops.service.audit import ENTRY, Audited, Entry
from raftops.service.directory import PushEntrance
from raftops.service.guard import ENDPOINTS, Guard
from raftops.service.identity import Caller, Denied, bearer
from raftops.service.ledger import Ledger
from raftops.service.limits import Callers
from raftops.service.live import Live, Refused, Serving
from raftops.service.metrics import Metrics
from raftops.service.turns import Turns
from raftops.service.wire import ChatRequest, Reply, SearchRequest, chunk, event, frame, results
from raftops.spec.model.serving import Limits

log = logging.getLogger("raftops.service")
Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Front:
    """What the routes need."""

    serving: Serving
    metrics: Metrics
    chats: Turns
    searches: Turns
    callers: Callers


def create_app(  # noqa: PLR0913  what is served, and what bounds and keeps it
    serving: Serving,
    metrics: Metrics,
    timeout_seconds: float = 60.0,
    callers: Callers | None = None,
    ledger: Ledger | None = None,
    unrecorded: bool = False,
) -> Audited:
    """The ASGI app. An answer is there in `timeout_seconds`, or the caller is told that there is none. Requests are
    kept in the `ledger`; `unrecorded`: where that fails, answers are given without."""
    app = FastAPI(title="raftops", openapi_url=None, redirect_slashes=False)
    # two: one question is read for while the other is generated; the engine generates one at a time
    chats, searches = Turns(2, timeout_seconds), Turns(2, timeout_seconds)
    metrics.queue.set_function(lambda: float(len(chats)))
    app.state.front = Front(serving, metrics, chats, searches, callers or Callers(Limits()))
    app.include_router(routes)
    app.mount("/scim", PushEntrance(serving))
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_exception_handler(Exception, lambda request, error: _refused(request, FAILED))
    return Audited(Guard(app, metrics, (chats, searches)), ledger, refuse=not unrecorded)


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
    """Whoever asks, by the verified token, within what one caller may use."""
    here = front(request)
    try:
        who = here.serving.verifier.caller(bearer(request.headers.getlist("authorization")))
    except Denied as denied:
        here.metrics.denied.labels(denied.reason).inc()
        code = "invalid_api_key" if denied.status == 401 else denied.reason
        raise Refused(denied.status, code, str(denied)) from denied
    entry(request).caller(who)
    request.state.closing.callback(here.callers.enter(who.principal, ENDPOINTS.get(request.url.path, "")))
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
async def chat(
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

    def check_model(live: Live) -> None:
        if body.model not in (None, live.name):
            raise Refused(404, "model_not_found", f"this service serves the model {live.name}", "model")

    def framed() -> dict[str, Any]:
        with here.serving.lease() as live:
            check_model(live)
            return frame(id_, now, live.name, "chat.completion.chunk")

    def reply() -> tuple[Reply, Callable[[], bool]]:
        # leased when it is this question's turn: a lease that waited for it would keep an old release open
        with here.serving.lease() as live:
            check_model(live)
            live, answer = under_access_now(live, who, answered)
            here.metrics.answered(answer)
            here.callers.spent(who.principal, answer.prompt_tokens + answer.completion_tokens)
            entry(request).answered(live, answer)
            made, shown = Reply(id_, now, live.name, live.release, answer, stops), live.latest()
        return made, lambda: shown.latest().still_answers(answer, shown, who.groups)

    first = await run_in_threadpool(framed) if body.stream else {}
    turn = here.chats.enter(who.principal, reply)
    request.state.closing.callback(here.chats.leave, turn)  # a stream that nobody begins to read has left, too
    if not body.stream:
        made, _ = await here.chats.result(turn)
        return JSONResponse(made.completion(), headers={"cache-control": "no-store"})
    usage = bool(body.stream_options and body.stream_options.include_usage)
    lines = _stream(request, lambda: here.chats.result(turn), first, usage)
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


async def _stream(
    request: Request,
    reply: Callable[[], Awaitable[tuple[Reply, Callable[[], bool]]]],
    framed: dict[str, Any],
    usage: bool,
) -> AsyncIterator[str]:
    """Server-sent events: the role at once, the text when it is known to be carried by its sources.

    An answer is checked as a whole before any of it is shown, so its first word comes after the last was generated:
    what is streamed is the checked text. A word shown too early could not be taken back; one that may not be read any
    more when its turn comes, for the reader was slow, is not sent.
    """
    yield event(chunk(framed, {"role": "assistant", "content": ""}))
    try:
        made, may_leave = await reply()
        for piece in made.chunks(usage):
            if not may_leave():
                raise CHANGED
            yield event(piece)
    except Exception as error:  # the status is sent already: the client learns it from the stream, the log its kind
        refused = error if isinstance(error, Refused) else FAILED
        if refused is FAILED:
            log.error("a streamed answer failed: %s", type(error).__name__)
        request.state.outcome = refused.status
        yield event(refused.body())
    yield "data: [DONE]\n\n"


@routes.post("/v1/search")
async def search(
    request: Request, here: Here, who: Who, body: Annotated[SearchRequest, Depends(parsed(SearchRequest))]
) -> Response:
    """The passages nearest to a query that the caller may read."""
    entry(request).question(body.query)

    def found() -> dict[str, Any]:
        with here.serving.lease() as live:
            policies = live.access.readable(who.groups)
            hits = live.answerer.library.search(body.query, policies, body.top_k)
            readable, now = [hit for hit in hits if hit.passage.policy_id in policies], live.latest()
            if now is not live:
                readable = [
                    hit for hit in readable if now.may_show(who.groups, [(hit.passage.doc_id, hit.passage.version)])
                ]
            entry(request).found(live, readable)
            return results(readable, live.release)

    turn = here.searches.enter(who.principal, found)
    return JSONResponse(await here.searches.result(turn), headers={"cache-control": "no-store"})


@routes.get("/v1/models")
def models(here: Here, who: Who) -> Response:
    """The assistant, as a model."""
    with here.serving.lease() as live:
        row = {"id": live.name, "object": "model", "created": live.created, "owned_by": "raftops"}
        return JSONResponse({"object": "list", "data": [row | {"release": live.release}]})


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    if error.status == 429:
        front(request).metrics.limited.labels(error.code).inc()
    headers = {"www-authenticate": 'Bearer realm="raftops"'} if error.status == 401 else {}
    headers |= {"retry-after": str(error.retry_after)} if error.retry_after else {}
    headers |= {"connection": "close"} if error.status in (408, 413) else {}  # the rest of the body is not waited for
    return JSONResponse(error.body(), error.status, headers)


def _not_found(request: Request, error: Exception) -> Response:
    """Routes and methods that there are not, in OpenAI's shape; the path is not repeated."""
    assert isinstance(error, HTTPException)
    said = {404: ("not_found", "no such endpoint"), 405: ("method_not_allowed", "not with this method")}
    code, message = said.get(error.status_code, ("http_error", "the request cannot be handled"))
    return JSONResponse(Refused(error.status_code, code, message).body(), error.status_code, dict(error.headers or {}))
