"""`raftops serve` with a stand-in for the service: what a person reads beside it, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from pipelines.cli import serving
from raftops.spec.model.serving import Identity

Run = Callable[..., Any]


class Standin:
    """A service that ends as it is told."""

    pid, log = 1, Path("service.log")

    def __init__(self, launch: Any, end: BaseException | int) -> None:
        self.launch = launch
        self.url, self.end, self.stopped = launch.url, end, False

    def wait_ready(self, seconds: float) -> None:
        pass

    def wait(self) -> int:
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end

    def last_lines(self) -> str:
        return "\n    out of memory"

    def stop(self) -> None:
        self.stopped = True

    def __enter__(self) -> Standin:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@pytest.fixture
def services(project: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException | int], list[Standin]]:
    """Stand-ins of one end in the place of the service, and those that were started."""
    project.save()
    monkeypatch.setattr(serving, "current_release", lambda _: Release())

    def ending(end: BaseException | int) -> list[Standin]:
        started: list[Standin] = []

        def start(launch: Any, log: Path) -> Standin:
            started.append(Standin(launch, end))
            return started[-1]

        monkeypatch.setattr(serving, "Service", start)
        return started

    return ending


class Release:
    """As much of a release as development tokens ask for."""

    class access:  # noqa: N801  an attribute
        groups = ("employees",)


def hint(out: str) -> str:
    [line] = [line for line in out.splitlines() if line.startswith("try")]
    return line.partition(": ")[2]


def test_the_hint_asks_the_service_that_was_started(raftops: Run, project: Any, services: Any) -> None:
    services(KeyboardInterrupt())
    overlay = project.write("my overlays/port.yaml", "spec: {deploy: {port: 3777}}\n")
    here = raftops("serve", project.path, "-f", overlay)
    assert hint(here.out) == f"raftops ask {project.path} -f '{overlay}' \"your question\""
    assert hint(raftops("serve", project.path, "-f", overlay, "--port", "3777").out) == hint(here.out)
    there = hint(raftops("serve", project.path, "--port", "3999").out)
    assert there == f'raftops ask {project.path} --url http://127.0.0.1:3999 "your question"'


def test_a_key_set_that_is_a_file_is_the_projects_wherever_somebody_stands(
    raftops: Run, project: Any, services: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = services(KeyboardInterrupt())
    public = jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    keys = json.dumps({"keys": [public | {"kid": "1"}]})
    project.write("keys/jwks.json", keys)
    identity = "{jwks: keys/jwks.json, issuer: i, audience: a, dev_tokens: dev.json}"
    overlay = project.write("keys.yaml", f"spec: {{deploy: {{identity: {identity}}}}}\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    ended = raftops("serve", project.path, "-f", overlay)
    assert ended.code == 0, ended.err
    told = json.loads(started[0].launch.environment()["RAFTOPS_IDENTITY"])
    assert Path(told["jwks"]).is_absolute() and Path(told["jwks"]).read_text() == keys
    assert Path(told["dev_tokens"]).is_absolute()


def test_what_is_kept_of_requests_lies_in_the_store_unless_the_spec_says_otherwise(
    raftops: Run, project: Any, services: Any
) -> None:
    started = services(KeyboardInterrupt())
    overlay = project.write("audit.yaml", "spec: {deploy: {audit: {to: stdout, question: hash}}}\n")
    assert "raftops audit show" in raftops("serve", project.path).out
    assert "raftops audit show" not in raftops("serve", project.path, "-f", overlay).out
    ours, theirs = (json.loads(one.launch.environment()["RAFTOPS_AUDIT"]) for one in started)
    assert ours["to"] == "folder" and ours["folder"] == str(project.root / ".raftops" / "audit" / "tiny")
    assert (theirs["to"], theirs["question"]) == ("stdout", "hash")


@pytest.mark.parametrize("address", ["https://id.example/keys", "http://127.0.0.1:8080/keys", ""])
def test_an_address_of_a_key_set_stays_one(address: str, tmp_path: Path) -> None:
    assert Identity(jwks=address, issuer="i", audience="a").below(tmp_path).jwks == address


def test_ctrl_c_is_how_serving_ends(raftops: Run, project: Any, services: Any) -> None:
    started = services(KeyboardInterrupt())
    ended = raftops("serve", project.path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1] == "the service is stopped" and started[0].stopped
    assert set(json.loads(raftops("--output", "json", "serve", project.path).out)) == {"url", "pid"}


def test_a_service_that_ends_by_itself_is_a_failure(raftops: Run, project: Any, services: Any) -> None:
    services(137)
    ended = raftops("serve", project.path)
    assert ended.code == 1 and "ended with code 137\n    out of memory\n  next: its log is" in ended.err
    assert "stopped" not in ended.out
