"""The counters are on a port of their own, which answers one thing, shortly, and to a few at a time."""

import socket
import time
import urllib.error
import urllib.request
from contextlib import suppress

import pytest

from raftops.errors import ServiceError
from raftops.service import metrics_port
from raftops.service.launch import free_port
from raftops.service.metrics import Metrics
from raftops.service.metrics_port import MetricsPort, address_of
from raftops.service.settings import Settings


@pytest.fixture
def port():
    metrics = Metrics()
    metrics.denied.labels("expired").inc()
    server = MetricsPort(metrics, f"127.0.0.1:{free_port()}")
    yield server
    server.close()


def answer(server, request):
    """All that comes back; nothing where there was no room."""
    with socket.create_connection(server.server_address, timeout=10) as link, suppress(OSError):
        link.sendall(request)
        link.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: link.recv(65536), b"")).decode()
    return ""


def test_it_gives_the_counters_in_prometheus_format(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port.server_port}/metrics", timeout=10) as found:
        assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert 'raftops_denied_total{reason="expired"} 1.0' in found.read().decode()


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metrics?x", "/v1/search", "/metrics/../metrics"])
def test_there_is_nothing_else(port, path):
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"http://127.0.0.1:{port.server_port}{path}", timeout=10)
    assert raised.value.code == 404 and raised.value.read() == b"404\n"


@pytest.mark.parametrize(
    "request_", [b"POST /metrics HTTP/1.1\r\n\r\n", b"SECRET /metrics HTTP/1.1\r\n\r\n", b"SECRET\r\n\r\n", b"\0" * 9]
)
def test_another_request_is_refused_and_not_repeated(port, request_):
    said = answer(port, request_)
    assert "raftops_" not in said and "SECRET" not in said and "Python" not in said


def test_who_dawdles_is_cut_off_and_the_others_are_answered_again(monkeypatch):
    monkeypatch.setattr(metrics_port, "SECONDS", 0.5)
    server = MetricsPort(Metrics(), f"127.0.0.1:{free_port()}")
    address, get = server.server_address, b"GET /metrics HTTP/1.0\r\n\r\n"
    slow = [socket.create_connection(address, timeout=10) for _ in range(metrics_port.AT_ONCE)]
    for link in slow:
        link.sendall(b"GET /met")
    time.sleep(0.1)
    try:
        with socket.create_connection(address, timeout=10) as fifth:
            assert fifth.recv(1) == b"", "no room"
    except ConnectionResetError:
        pass
    assert [link.recv(100) for link in slow] == [b""] * len(slow)
    ends = time.monotonic() + 20
    while "raftops_questions_in_queue" not in answer(server, get):
        assert time.monotonic() < ends, "the room of who dawdled is not given back"
        time.sleep(0.05)
    server.close()


def test_without_an_address_there_is_none_and_one_port_is_this_machines():
    assert Settings.of({}).metrics == "" and Settings.of({"RAFTOPS_METRICS": ":9464"}).metrics == ":9464"
    assert address_of("9464") == address_of(":9464") == ("127.0.0.1", 9464)
    assert address_of("0.0.0.0:1") == ("0.0.0.0", 1) and address_of("[::1]:80") == ("::1", 80)


@pytest.mark.parametrize(
    "written", ["", "x", "127.0.0.1", "127.0.0.1:", "::1:80:", "1:2:3", "h:0", "h:65536", "h:²", "a b:1"]
)
def test_what_is_no_address_is_said(written):
    with pytest.raises(ServiceError, match="is no host and port") as caught:
        address_of(written)
    assert "--metrics" in caught.value.next_step


def test_a_taken_port_is_said(port):
    with pytest.raises(ServiceError, match="metrics cannot listen there"):
        MetricsPort(Metrics(), f"127.0.0.1:{port.server_port}")
