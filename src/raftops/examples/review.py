"""A person reads drafts in a browser and accepts, edits or rejects each: the work behind the page, and its server.

Listens on loopback alone. Every address holds a secret of this run, every change needs it once more in a header, and a
request under another name than the loopback's is refused. Accepted rows are written at once, whole or not at all.
Several reviews of one file may be open: each decision is added to what the others decided, and one about a row that
another has decided meanwhile is refused.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Literal

from pydantic import ValidationError

from raftops.answer.quotes import find_quote
from raftops.data.records import Example
from raftops.errors import StepError
from raftops.files import alone_in, read_json, read_jsonl, write_json, write_jsonl

Decision = Literal["accepted", "rejected"]
HOST = "127.0.0.1"
AROUND = 4000
"""Characters of a document that are shown before and behind a quote."""
MOST_BYTES = 1 << 20
EDITED = ("question", "answer", "accepted", "evidence", "unanswerable", "near_miss")
"""What a person may change of a row."""


@dataclass
class Review:
    """Drafts and what was decided about them."""

    drafts: list[dict[str, Any]]
    texts: Mapping[str, str]
    """Documents by id."""
    out: Path
    """File of examples that accepted rows are written to."""
    state: Path
    decisions: dict[str, Decision] = field(default_factory=dict)
    """By draft id."""
    order: list[str] = field(default_factory=list)
    """Ids in the order in which they were decided, for undo."""
    _others: set[str] = field(default_factory=set)
    """What another review decided while this one was open: nothing that is undone here."""
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def open(cls, file: Path, texts: Mapping[str, str], out: Path) -> Review:
        """Read drafts, and what was decided before.

        Raises:
            StepError: the file holds no rows with an id each.
        """
        rows = [(number, row) for number, row in read_jsonl(file)]
        ids = Counter(str(row.get("id")) for _, row in rows)
        wrong = [f"{file}:{number}: {why}" for number, row in rows if (why := _wrong(row, ids))]
        if wrong or not rows:
            where = "\n".join(wrong) or f"{file}: holds no draft"
            raise StepError(where, next_step="raftops examples draft SPEC makes drafts")
        state = file.with_name(f"{file.name}.review.json")
        review = cls([row for _, row in rows], texts, out, state)
        with alone_in(state.parent, out.parent):
            if state.is_file():
                review.decisions, review.order = review._saved()
            else:
                review._begin({row.get("id"): row.get("question") for row in review._written()})
        return review

    def _saved(self) -> tuple[dict[str, Decision], list[str]]:
        """The decisions in the file, of this review and of others, and their order."""
        saved = read_json(self.state)
        if not isinstance(saved, dict) or not isinstance(saved.get("decisions", {}), dict):
            raise StepError(f"{self.state}: no decisions of a review", next_step="delete it to begin the review again")
        ids = {draft["id"] for draft in self.drafts}
        known = {name: decision for name, decision in saved.get("decisions", {}).items() if name in ids}
        return known, [name for name in saved.get("order", ()) if name in known]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No thread of ours and no other review decides; what others decided before counts from here on."""
        with self._lock, alone_in(self.state.parent, self.out.parent):
            if self.state.is_file():
                decisions, order = self._saved()
                known = self.decisions
                self._others |= {name for name in decisions | known if decisions.get(name) != known.get(name)}
                self.decisions, self.order = decisions, order
            yield

    def _begin(self, asked: Mapping[Any, Any]) -> None:
        """The first decision is still to come: what is in the file of accepted rows is not of this review."""
        others = [
            name for name, draft in ((name_of(draft["id"]), draft) for draft in self.drafts)
            if name in asked and asked[name] != draft.get("question")
        ]  # fmt: skip
        if others:
            message = f"{self.out}: holds another example with the id {others[0]}, which a decision would write over"
            raise StepError(message, next_step="give another file for accepted rows: -o NEW.jsonl")
        write_json(self.state, {"decisions": {}, "order": []})

    def overview(self) -> dict[str, Any]:
        """Every draft by its id and decision, and how many there are."""
        with self._alone():
            decided = dict(self.decisions)
        items = [{"id": d["id"], "decision": decided.get(d["id"], "")} for d in self.drafts]
        return {"items": items, "out": str(self.out)}

    def item(self, number: int) -> dict[str, Any]:
        """A draft, and its evidence in the text around it. An accepted one as it was accepted."""
        draft = self.drafts[number]
        row = next((r for r in self._written() if r.get("id") == name_of(draft["id"])), draft)
        return {
            "number": number, "row": row, "decision": self.decisions.get(draft["id"], ""),
            "evidence": [self._shown(proof) for proof in row.get("evidence", ())],
        }  # fmt: skip

    def _shown(self, proof: Mapping[str, Any]) -> dict[str, Any]:
        doc_id, quote = str(proof.get("doc_id", "")), str(proof.get("quote", ""))
        text = self.texts.get(doc_id, "")
        place = find_quote(quote, text)
        if place is None:
            return {
                "doc_id": doc_id,
                "quote": quote,
                "before": text[:AROUND],
                "marked": "",
                "after": "",
                "found": False,
            }
        start, end = place
        return {
            "doc_id": doc_id, "quote": quote, "before": text[max(0, start - AROUND) : start],
            "marked": text[start:end], "after": text[end : end + AROUND], "found": True,
        }  # fmt: skip

    def accept(
        self, number: int, changed: Mapping[str, Any] | None = None, seen: str | None = None
    ) -> list[str]:  # fmt: skip
        """Take a draft among the examples, as it is or with changes; returns what is wrong with it, then not taken.

        `seen` is the decision that the page shows. Raises `Stale` where there is another by now.
        """
        draft = self.drafts[number]
        row = {**draft, **{key: value for key, value in (changed or {}).items() if key in EDITED}}
        row["id"] = name_of(draft["id"])
        try:
            example = Example.model_validate({k: v for k, v in row.items() if v not in ("", [], False, None)})
        except ValidationError as error:
            return [f"{'.'.join(map(str, e['loc']))}: {e['msg']}".removeprefix(": ") for e in error.errors()]
        wrong = [
            f"the quote does not stand in {proof.doc_id}"
            for proof in example.evidence
            if proof.doc_id not in self.texts or find_quote(proof.quote, self.texts[proof.doc_id]) is None
        ]
        if not wrong:
            self._decide(draft["id"], "accepted", example.model_dump(mode="json", exclude_defaults=True), seen)
        return wrong

    def reject(self, number: int, seen: str | None = None) -> None:
        """Leave a draft out; an accepted one is taken out again. Raises `Stale` as `accept` does."""
        self._decide(self.drafts[number]["id"], "rejected", None, seen)

    def undo(self) -> int | None:
        """Take the last decision back; returns the draft's number."""
        with self._alone():
            name = next((name for name in reversed(self.order) if name not in self._others), None)
            if name is None:
                return None
            left = [other for other in self.order if other != name]
            self._write(name, None, {k: v for k, v in self.decisions.items() if k != name}, left)
        return next(n for n, draft in enumerate(self.drafts) if draft["id"] == name)

    def _decide(self, name: str, decision: Decision, row: dict[str, Any] | None, seen: str | None) -> None:
        known = self.decisions.get(name, "") if seen is None else seen
        with self._alone():
            if (now := self.decisions.get(name, "")) != known:
                did = now or "took back its decision about"
                raise Stale(f"another review {did} this draft meanwhile: look at it again")
            self._others.discard(name)
            order = [*(other for other in self.order if other != name), name]
            self._write(name, row, {**self.decisions, name: decision}, order)

    def _write(
        self, name: str, row: dict[str, Any] | None, decisions: dict[str, Decision], order: list[str]
    ) -> None:  # fmt: skip
        """Both files: the examples first, so that none counts as accepted that is not written."""
        kept = [r for r in self._written() if r.get("id") != name_of(name)]
        if row or len(kept) < len(self._written()):
            write_jsonl(self.out, [*kept, row] if row else kept)
        write_json(self.state, {"decisions": decisions, "order": order})
        self.decisions, self.order = decisions, order

    def _written(self) -> list[dict[str, Any]]:
        return [row for _, row in read_jsonl(self.out)] if self.out.is_file() else []


