"""The service's image as a cluster runs it: no root, nothing to write but /tmp, the releases mounted read-only."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from raftops.errors import ServiceError
from raftops.service.client import ask
from raftops.spec.model.serving import Deploy, Router
from raftops.steps.deploy import deploy
from tests.docker.callers import token, who, write_keys
from tests.service.release_files import TEXTS, UNTUNED, real_parts

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]
QUESTION = "How large is the bonus pool?"
WHO = who("/keys/jwks.json")
STORE = "/app/.raftops/releases"


@dataclass(frozen=True)
class Running:
    """A service in its container."""

    url: str
    container: Any

    def get(self, path: str) -> int:
        """The status of an answer; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def sh(self, script: str) -> tuple[int, str]:
        """Exit code and output of a script inside."""
        code, out = self.container.exec_run(["sh", "-c", script])
        return int(code), out.decode()


@pytest.fixture(scope="module")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """A release of the packaged models, and the public key of who may ask; both read-only."""
    folder = tmp_path_factory.mktemp("served")
    parts = real_parts(folder, folder / "cache")
    deploy(Deploy(smoke_questions=(QUESTION,)), UNTUNED, Router(), parts, folder / "releases", folder / "artifact")
    write_keys(folder / "keys")
    for path in (folder.parent, folder):
        path.chmod(0o755)
    return {
        str(folder / "releases"): {"bind": STORE, "mode": "ro"},
        str(folder / "keys"): {"bind": "/keys", "mode": "ro"},
    }


@pytest.fixture(scope="module")
def running(engine: Any, service_image: str, mounts: dict[str, dict[str, str]]) -> Iterator[Running]:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    container = engine.containers.run(
        service_image, detach=True, read_only=True, tmpfs={"/tmp": "rw,nosuid,nodev,noexec,size=1g,mode=1777"},
        cap_drop=["ALL"], security_opt=["no-new-privileges:true"], volumes=mounts, ports={3000: ("127.0.0.1", port)},
        environment={"RAFTOPS_RELEASES": STORE, "RAFTOPS_IDENTITY": WHO.model_dump_json()}, mem_limit="4g",
    )  # fmt: skip
    service = Running(f"http://127.0.0.1:{port}", container)
    try:
        _wait_ready(service)
        yield service
    finally:
        container.remove(force=True, v=True)


def _wait_ready(service: Running, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while service.get("/readyz") != 200:
        service.container.reload()
        assert service.container.status == "running" and time.monotonic() < end, service.container.logs()[-3000:]
        time.sleep(0.2)


def test_it_answers_with_a_citation_that_stands_in_the_document(running: Running) -> None:
    answer = ask(running.url, token("managers"), QUESTION)
    assert "4.2" in answer["choices"][0]["message"]["content"] and answer["grounded"]
    citation = answer["citations"][0]
    assert citation["doc_id"] == "managers/bonus.md" and citation["quote"] in TEXTS["managers/bonus.md"]


def test_who_may_not_read_a_document_gets_nothing_of_it_and_who_shows_nothing_is_refused(running: Running) -> None:
    assert "4.2 percent" not in json.dumps(ask(running.url, token("employees"), QUESTION))
    with pytest.raises(ServiceError, match="401"):
        ask(running.url, "", QUESTION)


def test_it_is_not_root_and_can_write_neither_its_files_nor_the_releases(running: Running) -> None:
    assert running.sh("id -u")[1].strip() == "10001"
    for place in ("/", "/app", "/bento", "/opt/raftops", STORE):
        code, said = running.sh(f"touch {place}/made")
        assert code != 0 and "Read-only file system" in said


def test_no_copy_of_the_model_is_left_once_it_is_loaded(running: Running) -> None:
    assert int(running.sh("du -sm /tmp | cut -f1")[1]) < 20


def test_it_ends_in_time_when_it_is_told_to(engine: Any, running: Running) -> None:
    running.container.stop(timeout=60)
    running.container.reload()
    assert running.container.attrs["State"]["ExitCode"] in (0, 143)
