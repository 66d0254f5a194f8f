"""Connections that ask nothing, slowly, or too much: a real server of uvicorn on loopback, with our protocol."""

import asyncio
import socket
import threading
import time

import pytest
import uvicorn

from raftops.service.app import create_app
from raftops.service.connections import PromptHttp
from raftops.service.metrics import Metrics
from tests.retrieval.tiny import passage
from tests.service.doubles import Held, Says, live

LEAVE = passage(1, "Employees in Norway get 27 days of leave.", "open", "Leave", "leave.md")
SOON = 0.3


class Prompt(PromptHttp):
    header_seconds = SOON


@pytest.fixture(scope="module")
def port():
    app = create_app(Held(live([LEAVE], Says("27 days [1]"))), Metrics())
    config = uvicorn.Config(app, http=Prompt, log_config=None, lifespan="off", timeout_keep_alive=60)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(timeout=10)


def open_connection(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(20)
    return connection


def heard(connection):
    """Everything that comes until the other side closes."""
    said = b""
    while part := connection.recv(65536):
        said += part
    return said


@pytest.mark.parametrize("said", [b"", b"POST /v1/search HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_connection_that_never_becomes_a_request_is_closed(port, said):
    with open_connection(port) as connection:
        connection.sendall(said)
        assert heard(connection) == b""


def test_one_header_byte_after_the_other_does_not_keep_it_open(port):
    with open_connection(port) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        first = connection.recv(65536)
        assert b" 401 " in first
        with pytest.raises(OSError):  # broken pipe or reset, as the kernel has it
            for _ in range(200):
                connection.sendall(b"G")
                time.sleep(0.02)


def test_headers_have_a_bound(port):
    def asked(lines):
        headers = "".join(f"X-{n}: {'y' * 1000}\r\n" for n in range(lines))
        with open_connection(port) as connection:
            connection.sendall(f"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode())
            try:
                return heard(connection)
            except ConnectionResetError:  # closed before all of it was read
                return b""

    assert b" 401 " in asked(30)
    assert b" 401 " not in asked(200)


def test_a_request_at_work_is_not_taken_for_an_idle_connection(port):
    with open_connection(port) as connection:
        head = "POST /v1/search HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer staff\r\nContent-Length: 18\r\n\r\n"
        connection.sendall(head.encode() + b"{")
        time.sleep(2 * SOON)
        connection.sendall(b'"query": "leave"}')
        assert b" 200 " in connection.recv(65536)
