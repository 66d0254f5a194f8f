"""Every request has an id and a line, and nothing is shown of which there is no line."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient

from raftops.errors import ModelError
from raftops.files import sha256_json
from raftops.service.app import create_app
from raftops.service.audit import Audited
from raftops.service.guard import BODY_BYTES
from raftops.service.identity import Caller
from raftops.service.ledger import FileLedger
from raftops.service.live import Refused
from raftops.service.metrics import Metrics
from raftops.spec.model.serving import Audit
from tests.retrieval.tiny import passage
from tests.service.doubles import ACCESS, Held, Says, Tokens, live

PASSAGES = [
    passage(1, "Employees in Norway get 27 days of leave.", "open", "Leave", "leave.md"),
    passage(2, "The bonus pool is 4.2 percent of salaries.", "secret", "Bonus", "bonus.md"),
]
LEAVE = "How many days of leave in Norway?"


class Lines:
    """A ledger in memory, with the settings of a real one."""

    def __init__(self, **settings: Any) -> None:
        self.lines: list[dict[str, Any]] = []
        self.full = False
        self.settings = Audit(**settings)

    def write(self, line: Any, listed: bool = True) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.lines.append({**line, "listed": listed})

    def question(self, text: str) -> dict[str, str]:
        return {"question": text} if self.settings.question == "text" else {}

    def close(self) -> None:
        pass


class Known(Tokens):
    """Tokens of callers who are somebody."""

    def caller(self, token: str) -> Caller:
        who = super().caller(token)
        return Caller(who.groups, who.asker, json.dumps(["https://id.example", token]))


class Serving(Held):
    verifier = Known()


def client(ledger: Any, generator: Any = None, serving: Any = None, **more: Any) -> TestClient:
    held = serving or Serving(live(PASSAGES, generator or Says("27 days [1]"), **more.pop("live", {})))
    return TestClient(create_app(held, Metrics(), ledger=ledger, **more), raise_server_exceptions=False)


def ask(asked: TestClient, question: str = LEAVE, token: str = "staff", **body: Any) -> Any:
    messages = [{"role": "user", "content": question}]
    headers = {"Authorization": f"Bearer {token}", **body.pop("headers", {})}
    return asked.post("/v1/chat/completions", json={"messages": messages, **body}, headers=headers)


def test_a_line_says_who_was_shown_what_by_which_release_and_policies() -> None:
    ledger = Lines()
    answer = ask(client(ledger))
    [line] = ledger.lines
    assert line["principal"] == {"issuer": "https://id.example", "subject": "staff"}
    assert (line["assistant"], line["release"]) == ("handbook", "abc123")
    assert line["policies"] == sha256_json(ACCESS.model_dump(mode="json"))
    assert line["documents"] == [{"doc": "leave.md", "version": "v1", "as": ["cited", "evidence"]}]
    assert (line["endpoint"], line["status"], line["decision"], line["route"]) == ("chat", 200, "answered", "knowledge")
    assert line["request"] == answer.headers["x-request-id"] and line["listed"]
    kept = json.dumps(line)
    assert "Norway" not in kept and "27 days" not in kept and "Bearer" not in kept, "no question, answer or token"


def test_a_stream_has_its_line_before_its_first_word() -> None:
    ledger, seen = Lines(), []
    with client(ledger).stream(
        "POST", "/v1/chat/completions", headers={"Authorization": "Bearer staff"},
        json={"messages": [{"role": "user", "content": LEAVE}], "stream": True},
    ) as streamed:  # fmt: skip
        for text in streamed.iter_lines():
            if "27 days" in text:
                seen.append(len(ledger.lines))
    assert seen and set(seen) == {1}
    [line] = ledger.lines
    assert line["decision"] == "answered" and line["documents"] and streamed.headers["x-request-id"] == line["request"]


def test_a_search_shows_what_it_finds_and_a_list_of_models_nothing() -> None:
    ledger = Lines()
    asked = client(ledger)
    found = asked.post("/v1/search", json={"query": "bonus pool"}, headers={"Authorization": "Bearer boss"}).json()
    asked.get("/v1/models", headers={"Authorization": "Bearer boss"})
    searched, listed = ledger.lines
    assert (
        {one["doc"] for one in searched["documents"]}
        == {row["doc_id"] for row in found["data"]}
        == {"leave.md", "bonus.md"}
    )
    assert (searched["decision"], listed["decision"]) == ("found", "listed") and "documents" not in listed


def test_a_declined_answer_says_why_and_what_was_named_beside() -> None:
    ledger = Lines()
    answer = ask(client(ledger, Says("Employees get 99 days [1]"))).json()
    [line] = ledger.lines
    assert answer["abstained"] and (line["decision"], line["reason"]) == ("declined", "not supported")
    assert line["documents"] == [{"doc": "leave.md", "version": "v1", "as": ["evidence", "nearest"]}]


def breaks(*_: Any) -> Any:
    raise RuntimeError("the text of a document")


def too_long(*_: Any) -> Any:
    raise ModelError("too long")


class Starting(Serving):
    @contextmanager
    def lease(self) -> Any:
        raise Refused(503, "starting", "the release is being opened")
        yield


OUTCOMES = [
    ({"token": "stranger"}, {}, 401, "denied", "invalid_api_key"),
    ({"headers": {"Authorization": ""}}, {}, 401, "denied", "invalid_api_key"),
    ({"n": 2}, {}, 400, "refused", "unsupported_n"),
    ({"model": "other"}, {}, 404, "refused", "model_not_found"),
    ({"question": "x" * 5000}, {}, 400, "refused", "question_too_long"),
    ({"question": "x" * (BODY_BYTES + 1)}, {}, 413, "refused", "body_too_large"),
    ({}, {"generator": Says(breaks)}, 500, "failed", "internal_error"),
    ({}, {"generator": Says(too_long)}, 400, "refused", "context_length_exceeded"),
    ({}, {"serving": Starting(None)}, 503, "failed", "starting"),
]


@pytest.mark.parametrize(("body", "more", "status", "decision", "code"), OUTCOMES)
def test_every_outcome_has_a_line_with_its_reason(body: Any, more: Any, status: int, decision: str, code: str) -> None:
    ledger = Lines()
    answer = ask(client(ledger, **more), **body)
    [line] = ledger.lines
    assert answer.status_code == line["status"] == status
    assert (line["decision"], line["reason"]) == (decision, code) and "documents" not in line
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == line["request"]
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}, "OpenAI's shape stays as it is"
    assert line["listed"] is (status not in (401, 413)), "who is known has every line"


def test_paths_that_there_are_not_are_told_by_no_name() -> None:
    ledger = Lines()
    asked = client(ledger)
    assert asked.get("/secret/question?why=me").status_code == 404
    asked.get("/metrics")
    [line] = ledger.lines
    assert line["endpoint"] == "other" and "secret" not in json.dumps(line) and "why" not in json.dumps(line)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_cannot_be_recorded_is_not_given(stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Lines()
    ledger.full = True
    held, metrics = Serving(live(PASSAGES, Says("27 days [1]"))), Metrics()
    asked = TestClient(create_app(held, metrics, ledger=ledger), raise_server_exceptions=False)
    answer = ask(asked, stream=stream)
    assert "27 days" not in answer.text and "leave.md" not in answer.text
    assert "audit_unavailable" in answer.text and answer.status_code == (200 if stream else 503)
    assert 'raftops_requests_total{endpoint="chat",status="503"} 1.0' in metrics.text().decode()
    assert answer.text.endswith("data: [DONE]\n\n") is stream
    assert "the audit cannot be written" in caplog.text and "No space left on device" in caplog.text
    assert ask(asked, token="stranger").status_code == 401, "what shows nothing is told as it is"
    ledger.full = False
    assert "27 days" in ask(asked, stream=stream).text and len(ledger.lines) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_where_the_settings_say_so_it_is_given_and_the_log_knows(
    stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Lines()
    ledger.full = True
    assert "27 days" in ask(client(ledger, unrecorded=True), stream=stream).text
    assert "the audit cannot be written" in caplog.text


@pytest.mark.parametrize("given", ["0123456789abcdef", "trace-1.2_3-abc"])
def test_a_callers_own_id_is_taken_where_it_is_well_formed(given: str) -> None:
    ledger = Lines()
    assert ask(client(ledger), headers={"x-request-id": given}).headers["x-request-id"] == given
    assert ledger.lines[0]["request"] == given


@pytest.mark.parametrize("given", ["short", "x" * 65, "a b c d e f g h", '12345678"}', "émile-12345", ""])
def test_another_id_is_made_anew(given: str) -> None:
    answer = ask(client(Lines()), headers={"x-request-id": given.encode()})
    assert answer.headers["x-request-id"].startswith("req-") and given not in (answer.headers["x-request-id"],)


def test_ids_differ_and_are_there_without_a_ledger() -> None:
    asked = client(None)
    ids = {ask(asked).headers["x-request-id"] for _ in range(3)} | {asked.get("/nowhere").headers["x-request-id"]}
    assert len(ids) == 4


def test_a_line_of_the_log_names_the_request(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "raftops.service"):
        answer = ask(client(None, Says(breaks)))
    assert f"(request {answer.headers['x-request-id']})" in caplog.text and "the text of a document" not in caplog.text


def test_the_question_is_kept_where_the_settings_say_so() -> None:
    ledger = Lines(question="text")
    ask(client(ledger))
    assert ledger.lines[0]["question"] == LEAVE


def test_what_is_stopped_from_outside_has_a_line_too() -> None:
    """BentoML's timeout cancels the request: nothing of ours answers it."""
    ledger = Lines()

    async def hangs(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def cancelled() -> None:
        scope = {"type": "http", "path": "/v1/search", "method": "POST", "headers": []}
        request = asyncio.ensure_future(Audited(hangs, ledger)(scope, None, None))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)

    asyncio.run(cancelled())
    [line] = ledger.lines
    assert (line["decision"], line["status"], line["reason"]) == ("abandoned", 0, "cancelled")


def test_a_real_ledger_under_callers_at_once_stays_a_chain(tmp_path: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from raftops.service.chain import check, digest_with, segments

    ledger = FileLedger(Audit(), tmp_path)
    asked = client(ledger)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: ask(asked, token=f"staff+g{n}").headers["x-request-id"], range(40)))
    ledger.close()
    [(name, files)] = segments(tmp_path).items()
    found = check(name, files, digest_with())
    lines = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert found.problems == [] and found.lines == 40
    assert {line["request"] for line in lines} == set(answers)
