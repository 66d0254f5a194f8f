"""`raftops access explain` and `raftops access prove`, the latter against a service that listens on loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from raftops.parsing.parse import media_type_of, parse_document
from raftops.service.app import create_app
from raftops.service.dev_tokens import DevUser, ensure_dev_tokens
from raftops.service.identity import DevVerifier
from raftops.service.metrics import Metrics
from raftops.spec.access_file import load_access
from raftops.spec.template import write_project
from tests.retrieval.tiny import passage
from tests.service.doubles import Held, Says, live

Run = Callable[..., Any]
PAY, LEAVE = "managers/pay-review.md", "people/annual-leave.md"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path, "shop")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def users(shop: Path) -> dict[str, DevUser]:
    return ensure_dev_tokens(shop / ".raftops/dev-tokens.json", ("staff", "managers"))


def test_it_says_which_rule_decides_who_reads_and_why_not(raftops: Run, shop: Path) -> None:
    ended = raftops("access", "explain", PAY, "--as", "staff")
    assert ended.code == 0, ended.err
    for words in ("data/access.yaml:", "managers/**", "managers-only", "does not read it: is in staff"):
        assert words in ended.out
    again = raftops("access", "explain", "raftops.yaml", PAY, "--as", "managers")
    assert "reads it: is in managers, which the policy managers-only lists" in again.out


def test_it_explains_to_programs_and_without_a_name_all_of_them(raftops: Run, shop: Path) -> None:
    rows = json.loads(raftops("access", "explain", "--groups", "staff,boss", "--output", "json").out)
    assert {row["document"]: row["reads"] for row in rows}[PAY] is False and len(rows) == 6
    assert (
        sum(row["reads"] for row in rows) == 5
        and "boss is not declared" in next(r for r in rows if not r["reads"])["why"]
    )
    assert "decided by" in raftops("access", "explain").out


def test_it_warns_of_what_a_rule_misses_and_follows_links(raftops: Run, shop: Path) -> None:
    (shop / "data/documents/alias.md").symlink_to(PAY)
    told = raftops("access", "explain", "Managers/pay-review.md", "alias.md", "--as", "staff").out
    assert "there is no such file, did you mean managers/pay-review.md?" in told
    assert "misses it by case, look or width of letters alone" in told
    assert "is a link: the strictest policy of all its names counts" in told and "managers-only" in told


def test_who_is_asked_about_may_be_a_development_user_or_a_token(
    raftops: Run, shop: Path, users: dict[str, DevUser], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shop / ".raftops/dev-tokens.json"
    rows = json.loads(path.read_text())
    rows["users"]["alice"] = {"token": "t" * 30, "groups": ["managers"]}
    path.write_text(json.dumps(rows))
    assert "alice reads it" in raftops("access", "explain", PAY, "--as", "alice").out
    monkeypatch.setenv("HER_TOKEN", "t" * 30)
    assert "owner reads it" in raftops("access", "explain", PAY, "--token", "env:HER_TOKEN").out
    refused = raftops("access", "explain", PAY, "--token", "x" * 30)
    assert refused.code == 1 and "the unknown token is refused" in refused.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--as", "alice"), "--as alice: no such user or group"),
        (("--as", "staff", "--groups", "staff"), "give one of them"),
        (("--token", "env:NOT_THERE"), "the environment has no NOT_THERE"),
        (("other.yaml", "raftops.yaml"), "more than one spec"),
    ],
)
def test_what_cannot_be_explained_is_an_error(raftops: Run, shop: Path, words: tuple[str, ...], told: str) -> None:
    ended = raftops("access", "explain", PAY, *words)
    assert ended.code in (1, 2) and told in ended.err + ended.out and "Traceback" not in ended.err


class Served:
    """A service on loopback over the shop's documents; `leak` makes it forget who may read."""

    def __init__(self, shop: Path, users: dict[str, DevUser], leak: bool = False) -> None:
        access = load_access(shop / "data/access.yaml")
        folder, passages = shop / "data/documents", []
        for number, path in enumerate(sorted(folder.rglob("*.md"))):
            doc_id = path.relative_to(folder).as_posix()
            text = parse_document(path, media_type_of(path) or "").text
            policy = "everyone" if leak else access.policy_of(doc_id)
            passages.append(passage(number, text, str(policy), path.stem, doc_id))
        held = Held(live(passages, Says(lambda messages: messages[-1].content), access))
        held.verifier = DevVerifier(shop / ".raftops/dev-tokens.json", users, {})  # type: ignore[assignment]
        self._socket = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(held, Metrics()), log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self.url

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture
def served(shop: Path, users: dict[str, DevUser]) -> Iterator[str]:
    with Served(shop, users) as url:
        yield url


