"""The review over a real server on the loopback: what a browser sends, and what another page would."""

import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from raftops.errors import StepError
from raftops.examples.review import Review, ReviewServer, Stale
from raftops.files import read_json, read_jsonl, write_jsonl

TEXTS = {"leave.md": "Leave\n\nEmployees receive 26 days of leave. Ask in Rota.", "pay.md": "Payday is the 25th."}
DRAFTS = [
    {"id": "draft-fact-1", "kind": "knowledge", "question": "How many days?", "answer": "26 days.",
     "evidence": [{"doc_id": "leave.md", "quote": "Employees receive 26 days of leave."}]},
    {"id": "draft-fact-2", "kind": "knowledge", "question": "When is payday?", "answer": "The 25th.",
     "evidence": [{"doc_id": "pay.md", "quote": "Payday is the 25th."}]},
    {"id": "draft-near-miss-3", "kind": "knowledge", "question": "Pets?", "unanswerable": True, "near_miss": True},
]  # fmt: skip


class Page:
    """A browser's requests to a server."""

    def __init__(self, server: ReviewServer) -> None:
        self.server = server

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_address[1], timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, json.dumps(body) if body is not None else None, sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text, dict(answer.getheaders())

    def get(self, path: str) -> Any:
        return json.loads(self.ask("GET", f"/{self.server.token}/{path}")[1])

    def post(self, path: str, **body: Any) -> tuple[int, Any]:
        status, text, _ = self.ask("POST", f"/{self.server.token}/{path}", body, X_Review_Token=self.server.token)
        return status, json.loads(text)


@pytest.fixture
def drafts(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "drafts.jsonl", DRAFTS)
    return tmp_path / "drafts.jsonl"


@pytest.fixture
def page(drafts: Path) -> Iterator[Page]:
    with ReviewServer(Review.open(drafts, TEXTS, drafts.with_name("reviewed.jsonl"))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Page(server)
        server.shutdown()
        thread.join(timeout=10)


def accepted(drafts: Path) -> list[dict[str, Any]]:
    file = drafts.with_name("reviewed.jsonl")
    return [row for _, row in read_jsonl(file)] if file.is_file() else []


def test_the_page_allows_nothing_but_its_own_script_and_style(page: Page) -> None:
    status, text, headers = page.ask("GET", f"/{page.server.token}/")
    policy = headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)
    assert status == 200 and policy.startswith("default-src 'none';") and "unsafe" not in policy and nonce
    assert text.count(f'nonce="{nonce[1]}"') == 2 and not re.search(r"https?://|\bon\w+=|style=\"", text)
    again = page.ask("GET", f"/{page.server.token}/")[2]["Content-Security-Policy"]
    assert again != policy, "a nonce is used once"


def test_evidence_is_shown_in_its_document(page: Page) -> None:
    shown = page.get("item/0")["evidence"][0]
    assert shown["found"] and shown["marked"] == "Employees receive 26 days of leave."
    assert (shown["before"], shown["after"]) == ("Leave\n\n", " Ask in Rota.")
    assert page.get("item/2")["evidence"] == []


def test_accept_edit_reject_and_undo_are_written_at_once(page: Page, drafts: Path) -> None:
    assert page.post("accept", number=0) == (200, {"wrong": []})
    assert [row["id"] for row in accepted(drafts)] == ["fact-1"]
    edited = {"question": "Which day is payday?", "accepted": ["25th"], "id": "x", "split": "test"}
    assert page.post("accept", number=1, row=edited)[0] == 200
    row = accepted(drafts)[1]
    assert (row["id"], row["question"], row["accepted"]) == ("fact-2", "Which day is payday?", ["25th"])
    assert "split" not in row
    assert page.post("accept", number=2)[0] == 200 and accepted(drafts)[2]["near_miss"]
    page.post("reject", number=0)
    assert [row["id"] for row in accepted(drafts)] == ["fact-2", "near-miss-3"]
    assert page.post("undo") == (200, {"number": 0})
    assert [item["decision"] for item in page.get("overview")["items"]] == ["", "accepted", "accepted"]


