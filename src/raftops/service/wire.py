"""What travels: requests and answers in OpenAI's shapes, with ours added. No decisions, no I/O.

Unknown fields of a request are ignored, as OpenAI does. Nothing in a body says who is asking: groups, policies and
users written there have no effect. Sampling settings are accepted and have none either: decoding is greedy, so that
the same question on the same release gets the same answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from raftops.answer.answering import Answer, Conflict
from raftops.answer.inert import inert, safe_uri, visible
from raftops.data.records import Citation, Hit, Message
from raftops.service.live import Refused

QUESTION_CHARS = 2000
HISTORY_CHARS = 6000
HISTORY_TURNS = 8
MESSAGES = 4096
"""Clients send the whole conversation each time; of a long one the last turns are read."""
STOPS = 4
TOP_K = 50


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Part(_Body):
    """A part of a message; only text is understood."""

    type: str
    text: str = ""


class Turn(_Body):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def is_text(self) -> bool:
        """Whether there is nothing but text in it."""
        return not isinstance(self.content, list) or all(part.type == "text" for part in self.content)

    def said(self) -> str:
        """The text of the message; an image in it is passed over."""
        if not isinstance(self.content, list):
            return (self.content or "").strip()
        return "\n".join(part.text for part in self.content if part.type == "text").strip()


class StreamOptions(_Body):
    """How to stream."""

    include_usage: bool = False


class ChatRequest(_Body):
    """`POST /v1/chat/completions`."""

    messages: list[Turn] = Field(min_length=1, max_length=MESSAGES)
    model: str | None = Field(None, max_length=200)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    n: int | None = 1
    stop: str | list[str] | None = None

    def question(self) -> str:
        """What is asked: the last message, which must be the user's."""
        last = self.messages[-1]
        if last.role == "user" and not last.is_text:
            raise Refused(400, "unsupported_content", "only text is understood", "messages")
        text = last.said()
        if last.role != "user" or not text:
            raise Refused(400, "no_question", "the last message must be the user's, with a text", "messages")
        if len(text) > QUESTION_CHARS:
            message = f"a question has at most {QUESTION_CHARS} characters"
            raise Refused(400, "question_too_long", message, "messages")
        return text

    def history(self) -> list[Message]:
        """The caller's last turns before the question, oldest first, within bounds; whole turns only.

        System and tool messages are left out: the house rules are the release's, not the caller's.
        """
        kept: list[Message] = []
        left = HISTORY_CHARS
        for turn in reversed(self.messages[:-1]):
            text = turn.said() if turn.role in ("user", "assistant") else ""
            left -= len(text)
            if left < 0 or len(kept) == HISTORY_TURNS:
                break
            if text:
                kept.insert(0, Message(role="user" if turn.role == "user" else "assistant", content=text))
        return kept

    def stops(self) -> tuple[str, ...]:
        """Where the shown text is cut, as asked for."""
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        if len(stops) > STOPS:
            raise Refused(400, "too_many_stops", f"at most {STOPS} texts to stop at", "stop")
        return tuple(stop for stop in stops if stop)

    def tokens(self, most: int) -> int:
        """The length asked for, within the release's bound."""
        asked = self.max_completion_tokens or self.max_tokens
        return min(asked, most) if asked else most


class SearchRequest(_Body):
    """`POST /v1/search`."""

    query: str = Field(min_length=1, max_length=QUESTION_CHARS)
    top_k: int = Field(5, ge=1, le=TOP_K)


