"""`raftops audit`: what was kept of requests, checked and read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raftops.service.ledger import FileLedger
from raftops.spec.model.serving import Audit

Run = Callable[..., Any]
ROWS = [
    ("ann", "a.md", "answered"), ("bob", "a.md", "answered"), ("ann", "b.md", "declined"), ("ann", "", "denied"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lines of four requests, as a store holds them: a folder for each assistant."""
    ledger = FileLedger(Audit(), tmp_path / "audit" / "handbook")
    for number, (who, document, decision) in enumerate(ROWS):
        shown = [{"doc": document, "version": "0123456789", "as": ["cited"]}] if document else []
        ledger.write(
            {"event": "request", "request": f"req-{number}", "principal": {"subject": who}, "documents": shown,
             "decision": decision, "status": 200}
        )  # fmt: skip
    ledger.close()
    return tmp_path / "audit"


def lines_of(folder: Path) -> Path:
    [file] = folder.glob("*/*.jsonl")
    return file


def test_a_whole_chain_is_told_with_its_head(raftops: Run, folder: Path) -> None:
    ended = raftops("audit", "verify", folder)
    assert ended.code == 0 and "4 lines, whole; head" in ended.out and "keep the heads elsewhere" in ended.out
    assert raftops("audit", "verify", lines_of(folder)).code == 0
    [chain] = json.loads(raftops("--output", "json", "audit", "verify", folder).out)["chains"]
    assert chain["lines"] == 4 and len(chain["head"]) == 64


def test_a_changed_line_is_named_and_the_command_fails(raftops: Run, folder: Path) -> None:
    file = lines_of(folder)
    file.write_text(file.read_text().replace('"bob"', '"eve"'))
    ended = raftops("audit", "verify", folder)
    assert ended.code == 1 and f"{file}:2: line 2 was changed" in ended.err.replace("\n", "")


def test_a_cut_end_is_seen_by_the_heads_that_were_kept(raftops: Run, folder: Path, tmp_path: Path) -> None:
    heads = tmp_path / "elsewhere" / "heads.json"
    assert raftops("audit", "verify", folder, "--heads", heads).code == 0
    told = raftops("audit", "verify", folder).out.split("head ")[1].split()[0]
    file = lines_of(folder)
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))
    assert raftops("audit", "verify", folder).code == 0, "the lines alone do not tell"
    for known in (("--heads", heads), ("--head", told)):
        ended = raftops("audit", "verify", folder, *known)
        assert ended.code == 1 and "the end was cut off" in ended.err
    file.unlink()
    ledger = FileLedger(Audit(), folder / "other")
    ledger.close()
    assert "was there before and is not" in raftops("audit", "verify", folder, "--heads", heads).err


def test_the_key_of_a_chain_comes_by_the_environment(
    raftops: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = FileLedger(Audit(), tmp_path, "secret")
    ledger.write({"event": "request"})
    ledger.close()
    assert raftops("audit", "verify", tmp_path).code == 1
    monkeypatch.setenv("RAFTOPS_AUDIT_KEY", "secret")
    assert raftops("audit", "verify", tmp_path).code == 0


def test_what_was_somebody_shown_and_who_was_shown_a_document(raftops: Run, folder: Path) -> None:
    def found(*options: str) -> list[str]:
        return [
            line["request"] for line in json.loads(raftops("--output", "json", "audit", "show", folder, *options).out)
        ]

    assert found() == ["req-0", "req-1", "req-2", "req-3"]
    assert found("--principal", "ann") == ["req-0", "req-2", "req-3"]
    assert found("--document", "a.md") == ["req-0", "req-1"]
    assert found("--principal", "ann", "--document", "b.md") == ["req-2"]
    assert found("--request", "req-1") == ["req-1"] and found("--since", "2999-01-01") == []
    shown = raftops("audit", "show", folder, "--document", "a.md").out
    assert "ann" in shown and "bob" in shown and "a.md@01234567 (cited)" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "{folder}", "--since", "yesterday"), "yesterday: not a time"),
        (("verify", "{folder}", "--head", "nonsense"), "not CHAIN:PLACE:HASH"),
        (("verify", "nowhere"), "nowhere: no lines of an audit"),
        (("verify", __file__), "test_audit.py: no lines of an audit"),
    ],
)
def test_a_wrong_use_says_what_is_meant(raftops: Run, folder: Path, words: tuple[str, ...], said: str) -> None:
    ended = raftops("audit", *(word.format(folder=folder) for word in words))
    assert ended.code == 1 and said in ended.err and "next:" in ended.err


def test_a_spec_names_the_folder_of_its_lines(raftops: Run, folder: Path, tmp_path: Path) -> None:
    assert raftops("init", tmp_path / "shop", "--name", "handbook").code == 0
    spec = tmp_path / "shop" / "raftops.yaml"
    assert "no lines of an audit" in raftops("audit", "verify", spec).err
    folder.rename(tmp_path / "shop" / ".raftops-audit")
    (tmp_path / "shop" / ".raftops").mkdir()
    (tmp_path / "shop" / ".raftops-audit").rename(tmp_path / "shop" / ".raftops" / "audit")
    assert "4 lines, whole" in raftops("audit", "verify", spec).out


def test_lines_that_somebody_changed_are_left_out_and_counted(raftops: Run, folder: Path) -> None:
    file = lines_of(folder)
    first, *others = file.read_text(encoding="utf-8").splitlines()
    odd = [{"documents": [1]}, {"principal": "x"}, {"time": None}]
    changed = [json.dumps({**json.loads(first), **one}) for one in odd]
    file.write_text("\n".join([*changed, *others, ""]), encoding="utf-8")
    ended = raftops("audit", "show", folder, "--since", "2020-01-01")
    assert ended.code == 0 and "3 lines are not as the service writes them" in ended.err and "bob" in ended.out
