"""Connections that ask nothing: uvicorn waits for a request without end, here its headers have some seconds.

What a request's headers may hold, h11 bounds (64 KiB in all); its body, `guard.py`.
"""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""Longest time from the begin of a connection, or the answer before, to the last header of a request."""


class PromptHttp(H11Protocol):
    """HTTP/1.1 over one connection, which is closed where no request comes of it."""

    header_seconds = HEADER_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_request()

    def on_response_complete(self) -> None:
        """Wait for the next one."""
        super().on_response_complete()
        self._wait_for_request()

    def _wait_for_request(self) -> None:
        answered = self.cycle  # a new request makes a new one
        self.loop.call_later(self.header_seconds, self._close_without, answered)

    def _close_without(self, answered: object) -> None:
        if self.cycle is answered and not self.transport.is_closing():
            self.transport.close()


def allow_open_files() -> None:
    """As many connections as the system lets a process have: the usual 1,024 are taken by idle ones alone."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS calls it endless, and then takes no such number
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
