import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from raftops.errors import ServiceError
from raftops.service.client import ask, search


class Recorder(BaseHTTPRequestHandler):
    """Answers what the test says and keeps what came."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.path, dict(self.headers), json.loads(body)))
        status, headers, text = self.server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture
def server():
    with HTTPServer(("127.0.0.1", 0), Recorder) as here:
        here.seen, here.answer = [], (200, {}, '{"ok": true}')
        here.url = f"http://127.0.0.1:{here.server_address[1]}"
        threading.Thread(target=here.serve_forever, args=(0.01,), daemon=True).start()
        yield here
        here.shutdown()


def test_a_question_travels_in_the_body_and_the_token_in_a_header(server):
    assert ask(server.url, "secret-token", "What?", max_tokens=9) == {"ok": True}
    assert search(server.url + "/", "secret-token", "x", top_k=2) == {"ok": True}
    (path, headers, body), (other, _, query) = server.seen
    assert path == "/v1/chat/completions" and "secret-token" not in path
    assert headers["Authorization"] == "Bearer secret-token"
    assert body == {"messages": [{"role": "user", "content": "What?"}], "max_tokens": 9}
    assert other == "/v1/search" and query == {"query": "x", "top_k": 2}


def test_an_error_says_what_the_service_said_and_what_next(server):
    server.answer = (401, {}, '{"error": {"message": "unknown token"}}')
    with pytest.raises(ServiceError, match="401, unknown token") as raised:
        ask(server.url, "secret-token", "What?")
    assert "token" in raised.value.next_step and "secret-token" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "<html>", "[]"])
def test_an_error_of_another_shape_is_still_an_error(server, text):
    server.answer = (500, {}, text)
    with pytest.raises(ServiceError, match="500"):
        ask(server.url, "t", "What?")


def test_a_redirect_does_not_carry_the_token_away(server):
    server.answer = (302, {"Location": f"{server.url}/elsewhere"}, "")
    with pytest.raises(ServiceError, match="302"):
        ask(server.url, "t", "What?")
    assert len(server.seen) == 1


def test_a_proxy_is_not_asked_for_this_machine(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask(server.url, "t", "What?") == {"ok": True}


def test_a_page_that_is_not_json_is_named(server):
    server.answer = (200, {}, "<html>")
    with pytest.raises(ServiceError, match="not in JSON"):
        ask(server.url, "t", "What?")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "file:///etc/passwd", "ftp://x"])
def test_what_cannot_be_asked_is_named(url):
    with pytest.raises(ServiceError, match="cannot be reached|not an http address"):
        ask(url, "t", "What?", timeout_seconds=2)