def _wrong(row: Mapping[str, Any], ids: Mapping[str, int]) -> str:
    """Why a row cannot be shown; what else is wrong with it is said when it is accepted."""
    name, evidence = row.get("id"), row.get("evidence", [])
    if not isinstance(name, str) or not name_of(name) or ids[name] > 1:
        return "no id of its own"
    shown = isinstance(evidence, list) and all(isinstance(proof, dict) for proof in evidence)
    return "" if shown else "evidence must be a list of objects with doc_id and quote"


def name_of(draft: str) -> str:
    """The id of an example that was a draft."""
    return draft.removeprefix("draft-")


class Stale(Exception):  # noqa: N818  a finding about a request, not an error of ours
    """A decision about a draft that another review has decided since it was looked at."""


class ReviewServer(ThreadingHTTPServer):
    """The page of a review on a port of the loopback."""

    daemon_threads = True

    def __init__(self, review: Review, port: int = 0) -> None:
        self.review, self.token, self.finished = review, secrets.token_urlsafe(32), False
        super().__init__((HOST, port), _Handler)
        self.origin = f"http://{HOST}:{self.server_address[1]}"

    @property
    def address(self) -> str:
        """What a browser opens."""
        return f"{self.origin}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A tab that was closed before its answer came is no error; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def finish(self) -> None:
        """End `serve_forever`, from a request."""
        self.finished = True
        Thread(target=self.shutdown, daemon=True).start()  # shutdown waits for the loop, and this is one of its threads


