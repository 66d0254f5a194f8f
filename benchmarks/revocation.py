"""Time from `raftops access apply` to the last answer that shows what was revoked, on a real service under load.

    python -m benchmarks.revocation specs/handbook.yaml

Needs a release (`make run`); works on a copy of it. Clients search and ask without a pause while a document is revoked
and given back, again and again. Two times count, both taken at the client: until the last answer that shows it was
received whole, and, of answers to questions that were put after the command had ended, how many show it (none may).
The baseline is what it took before: a whole run, by the record of the newest one here.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from pipelines.cli.authoring import releases_folder, store_folder
from pipelines.runs.record import Store
from raftops.access import AccessPolicies, Rule
from raftops.files import link_or_copy, read_jsonl
from raftops.release.current import current_release, promote
from raftops.release.in_force import apply_access
from raftops.release.release import Release
from raftops.service.dev_tokens import ensure_dev_tokens
from raftops.service.launch import Launch, Service, free_port
from raftops.spec.load import load_spec
from raftops.spec.model.serving import Identity

ROUNDS = 10
SEARCHERS, ASKERS = 4, 2
TRIED = 20
"""Questions tried, until one is answered with a citation."""
SETTLE_SECONDS = 2.5
"""Time between two changes, in which answers come."""


@dataclass
class Seen:
    """What the clients saw: when each question was put and answered, and whether the document was shown."""

    rows: list[tuple[float, float, bool, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)


def main(spec: Path) -> None:
    """Serve a copy, ask, revoke, print."""
    loaded = load_spec(spec)
    with tempfile.TemporaryDirectory() as folder:
        release = _copied(current_release(releases_folder(loaded)), Path(folder, "releases"))
        identity = Identity(dev_tokens=f"{folder}/tokens.json")
        group = loaded.assistant.spec.train.audience[0]
        token = ensure_dev_tokens(Path(identity.dev_tokens), tuple(release.access.groups))[group].token
        launch = Launch(release.path.parent, port=free_port(), identity=identity)
        with Service(launch, Path(folder) / "service.log") as service:
            service.wait_ready(180)
            headers = {"Authorization": f"Bearer {token}"}
            question, doc_id = _shown(service.url, headers, release)
            closed = _without(release.access, doc_id)
            with _clients(service.url, headers, question, doc_id) as seen:
                changes = [_change(release, closed) for _ in range(ROUNDS)]
    for kind in ("search", "chat"):
        _report(kind, [row for row in seen.rows if row[3] == kind], changes)
    _print("revocation.errors", count=len(seen.errors), kinds=sorted(set(seen.errors))[:3])
    runs = [run.seconds for run in Store(store_folder(loaded)).records(release.name) if run.status == "done"]
    _print("revocation.baseline_whole_run_seconds", seconds=round(max(runs), 1) if runs else None, n=len(runs))


def _copied(release: Release, releases: Path) -> Release:
    target = releases / release.path.name
    shutil.copytree(release.path, target, copy_function=link_or_copy)
    promote(releases, release.short)
    apply_access(releases, release.access)
    return current_release(releases)


def _shown(url: str, headers: dict[str, str], release: Release) -> tuple[str, str]:
    """A held-out question whose answer cites a document, and that document."""
    rows = (row for _, row in read_jsonl(release.path / "report" / "answers.jsonl"))
    with httpx.Client(base_url=url, headers=headers, timeout=60) as http:
        for question in list(dict.fromkeys(str(row["question"]) for row in rows))[:TRIED]:
            ask = {"messages": [{"role": "user", "content": question}]}
            citations = http.post("/v1/chat/completions", json=ask).json().get("citations")
            if citations:
                return question, str(citations[0]["doc_id"])
    raise SystemExit("nothing is cited by this release: there is nothing to revoke")


def _without(access: AccessPolicies, doc_id: str) -> AccessPolicies:
    """The policies in which nobody may read a document."""
    return access.model_copy(update={"documents": (Rule(match=doc_id, policy="nobody"), *access.documents)})


def _change(release: Release, closed: AccessPolicies) -> tuple[float, float, float]:
    """Revoke, wait, give back, wait; the times at which the command began and ended, and the document came back."""
    began = time.monotonic()
    apply_access(release.path.parent, closed)
    ended = time.monotonic()
    time.sleep(SETTLE_SECONDS)
    back = time.monotonic()
    apply_access(release.path.parent, release.access)
    time.sleep(SETTLE_SECONDS)
    return began, ended, back


@contextmanager
def _clients(url: str, headers: dict[str, str], question: str, doc_id: str) -> Iterator[Seen]:
    seen = Seen()
    ask = {"messages": [{"role": "user", "content": question}]}
    work: list[tuple[str, str, dict[str, Any]]] = [
        ("search", "/v1/search", {"query": question, "top_k": 20})
    ] * SEARCHERS + [("chat", "/v1/chat/completions", ask)] * ASKERS

    def client(kind: str, path: str, body: dict[str, Any]) -> None:
        with httpx.Client(base_url=url, headers=headers, timeout=60) as http:
            while not seen.stop.is_set():
                put = time.monotonic()
                answer = http.post(path, json=body)
                if answer.status_code == 200:
                    seen.rows.append((put, time.monotonic(), json.dumps(doc_id) in answer.text, kind))
                else:
                    seen.errors.append(f"{kind} {answer.status_code}")

    threads = [threading.Thread(target=client, args=one) for one in work]
    for thread in threads:
        thread.start()
    time.sleep(SETTLE_SECONDS)
    try:
        yield seen
    finally:
        seen.stop.set()
        for thread in threads:
            thread.join()


def _report(kind: str, rows: list[tuple[float, float, bool, str]], changes: list[tuple[float, float, float]]) -> None:
    last, late, asked = [], 0, 0
    for began, ended, back in changes:
        during = [row for row in rows if row[1] >= began and row[1] < back]
        last.append(max([received - ended for _, received, shown, _ in during if shown], default=0.0))
        after = [row for row in during if row[0] > ended]
        asked, late = asked + len(after), late + sum(shown for _, _, shown, _ in after)
    shown_before = sum(shown for _, received, shown, _ in rows if received < changes[0][0])
    _print(
        f"revocation.{kind}_last_answer_seconds", median=round(max(0.0, statistics.median(last)), 3),
        max=round(max(0.0, *last), 3), rounds=len(changes), answers=len(rows), shown_before=shown_before,
        asked_after=asked, of_these_shown=late,
    )  # fmt: skip


def _print(figure: str, **values: Any) -> None:
    print(json.dumps({"figure": figure, **values}))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "specs/handbook.yaml"))