A, B = ("--token", "user:managers"), ("--token", "user:staff")


def test_it_is_proved_that_one_sees_and_the_other_does_not(raftops: Run, served: str) -> None:
    ended = raftops("access", "prove", served, *A, *B)
    assert ended.code == 0, ended.err
    assert PAY in ended.out and "proved on 1 documents: the first caller sees them, the second does not" in ended.out
    [row] = json.loads(raftops("access", "prove", served, *A, *B, "--output", "json").out)
    assert row["holds"] and row["reader"]["search"] and row["other"] == {"search": False, "chat": False, "strange": []}


def test_tokens_stand_in_files_and_a_document_may_be_named(
    raftops: Run, served: str, shop: Path, users: dict[str, DevUser]
) -> None:
    for name in ("managers", "staff"):
        (shop / name).write_text(users[name].token + "\n")
    tokens = ("--token", "file:managers", "--token", "file:staff")
    assert raftops("access", "prove", "raftops.yaml", served, *tokens, "--doc", PAY).code == 0
    both_read = raftops("access", "prove", served, *tokens, "--doc", LEAVE)
    assert both_read.code == 1 and f"proofs do not hold: {LEAVE}" in both_read.err and "SHOWN" in both_read.out


def test_a_service_that_forgets_who_may_read_is_found_out(raftops: Run, shop: Path, users: dict[str, DevUser]) -> None:
    with Served(shop, users, leak=True) as url:
        ended = raftops("access", "prove", url, *A, *B)
    assert ended.code == 1 and "SHOWN to who may not read it" in ended.out and PAY in ended.err


def test_a_name_between_colons_is_no_picture(raftops: Run, shop: Path) -> None:
    ended = raftops("access", "prove", "--token", "user:a", "--token", "user:b")
    assert "--token user:a: no development user a" in ended.err


def test_what_is_not_served_is_not_proved(raftops: Run, served: str, shop: Path) -> None:
    (shop / "data/documents/managers/new.md").write_text(
        "# New\n\nThe plan of the new shop in Cork is secret until May.\n"
    )
    ended = raftops("access", "prove", served, *A, *B, "--doc", "managers/new.md")
    assert ended.code == 1 and "not proved: its reader does not find it either" in ended.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "two tokens are needed"),
        (A, "two tokens are needed, the one that sees and the one that does not; given 1"),
        ((*A, *A), "both tokens are the same"),
        ((*B, *A), "nothing to prove"),
        ((*A, "--token", "env:NOT_THERE"), "the environment has no NOT_THERE"),
        ((*A, "--token", "file:nowhere"), "no token in the file nowhere"),
        ((*A, "--token", "user:nobody"), "no development user nobody"),
        ((*A, "--token", "x" * 30), "the unknown token is refused"),
        (("ftp://x", *A, *B), "not one address"),
    ],
)
def test_missing_credentials_and_nothing_to_prove_are_errors(
    raftops: Run, users: dict[str, DevUser], words: tuple[str, ...], told: str
) -> None:
    ended = raftops("access", "prove", *words)
    assert ended.code in (1, 2) and told in ended.err and "Traceback" not in ended.err
    assert not any(user.token in ended.err + ended.out for user in users.values())


def test_a_service_that_is_not_there_is_an_error(raftops: Run, users: dict[str, DevUser]) -> None:
    ended = raftops("access", "prove", "http://127.0.0.1:9", *A, *B)
    assert ended.code == 1 and "cannot be reached" in ended.err
