"""The workflow that `raftops init --ci gitlab` writes, its scripts run as GitLab's shell would, curl against its API.

GitLab joins `before_script` and `script` into one bash script. Its server is a stand-in with the two routes used.
"""

from __future__ import annotations

import json
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from raftops.spec.template import CI, write_ci
from tests.ci.repository import TOKEN, Repository, bash, executable, python, repository
from tests.storage import KEYS, storage_fixture

__all__ = ["python", "repository", "storage_fixture"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
NOTES = "notes-token-of-the-test"


class Notes(BaseHTTPRequestHandler):
    """Notes on merge request 7 of project 3."""

    written: list[str]

    def do_GET(self) -> None:
        sha = self.path.split("/")[-2]
        wanted = f"/api/v4/projects/3/repository/commits/{sha}/merge_requests"
        self._answer(200 if self.path == wanted else 404, [{"iid": 7, "state": "merged"}])

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True)
        if self.path == "/api/v4/projects/3/merge_requests/7/notes" and self.headers["PRIVATE-TOKEN"] == NOTES:
            self.written.append(body["body"][0])
        self._answer(201, {})

    def _answer(self, status: int, value: Any) -> None:
        if self.headers["PRIVATE-TOKEN"] != NOTES:
            status = 401
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def notes() -> Iterator[tuple[str, list[str]]]:
    """Address of the API, and what was written."""
    handler = type("Mine", (Notes,), {"written": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/v4", handler.written
        server.shutdown()


@dataclass(frozen=True)
class GitLab:
    """The repository on GitLab, where `before_script` and `script` are one bash script, and its notes."""

    repository: Repository
    api: str
    notes: list[str]

    def run(self, job: str) -> tuple[bool, str]:
        """Whether a job of a fresh clone succeeded, and what it printed."""
        root, scratch = self.repository.root, self.repository.scratch
        sha = self.repository.commit(job)
        body = yaml.safe_load((root / CI["gitlab"]).read_text(encoding="utf-8"))
        work = scratch / f"{job}-{sha[:6]}"
        subprocess.run(["git", "clone", "--quiet", str(root), str(work)], check=True, capture_output=True)
        environment = self.repository.environment(**body["variables"]) | {
            "PACKAGE": self.repository.package, "FLAGS": "-f cluster.yaml", **KEYS,
            "KFP_ENDPOINT": self.repository.kubeflow, "KFP_TOKEN": TOKEN, "NOTES_TOKEN": NOTES,
            "CI_API_V4_URL": self.api, "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_SHA": sha,
        }  # fmt: skip
        ended = bash("\n".join([*body[job]["before_script"], *body[job]["script"]]), work, environment)
        status = "failed" if ended.returncode else "success"
        after = bash("\n".join(body[job].get("after_script", ())), work, environment | {"CI_JOB_STATUS": status})
        return ended.returncode == 0, ended.stdout + after.stdout


@pytest.fixture
def gitlab(repository: Repository, notes: tuple[str, list[str]]) -> GitLab:
    """The image's Python makes environments that see the packages of this machine."""
    write_ci(repository.root, "gitlab", "raftops.yaml", "guide")
    packages, settings = sysconfig.get_paths()["purelib"], repository.python.parent / "pip.conf"
    executable(
        repository.tools / "python",
        f'#!/bin/bash\nif [ "$1 $2" != "-m venv" ]; then exec {repository.python}/python "$@"; fi\n'
        f'{repository.python}/python -m venv --without-pip "$3"\n'
        f'echo {packages} > "$(echo "$3"/lib/python3*/site-packages)/here.pth"\ncp {settings} "$3/pip.conf"\n',
    )
    return GitLab(repository, *notes)


def test_a_merge_request_gets_its_plan_and_a_merge_its_evaluation(gitlab: GitLab) -> None:
    good, planned = gitlab.run("plan")
    assert good, planned
    [note] = gitlab.notes
    assert "**7 of 7 steps run**" in note and "raftops plan on Kubeflow" in note
    gitlab.repository.ends = ["0.25"]
    (gitlab.repository.root / "merged").touch()
    good, ran = gitlab.run("run")
    assert good, ran
    assert len(gitlab.notes) == 2 and gitlab.notes[1].startswith("### raftops evaluation: guide")
    for secret in (TOKEN, NOTES, KEYS["ARTIFACTS_SECRET_KEY"]):
        assert not [text for text in (planned, ran, *gitlab.notes) if secret in text]


def test_a_failed_run_fails_the_job(gitlab: GitLab) -> None:
    gitlab.repository.ends = ["FAILED"]
    good, shown = gitlab.run("run")
    assert not good and "failed: no step of ours failed" in " ".join(shown.split()) and gitlab.notes == []
    assert "### raftops: the run did not succeed" in shown
    assert "no step of ours failed; a driver pod or the workflow itself did" in " ".join(shown.split())
