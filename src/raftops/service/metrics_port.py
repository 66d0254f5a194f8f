"""What the service counts, for Prometheus, on a port of its own: callers of the service have no way to it.

Off unless an address is named (`RAFTOPS_METRICS`). Answers `GET /metrics` and nothing else, a few at a time, each
within seconds; asks nobody who he is, so the address is this machine's own or behind a network policy.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread, Timer
from typing import Any

from raftops.errors import ServiceError
from raftops.service.metrics import Metrics

AT_ONCE = 4
SECONDS = 5.0
"""Longest time for a request, whole."""
NEXT = "set RAFTOPS_METRICS (raftops serve --metrics) to an address and a free port, as 127.0.0.1:9464"


def address_of(written: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9464` or `[::1]:9464`; a port alone is this machine's own.

    Raises:
        ServiceError: it is neither.
    """
    host, _, port = written.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") or host.count(":") == 0 else " "
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536 or " " in host:
        raise ServiceError(f"RAFTOPS_METRICS: {written!r} is no host and port", next_step=NEXT)
    return host or "127.0.0.1", int(port)


class MetricsPort(ThreadingHTTPServer):
    """The server, in threads of its own. Close it by `close`."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, metrics: Metrics, written: str) -> None:
        """Listen at once.

        Raises:
            ServiceError: nothing can listen there.
        """
        self.metrics = metrics
        self._room = BoundedSemaphore(AT_ONCE)
        host, port = address_of(written)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Answer)
        except OSError as error:
            raise ServiceError(f"{written}: metrics cannot listen there ({error})", next_step=NEXT) from error
        Thread(target=self.serve_forever, name="raftops-metrics", daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, where there is room."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One request; whoever dawdles is cut off."""
        cut = Timer(SECONDS, _cut_off, (request,))
        cut.daemon = True
        cut.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            cut.cancel()
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that hung up is nobody's concern."""

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()


def _cut_off(link: socket.socket) -> None:
    """End a connection both ways: whoever waits for it in another thread is woken."""
    with suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


class _Answer(BaseHTTPRequestHandler):
    server: MetricsPort
    server_version, sys_version = "raftops", ""
    error_message_format, error_content_type = "%(code)d\n", "text/plain"

    def do_GET(self) -> None:
        """The counters."""
        if self.path != "/metrics":
            self.send_error(404)
            return
        text = self.server.metrics.text()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """A code, without what was asked."""
        super().send_error(code)

    def log_message(self, *_: Any) -> None:
        """No line of the log holds what was asked."""
