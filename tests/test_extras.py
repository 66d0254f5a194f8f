"""A package that is missing is named with the extra that brings it; a mistake of ours is not taken for one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from raftops.errors import ModelError
from raftops.extras import of_extra


def test_what_is_installed_is_handed_over() -> None:
    assert of_extra("json", "any", "a test").loads("[1]") == [1]


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.inside"])
def test_what_is_missing_is_said_with_its_reason_and_the_extra(module: str) -> None:
    with pytest.raises(ModelError, match="the index wants it, and no_such_package is not installed here") as caught:
        of_extra(module, "shiny", "the index wants it")
    assert caught.value.next_step.startswith("pip install 'raftops[shiny]'")


def test_a_module_of_ours_that_is_not_there_is_our_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match="raftops.no_such_room"):
        of_extra("raftops.no_such_room", "generation", "a test")
    (tmp_path / "needs_another.py").write_text("import no_such_package\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModelError, match="no_such_package is not installed"):
        of_extra("needs_another", "generation", "a test")
