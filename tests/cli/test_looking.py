"""A run that ends at a step, and what can be looked at behind it: passages under the access rules, and pages."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipelines.cli.looking import asking_as
from raftops.access import AccessPolicies
from raftops.spec.load import load_spec
from raftops.spec.template import write_project

Run = Callable[..., Any]
SPEC = "raftops.yaml"
BROKEN = '{"id": "broken", "question": 5}\n'


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with a broken example."""
    folder = tmp_path_factory.mktemp("shop")
    write_project(folder, "shop")
    with (folder / "data/examples/examples.jsonl").open("a", encoding="utf-8") as file:
        file.write(BROKEN)
    return folder


@pytest.fixture
def here(indexed: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(indexed)
    yield indexed
    os.chdir(before)


@pytest.mark.local
@pytest.mark.model
class TestARunUntilTheIndex:
    """One run, then looks at it, in this order."""

    def test_it_runs_no_further_and_names_what_was_put_aside(self, raftops: Run, here: Path) -> None:
        ended = raftops("run", SPEC, "--until", "index")
        assert ended.code == 0, ended.err
        assert "3 of 7 steps ran" in ended.out and "not wanted" in ended.out
        assert "1 row is put aside:" in ended.out and "data/examples/examples.jsonl:19: " in ended.out
        assert "no run was measured here yet: about" in ended.out
        links = [line for line in ended.out.splitlines() if line.startswith("  .raftops/latest/shop/")]
        assert len(links) == 3 and all(Path(line.strip()).is_file() for line in links)
        assert f"next: raftops run {SPEC} runs the rest" in ended.out

    def test_the_same_again_runs_nothing_and_what_is_typed_next_keeps_its_options(
        self, raftops: Run, here: Path
    ) -> None:
        ended = raftops("run", SPEC, "--until", "index", "--quick")
        assert "0 of 7 steps ran" in ended.out and f"next: raftops run {SPEC} --quick runs the rest" in ended.out

    @pytest.mark.parametrize("who", [("--as", "managers"), ("--groups", "staff,managers"), ("--as", "everyone")])
    def test_who_may_read_a_passage_finds_it(self, raftops: Run, here: Path, who: tuple[str, str]) -> None:
        rows = json.loads(raftops("search", SPEC, "When is pay reviewed?", *who, "--output", "json").out)
        assert rows[0]["doc_id"] == "managers/pay-review.md" and rows[0]["groups"] == ["managers"]
        assert rows == sorted(rows, key=lambda row: -row["score"]) and rows[0]["place"]

    def test_who_may_not_read_it_finds_others(self, raftops: Run, here: Path) -> None:
        ended = raftops("search", SPEC, "When is pay reviewed?")
        assert ended.code == 0 and "searched as one of staff" in ended.out
        assert "may be read by: staff, managers (policy everyone)" in ended.out and "managers/" not in ended.out

    @pytest.mark.parametrize("who", [("--as", "boss"), ("--groups", "staff,boss")])
    def test_a_group_that_nobody_knows_is_refused(self, raftops: Run, here: Path, who: tuple[str, str]) -> None:
        ended = raftops("search", SPEC, "When is pay reviewed?", *who)
        assert ended.code == 2 and ended.out == "" and "boss: no such group" in ended.err

    def test_the_page_of_the_validation_is_opened_and_that_of_the_evaluation_is_not_there(
        self, raftops: Run, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[str] = []
        monkeypatch.setenv("DISPLAY", ":0")
        monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
        ended = raftops("open", "validation", SPEC)
        page = here / ".raftops/latest/shop/validate/report/index.html"
        assert ended.code == 0 and ended.out.strip() == str(page.relative_to(here)) and opened == [page.as_uri()]
        assert raftops("open", "validation", SPEC, "--print").code == 0 and len(opened) == 1
        assert "no report in" in raftops("open", "report", SPEC).err


class Found(BaseHTTPRequestHandler):
    """A service that found one passage."""

    def do_POST(self) -> None:
        row = {"doc_id": "hours.md", "score": 0.5, "text": "Open daily.", "locator": {"line": 3}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": [row]}).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def test_what_a_service_does_not_tell_is_said_and_not_shown_as_nobody(raftops: Run, here: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Found) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        words = ("search", SPEC, "When?", "--url", f"http://127.0.0.1:{server.server_address[1]}", "--token", "t" * 20)
        told, rows = raftops(*words).out, json.loads(raftops(*words, "--output", "json").out)
        server.shutdown()
    assert "hours.md · line 3" in told and "who else may read them, a service tells nobody" in told
    assert rows[0]["doc_id"] == "hours.md" and "groups" not in rows[0] and "policy" not in rows[0]


@pytest.mark.parametrize("given", ["", ",", " , "])
def test_who_names_no_group_does_not_search_as_another(raftops: Run, here: Path, given: str) -> None:
    ended = raftops("search", SPEC, "When is pay reviewed?", "--groups", given)
    assert ended.code == 2 and "names no group" in ended.err


def test_a_group_called_everyone_is_not_every_group(here: Path) -> None:
    loaded = load_spec(Path(SPEC), data_is_here=False)
    own = AccessPolicies(groups={"everyone": "All", "managers": "Some"}, policies={}, documents=())
    assert asking_as(loaded, own, "everyone", ()) == ["everyone"]
    none = AccessPolicies(groups={"staff": "All", "managers": "Some"}, policies={}, documents=())
    assert asking_as(loaded, none, "everyone", ()) == ["managers", "staff"]
