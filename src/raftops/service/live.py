"""What is served, and how it is refused: the words that the release's side and HTTP's side share. No framework.

Opening and following releases is `serving.py`'s work; routes and responses are `app.py`'s.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from raftops.access import AccessPolicies
from raftops.answer.answering import Answerer
from raftops.service.identity import Verifier


@dataclass(frozen=True)
class Live:
    """A release at work."""

    name: str
    release: str
    created: int
    """Seconds since 1970."""
    access: AccessPolicies
    answerer: Answerer


class Serving(Protocol):
    """What is served now."""

    @property
    def verifier(self) -> Verifier:
        """Who verifies tokens. Raises `Refused` while nothing is served yet."""

    def lease(self) -> AbstractContextManager[Live]:
        """The release, kept open until the block ends. Raises `Refused` while nothing is served yet."""


class Refused(Exception):
    """A request that is not answered; becomes an error in OpenAI's shape. Never carries what the caller wrote."""

    def __init__(
        self, status: int, code: str, message: str, param: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param
        self.retry_after = retry_after or (2 if status in (429, 503) else None)
        """Seconds after which it is worth another try."""

    def body(self) -> dict[str, Any]:
        """The error as OpenAI writes it."""
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(self.status)
        kind = kind or ("invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}
