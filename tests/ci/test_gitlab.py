"""The workflow that `raftops init --ci gitlab` writes, its scripts run as GitLab's shell would, curl against its API.

GitLab joins `before_script` and `script` into one bash script. Its server is a stand-in with the two routes used.
"""

from __future__ import annotations

import json
import subprocess
import sysconfig
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from raftops.spec.template import CI, write_ci
from tests.ci.forge import TOKEN, Forge, forge, python
from tests.storage import KEYS, storage_fixture

__all__ = ["forge", "python", "storage_fixture"]
pytestmark = [pytest.mark.forge, pytest.mark.timeout(2400)]
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


def run(forge: Forge, job: str, sha: str, api: str) -> subprocess.CompletedProcess[str]:
    """One job in a fresh clone, with the environment that GitLab gives it."""
    body = yaml.safe_load((forge.root / CI["gitlab"]).read_text(encoding="utf-8"))
    work = forge.machine.scratch / f"{job}-{sha[:6]}"
    subprocess.run(["git", "clone", "--quiet", str(forge.root), str(work)], check=True, capture_output=True)
    environment = {
        "PATH": f"{forge.machine.tools}:/usr/bin:/bin", "HOME": str(forge.machine.scratch), "LANG": "C.UTF-8",
        **body["variables"], "PACKAGE": f"{forge.wheel}[ci]", "FLAGS": "-f cluster.yaml",
        "KFP_ENDPOINT": forge.kubeflow, "KFP_TOKEN": TOKEN, "NOTES_TOKEN": NOTES, **KEYS,
        "CI_API_V4_URL": api, "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_SHA": sha,
    }  # fmt: skip
    script = "\n".join([*body[job]["before_script"], *body[job]["script"]])
    ended = shell(script, work, environment)
    status = "failed" if ended.returncode else "success"
    after = shell("\n".join(body[job].get("after_script", ())), work, environment | {"CI_JOB_STATUS": status})
    ended.stdout += after.stdout
    return ended


def shell(script: str, work: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=work, env=environment, text=True, timeout=900,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip


@pytest.fixture
def gitlab(forge: Forge) -> Forge:
    """The same repository on GitLab; the image's Python makes environments that see the packages of this machine."""
    write_ci(forge.root, "gitlab", "raftops.yaml", "guide")
    packages, settings = sysconfig.get_paths()["purelib"], forge.machine.python.parent / "pip.conf"
    (forge.machine.tools / "python").write_text(
        f'#!/bin/bash\nif [ "$1 $2" != "-m venv" ]; then exec {forge.machine.python}/python "$@"; fi\n'
        f'{forge.machine.python}/python -m venv --without-pip "$3"\n'
        f'echo {packages} > "$(echo "$3"/lib/python3*/site-packages)/here.pth"\ncp {settings} "$3/pip.conf"\n'
    )
    (forge.machine.tools / "python").chmod(0o755)
    return forge


def test_a_merge_request_gets_its_plan_and_a_merge_its_evaluation(gitlab: Forge, notes: tuple[str, list[str]]) -> None:
    api, written = notes
    sha = gitlab.commit("a guide")
    planned = run(gitlab, "plan", sha, api)
    assert planned.returncode == 0, planned.stdout
    assert len(written) == 1 and "**7 of 7 steps run**" in written[0] and "raftops plan on Kubeflow" in written[0]
    gitlab.ends = ["0.25"]
    ran = run(gitlab, "run", sha, api)
    assert ran.returncode == 0, ran.stdout
    assert len(written) == 2 and written[1].startswith("### raftops evaluation: guide")
    for secret in (TOKEN, NOTES, KEYS["ARTIFACTS_SECRET_KEY"]):
        assert not [text for text in (planned.stdout, ran.stdout, *written) if secret in text]


def test_a_failed_run_fails_the_job(gitlab: Forge, notes: tuple[str, list[str]]) -> None:
    gitlab.ends = ["FAILED"]
    ended = run(gitlab, "run", gitlab.commit("a guide"), notes[0])
    assert ended.returncode != 0 and "Run is finished with state FAILED." in ended.stdout and notes[1] == []
    assert "### raftops: the run did not succeed" in ended.stdout
    assert "no step of ours failed; a driver pod or the workflow itself did" in " ".join(ended.stdout.split())


def test_the_files_lie_where_each_forge_looks(gitlab: Forge) -> None:
    assert Path(gitlab.root / ".gitlab-ci.yml").is_file() and Path(gitlab.root / CI["github"]).is_file()
