"""The end of a run: a record in any case, and a webhook that may be slow, wrong or away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from raftops.files import read_json
from raftops.release.outcome import finish, notify

ABOUT = {"name": "handbook", "spec": "s1", "commit": "c1", "data": "d1", "images": {"train": "x/train@sha256:1"}}
NO_WAITS = (0.0, 0.0, 0.0)


class Hook:
    """A webhook that answers as it is told, and keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.answers = [200]
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.told.append(json.loads(body))
                self.send_response(hook.answers[min(len(hook.told), len(hook.answers)) - 1])
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                """A page for whoever is sent elsewhere."""
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/services/T0/secret-part"


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever, args=(0.01,))
    thread.start()
    yield hook
    hook.server.shutdown()
    thread.join()
    hook.server.server_close()


def ended(tmp_path: Path, webhook: str = "", runs: str = "", state: str = "SUCCEEDED", error: str | None = None) -> Any:
    config = {"about": ABOUT, "runs": runs, "webhook": webhook}
    return finish(config, (state, "runs/r 1", error), tmp_path / "record", tmp_path / "summary.md")


def test_a_good_end_is_told_with_where_the_run_came_from(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_URL", hook.address)
    record = ended(tmp_path, "CHAT_URL")
    [told] = hook.told
    assert told == {name: value for name, value in record.items() if name != "notified"}
    assert record["notified"] == "told" and told | ABOUT == told
    assert read_json(tmp_path / "record" / "record.json") == record


def test_a_bad_end_is_told_with_its_reason(hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_URL", hook.address)
    ended(tmp_path, "CHAT_URL", state="FAILED", error="task | train `failed`")
    assert (hook.told[0]["state"], hook.told[0]["error"]) == ("FAILED", "task | train `failed`")
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("# handbook: failed") and "`task \\| train 'failed'`" in summary


def test_the_address_is_in_no_record_summary_or_log(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hook.answers = [404]
    monkeypatch.setenv("CHAT_URL", hook.address)
    record = ended(tmp_path, "CHAT_URL")
    assert record["notified"] == "it answered 404"
    said = capsys.readouterr()
    written = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    assert "the webhook was not told: it answered 404" in said.err
    assert not any("secret-part" in text for text in [said.out, said.err, *written])


def test_a_failing_server_is_asked_again_and_a_refusal_is_not(hook: Hook) -> None:
    hook.answers = [500, 503, 200]
    assert notify(hook.address, {}, NO_WAITS) == "told" and len(hook.told) == 3
    hook.told.clear()
    hook.answers = [403]
    assert notify(hook.address, {}, NO_WAITS) == "it answered 403" and len(hook.told) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307])
def test_a_redirect_is_not_taken_for_an_answer(hook: Hook, status: int) -> None:
    hook.answers = [status]
    assert notify(hook.address, {}, NO_WAITS) == f"it answered {status}"


def test_an_address_with_a_line_break_behind_it_is_that_address(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_URL", f"{hook.address}\n")
    assert ended(tmp_path, "CHAT_URL")["notified"] == "told"


def test_a_secret_that_is_not_there_is_said_in_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(tmp_path, "NOT_SET_ANYWHERE")["notified"] == "no address"
    assert "no address; see the secret that platform.notify names" in capsys.readouterr().err


def test_a_claim_that_takes_no_record_makes_no_good_run_a_bad_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("a file in the way", encoding="utf-8")
    assert ended(tmp_path, runs=str(tmp_path / "runs"))["state"] == "SUCCEEDED"
    assert "the record was not written to" in capsys.readouterr().err
    assert read_json(tmp_path / "record" / "record.json")["name"] == "handbook"


def test_a_webhook_that_is_away_or_no_address_does_not_fail_the_end(tmp_path: Path, hook: Hook) -> None:
    hook.server.server_close()
    assert notify("http://127.0.0.1:9/x", {}, NO_WAITS).startswith("it could not be reached")
    assert notify("file:///etc/passwd", {}, NO_WAITS) == "not an http address"
    assert ended(tmp_path, "NOT_SET_ANYWHERE")["notified"] == "no address"


def test_where_there_is_a_workspace_the_record_outlives_the_pod(tmp_path: Path) -> None:
    ended(tmp_path, runs=str(tmp_path / "store" / "runs"))
    assert read_json(tmp_path / "store" / "runs" / "runs-r-1" / "record.json")["name"] == "handbook"