def test_a_row_that_will_not_do_is_not_accepted_and_says_why(page: Page, drafts: Path) -> None:
    wrong = {"evidence": [{"doc_id": "leave.md", "quote": "Employees receive 30 days."}]}
    status, body = page.post("accept", number=0, row=wrong)
    assert (status, body["wrong"]) == (422, ["the quote does not stand in leave.md"])
    assert page.post("accept", number=0, row={"answer": ""})[0] == 422
    assert accepted(drafts) == []


def test_a_review_goes_on_where_it_stopped(page: Page, drafts: Path) -> None:
    page.post("accept", number=0)
    page.post("reject", number=2)
    again = Review.open(drafts, TEXTS, drafts.with_name("reviewed.jsonl"))
    assert again.decisions == {"draft-fact-1": "accepted", "draft-near-miss-3": "rejected"}
    assert again.undo() == 2 and again.undo() == 0 and again.undo() is None
    assert accepted(drafts) == []


def test_two_reviews_of_one_file_keep_each_others_decisions(page: Page, drafts: Path) -> None:
    other = Review.open(drafts, TEXTS, drafts.with_name("reviewed.jsonl"))
    assert page.post("accept", number=0, seen="")[0] == 200
    assert other.accept(1) == []
    assert page.post("reject", number=2, seen="")[0] == 200
    assert sorted(row["id"] for row in accepted(drafts)) == ["fact-1", "fact-2"]
    again = Review.open(drafts, TEXTS, drafts.with_name("reviewed.jsonl"))
    assert list(again.decisions.values()) == ["accepted", "accepted", "rejected"]
    assert other.undo() == 1 and other.undo() is None, "what another review decided is not undone here"


def test_a_decision_about_a_draft_that_another_decided_meanwhile_is_refused(page: Page, drafts: Path) -> None:
    other, seen = Review.open(drafts, TEXTS, drafts.with_name("reviewed.jsonl")), page.get("item/0")["decision"]
    assert other.accept(0, {"answer": "26 days"}) == []
    page.get("overview")
    status, body = page.post("reject", number=0, seen=seen)
    assert (status, body["error"]) == (409, "another review accepted this draft meanwhile: look at it again")
    assert [row["answer"] for row in accepted(drafts)] == ["26 days"]
    assert page.post("reject", number=0, seen=page.get("item/0")["decision"])[0] == 200 and accepted(drafts) == []
    with pytest.raises(Stale, match="rejected this draft meanwhile"):
        other.accept(0)


def test_processes_that_decide_at_once_lose_nothing(tmp_path: Path) -> None:
    rows = [DRAFTS[2] | {"id": f"draft-{n}", "question": f"Pets {n}?"} for n in range(24)]
    write_jsonl(tmp_path / "drafts.jsonl", rows)
    deciding = (
        "import sys; from pathlib import Path; from raftops.examples.review import Review; here = Path(sys.argv[1]);"
        "review = Review.open(here / 'drafts.jsonl', {}, here / 'out/reviewed.jsonl');"
        "[review.accept(n) for n in range(int(sys.argv[2]), 24, 3)]"
    )
    started = [subprocess.Popen([sys.executable, "-c", deciding, str(tmp_path), str(n)]) for n in range(3)]
    assert [one.wait(60) for one in started] == [0, 0, 0]
    assert len(list(read_jsonl(tmp_path / "out/reviewed.jsonl"))) == 24
    assert len(read_json(tmp_path / "drafts.jsonl.review.json")["order"]) == 24
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["reviewed.jsonl"], "no lock lies there"


def test_other_pages_and_other_names_are_refused(page: Page, drafts: Path) -> None:
    token = page.server.token
    assert page.ask("GET", f"/{token}/overview", Host="rebound.example:80")[0] == 421
    assert page.ask("GET", "/overview")[0] == page.ask("GET", "/wrong/overview")[0] == page.ask("GET", "/")[0] == 404
    assert page.ask("POST", f"/{token}/accept", {"number": 0})[0] == 403, "a form of another page has no header"
    assert page.ask("POST", f"/{token}/accept", {"number": 0}, X_Review_Token="x" * 43)[0] == 403
    other = {"X_Review_Token": token, "Origin": "https://evil.example"}
    assert page.ask("POST", f"/{token}/accept", {"number": 0}, **other)[0] == 403
    assert page.post("accept", number=99)[0] == 404 and page.post("accept", number="x")[0] == 400
    assert page.server.server_address[0] == "127.0.0.1" and accepted(drafts) == []