@dataclass(frozen=True)
class Reply:
    """An answer and what identifies it."""

    id: str
    created: int
    """Seconds since 1970."""
    model: str
    release: str
    answer: Answer
    stops: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is shown: the checked text, up to the first of the texts that the caller wants it to stop at.

        Nothing in it is a link or HTML; a reply that the spec holds to a format is for programs, and stays as it is.
        """
        text = visible(self.answer.text) if self.answer.held else inert(self.answer.text)
        ends = [end for stop in self.stops if (end := text.find(stop)) >= 0]
        return text[: min(ends)].rstrip() if ends else text

    def completion(self) -> dict[str, Any]:
        """The whole answer in one object."""
        message = {"role": "assistant", "content": self.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish()}
        return self._frame("chat.completion") | {"choices": [choice], "usage": self.usage()} | self.extra()

    def chunks(self, include_usage: bool) -> Iterator[dict[str, Any]]:
        """The checked text in pieces, then the end with our fields, then the usage where it was asked for."""
        for piece in re.findall(r"\S+\s*|\s+", self.text):
            yield self.chunk({"content": piece})
        yield self.chunk({}, self._finish()) | self.extra()
        if include_usage:
            yield self._frame("chat.completion.chunk") | {"choices": [], "usage": self.usage()}

    def chunk(self, delta: Mapping[str, str], finish: str | None = None) -> dict[str, Any]:
        """One piece of a streamed answer."""
        return chunk(self._frame("chat.completion.chunk"), delta, finish)

    def extra(self) -> dict[str, Any]:
        """What we add to OpenAI's shape. Times are rounded: a clock must not tell what was searched."""
        answer = self.answer
        searched = {"searched": inert(answer.searched)} if answer.searched else {}
        assumed = {"assumed": dict(answer.assumed)} if answer.assumed else {}
        return {
            "mode": answer.mode,
            "citations": [cited(citation) for citation in answer.citations],
            "route": asdict(answer.route) | {"score": round(answer.route.score, 4)},
            "grounded": answer.grounded,
            "abstained": answer.abstained,
            "reason": answer.reason,
            "nearest": [
                {"doc_id": near.doc_id, "title": inert(near.title), "uri": safe_uri(near.uri)}
                for near in answer.nearest
            ],
            **({"conflicts": [disputed(conflict) for conflict in answer.conflicts]} if answer.conflicts else {}),
            **searched,
            **assumed,
            "release": self.release,
            "timings": {name: round(seconds, 2) for name, seconds in answer.seconds.items()},
        }

    def usage(self) -> dict[str, int]:
        """Tokens read and written."""
        read, written = self.answer.prompt_tokens, self.answer.completion_tokens
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}

    def _finish(self) -> str:
        return "stop" if self.answer.stopped else "length"

    def _frame(self, kind: str) -> dict[str, Any]:
        return frame(self.id, self.created, self.model, kind)


def cited(citation: Citation) -> dict[str, Any]:
    """A citation. Its `quote` is verbatim, for programs to find again, and so text that others wrote: escape it."""
    return asdict(citation) | {"uri": safe_uri(citation.uri), "locator": _shown(citation.locator)}


def disputed(conflict: Conflict) -> dict[str, Any]:
    """One side of what documents do not agree on."""
    return asdict(conflict) | {"citation": cited(conflict.citation), "title": inert(conflict.title)}


def _shown(locator: Mapping[str, Any]) -> dict[str, Any]:
    """A place with headings that are text alone."""
    headings = {"headings": [inert(h) for h in locator["headings"]]} if "headings" in locator else {}
    header = {"table_header": inert(locator["table_header"])} if "table_header" in locator else {}
    return {**locator, **headings, **header}


def frame(id_: str, created: int, model: str, kind: str) -> dict[str, Any]:
    """What every object of an answer has."""
    return {"id": id_, "object": kind, "created": created, "model": model}


def chunk(framed: Mapping[str, Any], delta: Mapping[str, str], finish: str | None = None) -> dict[str, Any]:
    """One piece of a streamed answer."""
    return {**framed, "choices": [{"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": finish}]}


def event(value: Mapping[str, Any]) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def results(hits: list[Hit], release: str) -> dict[str, Any]:
    """What a search found. `text` is verbatim, and so text that others wrote: escape it.

    A score is where a passage stands between the best (1) and the worst (0) of the candidates that the caller may read:
    it compares passages of one search, and tells nothing of other documents or questions.
    """
    rows = [
        {
            "passage_id": hit.passage.passage_id,
            "doc_id": hit.passage.doc_id,
            "version": hit.passage.version,
            "title": inert(hit.passage.title),
            "uri": safe_uri(hit.passage.uri),
            "text": hit.passage.text,
            "start": hit.passage.start,
            "end": hit.passage.end,
            "locator": _shown(hit.passage.locator.as_dict()),
            "score": round(hit.score, 4),
        }
        for hit in hits
    ]
    return {"object": "list", "data": rows, "release": release}
