"""A caller of an ASGI app in this process and this loop: may dawdle with its body, and may hang up."""

import asyncio
import json
from dataclasses import dataclass, field

CHAT = "/v1/chat/completions"


@dataclass
class Said:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self):
        """OpenAI's code of an error."""
        return json.loads(self.body)["error"]["code"]


async def call(app, token="staff", question="How many days of leave in Norway?", *, body=None, gone=None, **more):
    """Ask, and wait for the end of the answer. `body` is one part that is all that ever comes; `gone` hangs up."""
    path = more.pop("path", CHAT)
    whole = json.dumps({"messages": [{"role": "user", "content": question}], "query": question, **more}).encode()
    said, parts = Said(), [{"type": "http.request", "body": whole if body is None else body, "more_body": bool(body)}]
    gone = gone or asyncio.Event()

    async def receive():
        if parts:
            return parts.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.start":
            said.status = message["status"]
            said.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            said.body += message.get("body", b"")

    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
        "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers, "scheme": "http",
        "server": ("x", 80), "client": ("y", 1), "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    return said
