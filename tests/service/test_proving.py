"""What counts as seen: a name, a sentence without its name, another document; and a service that lets anybody in."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from raftops.errors import ServiceError
from raftops.service.proving import needs_a_token, prove, telling

TEXTS = {
    "secret.md": 'Owner: the people team of the shop.\n\nThe "bonus" of the year is 4 percent of the pay. '
    "The board meets on the third Monday of March. Nobody outside of it knows the plan yet.",
    "open.md": "Owner: the people team of the shop.\n\nThe shop opens at nine in the morning every day.",
}


class Answers(BaseHTTPRequestHandler):
    """Says by the token what a test wants said."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        token = self.headers["authorization"].removeprefix("Bearer ")
        status, found, said = self.server.answers.get(token, self.server.answers.get("anybody", (401, [], "")))
        answer = {"data": [{"doc_id": d} for d in found]} if "query" in asked else {"choices": said, "citations": []}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture
def server():
    with HTTPServer(("127.0.0.1", 0), Answers) as here:
        here.answers, here.url = {"reader": (200, ["secret.md"], "")}, f"http://127.0.0.1:{here.server_address[1]}"
        threading.Thread(target=here.serve_forever, args=(0.01,), daemon=True).start()
        yield here
        here.shutdown()


def proof(server):
    return prove(server.url, ("reader", "other"), "secret.md", telling(TEXTS, "secret.md", ["open.md"]), ["open.md"])


def test_what_stands_elsewhere_tells_nothing_and_facts_come_first():
    told = telling(TEXTS, "secret.md", ["open.md"])
    assert told[0].startswith('The "bonus" of the year') and len(told) == 3 and not any("Owner" in one for one in told)


def test_a_reader_who_finds_it_and_another_who_sees_nothing_are_a_proof(server):
    server.answers["other"] = (200, ["open.md"], "I cannot find this in the documents.")
    assert proof(server).holds and proof(server).verdict == "proved"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (["secret.md"], ""),
        ([], "A bird told me:\nNobody outside of it\n knows the plan yet."),
        (["other-secret.md"], ""),
    ],
)
def test_a_name_a_sentence_without_its_name_and_another_document_are_no_proof(server, found, said):
    server.answers["other"] = (200, found, said)
    assert not proof(server).holds and proof(server).other.anything


def test_what_its_reader_does_not_find_is_not_proved(server):
    server.answers |= {"reader": (200, [], ""), "other": (200, [], "")}
    assert not proof(server).holds and "not proved" in proof(server).verdict


def test_a_refused_token_is_an_error_and_a_service_that_answers_anybody_too(server):
    needs_a_token(server.url)
    with pytest.raises(ServiceError, match="401"):
        proof(server)
    server.answers["anybody"] = (200, [], "")
    with pytest.raises(ServiceError, match="answers without a good token"):
        needs_a_token(server.url)
