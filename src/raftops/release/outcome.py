"""How a run ended: its record, and a word to a webhook. Runs after good and bad ends alike, so it does not fail itself.

The webhook's address is a secret: it comes by an environment variable and is in no record, log or message.
"""

from __future__ import annotations

import json
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import HTTPException
from os import environ
from pathlib import Path
from typing import Any

from raftops.files import write_json, write_text

WAITS = (0.0, 1.0, 4.0)
"""Seconds before each attempt to reach the webhook."""
TIMEOUT_SECONDS = 10.0
Record = dict[str, Any]


def finish(config: Mapping[str, Any], ended: tuple[str, str, str | None], record: Path, summary: Path) -> Record:
    """Write the record and its summary, and tell the webhook.

    `config` holds `about` (name, spec, commit, data, images, keys), `runs` (a folder that outlives the pod; none where
    empty) and `webhook` (an environment variable; none where empty). `ended` is the state, the run and what went wrong.
    """
    state, run, error = ended
    made: Record = {
        "run": run, "state": state, "error": error or "", "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **config["about"],
    }  # fmt: skip
    made["notified"] = notify(environ.get(config["webhook"], "").strip(), made) if config["webhook"] else "nobody asked"
    write_json(record / "record.json", made)
    write_text(summary, _markdown(made))
    if config["runs"]:
        kept = Path(config["runs"]) / re.sub(r"[^\w.-]+", "-", run) / "record.json"
        try:
            write_json(kept, made)
        except OSError as error:  # a claim that is full or read-only makes no good run a bad one
            sys.stderr.write(f"the record was not written to {kept}: {error.strerror}\n")
    return made


def notify(address: str, record: Record, waits: tuple[float, ...] = WAITS) -> str:
    """Post a record as JSON; says `told`, or why not. A refusal is not tried again, a failing server is."""
    if not re.match(r"https?://", address):
        said = "no address" if not address else "not an http address"
        sys.stderr.write(f"the webhook was not told: {said}; see the secret that platform.notify names\n")
        return said
    body = json.dumps(record, ensure_ascii=False).encode()
    said = ""
    for wait in waits:
        time.sleep(wait)
        said, again = _post(address, body)
        if not again:
            break
    if said != "told":
        sys.stderr.write(f"the webhook was not told: {said}\n")
    return said


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST arrives as a GET, without its record."""

    def redirect_request(self, *_: Any) -> None:
        """Nowhere else: the redirect is the answer."""


_OPENER = urllib.request.build_opener(_NoRedirects)


def _post(address: str, body: bytes) -> tuple[str, bool]:
    """What came of it, and whether another attempt may help."""
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"}, method="POST")
    try:
        with _OPENER.open(request, timeout=TIMEOUT_SECONDS):
            return "told", False
    except urllib.error.HTTPError as error:
        with error:
            return f"it answered {error.code}", error.code >= 500 or error.code == 429
    except (OSError, HTTPException, ValueError) as error:
        return f"it could not be reached ({type(error).__name__})", True


def _markdown(record: Record) -> str:
    rows = {name: record[name] for name in ("name", "state", "error", "run", "spec", "commit", "data", "finished")}
    lines = [f"| {name} | `{_cell(value)}` |" for name, value in rows.items() if value]
    images = [f"| image of {step} | `{_cell(image)}` |" for step, image in sorted(record["images"].items())]
    return "\n".join([f"# {record['name']}: {record['state'].lower()}", "", "| | |", "|---|---|", *lines, *images, ""])


def _cell(value: str) -> str:
    return " ".join(value.replace("|", "\\|").replace("`", "'").split())