class _Handler(BaseHTTPRequestHandler):
    """Requests of one page."""

    server: ReviewServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """The page, the overview, or one draft."""
        path = self._inside()
        if path is None:
            return
        if path == "":
            self._page()
        elif path == "overview":
            self._json(200, self.server.review.overview())
        elif match := re.fullmatch(r"item/(\d{1,6})", path):
            number = int(match[1])
            known = number < len(self.server.review.drafts)
            self._json(200 if known else 404, self.server.review.item(number) if known else {"error": "no such draft"})
        else:
            self._json(404, {"error": "not here"})

    def do_POST(self) -> None:
        """A decision."""
        path = self._inside()
        if path is None:
            return
        body = self._body()
        if body is None:
            return
        review, number = self.server.review, body["number"]
        if path == "finish":
            self._json(200, {})
            self.server.finish()
        elif path == "undo":
            self._json(200, {"number": review.undo()})
        elif path not in ("accept", "reject") or not 0 <= number < len(review.drafts):
            self._json(404, {"error": "no such draft"})
        else:
            self._decide(path, number, body)

    def _decide(self, path: str, number: int, body: Mapping[str, Any]) -> None:
        review, changed, seen = self.server.review, body.get("row"), body.get("seen")
        seen = seen if isinstance(seen, str) else None
        try:
            if path == "accept":
                wrong = review.accept(number, changed if isinstance(changed, dict) else None, seen)
                self._json(422 if wrong else 200, {"wrong": wrong})
            else:
                review.reject(number, seen)
                self._json(200, {})
        except Stale as stale:
            self._json(409, {"error": str(stale)})

    def _body(self) -> dict[str, Any] | None:
        """What is sent, by our own page; of anything else it is said here what is wrong."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MOST_BYTES:
            self.close_connection = True
            self._json(413, {"error": "too large, or of unknown length"})
            return None
        raw, given = self.rfile.read(int(length)), self.headers.get("X-Review-Token", "")
        ours = self.headers.get("Origin", self.server.origin) == self.server.origin
        if not ours or not hmac.compare_digest(given.encode(), self.server.token.encode()):
            self._json(403, {"error": "not sent by this page"})
            return None
        try:
            body = json.loads(raw or b"{}")
            json.dumps(body, ensure_ascii=False).encode()  # no half characters
            return {**body, "number": int(body.get("number", -1))}
        except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
            self._json(400, {"error": "not JSON"})
            return None

    def _inside(self) -> str | None:
        """The path behind the secret; where the host or the secret is another, the answer is given here."""
        if self.headers.get("Host", "") != self.server.origin.removeprefix("http://"):
            self._json(421, {"error": "asked under another name"})
            return None
        first, _, rest = self.path.partition("?")[0].lstrip("/").partition("/")
        if not hmac.compare_digest(first.encode(), self.server.token.encode()):
            self._json(404, {"error": "not here"})
            return None
        return rest

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        text = files("raftops.examples").joinpath("review.html").read_text(encoding="utf-8")
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        page = text.replace("{{nonce}}", nonce).replace("{{token}}", self.server.token)
        self._send(200, page.encode(), "text/html; charset=utf-8", {"Content-Security-Policy": policy})

    def _json(self, status: int, body: Any) -> None:
        self._send(status, json.dumps(body, ensure_ascii=False).encode(), "application/json", {})

    def _send(self, status: int, body: bytes, kind: str, more: Mapping[str, str]) -> None:
        self.send_response(status)
        fixed = {
            "Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
        }  # fmt: skip
        for name, value in (fixed | dict(more)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """No line for each request: its address holds the secret."""
