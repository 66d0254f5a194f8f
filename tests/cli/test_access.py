"""`raftops access apply|show|restore`: permissions as of now, without a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raftops.release.in_force import read_in_force
from raftops.spec.template import write_project

Run = Callable[..., Any]
SPEC = "raftops.yaml"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path, "shop")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _in_force(shop: Path) -> Any:
    return read_in_force(shop / ".raftops" / "releases" / "shop")


def _write(shop: Path, old: str, new: str) -> None:
    path = shop / "data" / "access.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_access_file_is_put_in_force_and_shown(raftops: Run, shop: Path) -> None:
    assert raftops("access", "apply", SPEC, "--dry-run").code == 0
    assert _in_force(shop) is None
    assert "(change 1)" in raftops("access", "apply", SPEC).out
    _write(shop, "groups: [staff, managers]", "groups: [staff]")
    said = json.loads(raftops("access", "apply", SPEC, "--output", "json").out)
    assert said["sequence"] == 2
    assert said["version"] == _in_force(shop).version
    assert "change 2" in raftops("access", "show", SPEC).out


def test_a_revocation_does_not_wait_until_everything_else_is_mended(raftops: Run, shop: Path) -> None:
    _write(shop, "groups: [staff, managers]", "groups: [managers]")  # and so nobody is left to train for
    assert raftops("validate", SPEC).code == 2
    assert raftops("access", "apply", SPEC).code == 0
    assert not _in_force(shop).access.readable(["staff"])


def test_a_mistake_of_the_access_file_changes_nothing(raftops: Run, shop: Path) -> None:
    assert raftops("access", "apply", SPEC).code == 0
    _write(shop, "managers/**", "mangers/**")
    ended = raftops("access", "apply", SPEC)
    assert ended.code == 2 and "did you mean" in ended.err and "access.yaml:" in ended.err
    assert _in_force(shop).sequence == 1


def test_a_forgotten_document_comes_back_by_a_person_only(raftops: Run, shop: Path) -> None:
    raftops("forget", SPEC, "people/sick-leave.md")
    assert _in_force(shop).policy_of("people/sick-leave.md", "0" * 64) is None
    assert raftops("access", "restore", SPEC, "people/sick-leave.md").code == 0
    assert _in_force(shop).policy_of("people/sick-leave.md", "0" * 64) == "everyone"
