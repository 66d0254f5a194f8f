"""A small client of the service, by the standard library alone. The token travels in a header, never in an address."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from raftops.errors import ServiceError

LARGEST = 8 << 20


def ask(url: str, token: str, question: str, *, timeout_seconds: float = 60.0, max_tokens: int | None = None) -> Any:
    """Put one question; returns the service's answer as JSON values (`choices`, `citations`, `abstained`...).

    Raises:
        ServiceError: the service cannot be reached, refuses, or sends something else.
    """
    body: dict[str, Any] = {"messages": [{"role": "user", "content": question}]}
    if max_tokens:
        body["max_tokens"] = max_tokens
    return call(f"{url.rstrip('/')}/v1/chat/completions", token, body, timeout_seconds=timeout_seconds)


def search(url: str, token: str, query: str, *, top_k: int = 5, timeout_seconds: float = 60.0) -> Any:
    """The passages nearest to a query that the token's owner may read."""
    body = {"query": query, "top_k": top_k}
    return call(f"{url.rstrip('/')}/v1/search", token, body, timeout_seconds=timeout_seconds)


def call(address: str, token: str, body: dict[str, Any], *, timeout_seconds: float) -> Any:
    """Send JSON, receive JSON."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")
    try:
        with _opener(address).open(request, timeout=timeout_seconds) as answer:
            return json.loads(answer.read(LARGEST))
    except urllib.error.HTTPError as error:
        raise ServiceError(f"{address}: {error.code}, {_message(error)}", next_step=_advice(error.code)) from None
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise ServiceError(f"{address}: cannot be reached ({reason})", next_step="raftops serve starts it") from error
    except ValueError as error:
        raise ServiceError(f"{address}: answers, but not in JSON", next_step="check the address") from error


@dataclass(frozen=True)
class Exchange:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    text: str


def exchange(
    address: str, token: str, body: Mapping[str, Any], headers: Mapping[str, str], timeout_seconds: float
) -> Exchange:
    """Send JSON with more headers, and take what comes: also a refusal, and a stream, whole.

    Raises:
        ServiceError: the service cannot be reached.
    """
    sent = {**headers, "Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(body).encode(), sent, method="POST")
    try:
        with _opener(address).open(request, timeout=timeout_seconds) as answer:
            return Exchange(answer.status, dict(answer.headers), answer.read(LARGEST).decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        return Exchange(error.code, dict(error.headers), error.read(LARGEST).decode("utf-8", "replace"))
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise ServiceError(f"{address}: cannot be reached ({reason})", next_step="raftops serve starts it") from error


def _message(error: urllib.error.HTTPError) -> str:
    """The message of an error in OpenAI's shape."""
    try:
        return str(json.loads(error.read(LARGEST))["error"]["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return error.reason


def _advice(status: int) -> str:
    if status == 401:
        return "check the token: development tokens stand in the file of deploy.identity.dev_tokens"
    return "try again in a moment" if status in (429, 503, 504) else ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to whoever it names."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow nothing."""


def _opener(address: str) -> urllib.request.OpenerDirector:
    """No redirects; no proxy for this machine."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https"):
        raise ServiceError(f"{address}: not an http address", next_step="write http://127.0.0.1:3000")
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if _is_here(parts.hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