def test_finish_ends_the_server(drafts: Path) -> None:
    with ReviewServer(Review.open(drafts, TEXTS, drafts.with_name("reviewed.jsonl"))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        assert Page(server).post("finish") == (200, {})
        thread.join(timeout=10)
        assert not thread.is_alive() and server.finished


def test_drafts_without_an_id_each_are_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "drafts.jsonl", [DRAFTS[0], DRAFTS[0]])
    with pytest.raises(StepError, match=r"drafts.jsonl:1: no id of its own"):
        Review.open(tmp_path / "drafts.jsonl", TEXTS, tmp_path / "out.jsonl")
    write_jsonl(tmp_path / "none.jsonl", [])
    with pytest.raises(StepError, match="holds no draft"):
        Review.open(tmp_path / "none.jsonl", TEXTS, tmp_path / "out.jsonl")


def test_a_tab_that_is_closed_before_its_answer_comes_is_no_error(
    page: Page, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Event()

    def gone(number: int) -> None:
        shown.set()
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(page.server.review, "item", gone)
    with socket.create_connection(page.server.server_address[:2]) as tab:
        host = page.server.origin.removeprefix("http://")
        tab.sendall(f"GET /{page.server.token}/item/0 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert shown.wait(10) and tab.recv(10) == b""
    assert "Traceback" not in capfd.readouterr().err


def test_a_users_own_example_is_never_written_over(tmp_path: Path) -> None:
    drafts, out = tmp_path / "drafts.jsonl", tmp_path / "examples.jsonl"
    write_jsonl(drafts, DRAFTS)
    own = {"id": "fact-1", "kind": "knowledge", "question": "Mine?", "unanswerable": True}
    write_jsonl(out, [own])
    with pytest.raises(StepError, match="holds another example with the id fact-1"):
        Review.open(drafts, TEXTS, out)
    assert [row for _, row in read_jsonl(out)] == [own]
    write_jsonl(out, [own | {"id": "of-my-own"}])
    review = Review.open(drafts, TEXTS, out)
    assert review.accept(0, {"question": "Edited?"}) == []
    review.state.write_text('{"decisions": {}, "order": []}', encoding="utf-8")  # killed between the two files
    again = Review.open(drafts, TEXTS, out)
    again.reject(0)
    assert [row["id"] for _, row in read_jsonl(out)] == ["of-my-own"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": 7}, "no id of its own"), ({"id": "draft-"}, "no id of its own"),
        ({"id": "a", "evidence": "Payday is the 25th."}, "evidence must be a list"),
        ({"id": "a", "evidence": [5]}, "evidence must be a list"), ({"id": "a", "evidence": None}, "evidence must be"),
        ({"id": "a", "question": "\ud83d"}, "half a character"),
    ],
)  # fmt: skip
def test_a_draft_that_cannot_be_shown_is_named_before_the_page_opens(tmp_path: Path, row: Any, said: str) -> None:
    (tmp_path / "drafts.jsonl").write_text(f"{json.dumps(DRAFTS[1])}\n{json.dumps(row)}\n", encoding="utf-8")
    with pytest.raises(StepError, match=f"drafts.jsonl:2: {said}"):
        Review.open(tmp_path / "drafts.jsonl", TEXTS, tmp_path / "out.jsonl")


def test_a_decision_that_cannot_be_written_is_none(drafts: Path) -> None:
    review = Review.open(drafts, TEXTS, drafts.with_name("reviewed.jsonl"))
    review.out.mkdir()
    with pytest.raises(OSError, match="directory"):
        review.accept(0)
    assert review.decisions == {} and review.order == []


def test_a_body_that_no_page_sends_is_answered(page: Page, drafts: Path) -> None:
    assert page.post("accept", number=float("inf"))[0] == 400
    assert page.post("accept", number=0, row={"question": "\ud83d"})[0] == 400
    assert accepted(drafts) == []


def test_a_state_that_is_none_is_said(drafts: Path) -> None:
    drafts.with_name("drafts.jsonl.review.json").write_text("[]", encoding="utf-8")
    with pytest.raises(StepError, match="no decisions of a review"):
        Review.open(drafts, TEXTS, drafts.with_name("reviewed.jsonl"))
