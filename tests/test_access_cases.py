"""A seeded part of `python -m benchmarks.access`: no case leaks, none is denied too much, and the cases would tell."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.access import MISTAKES, NAMED, figures, read, searched, taken, world
from raftops import globs
from raftops.access import AccessPolicies

CASES, SEED = 3_000, 20261201


def test_nobody_sees_what_they_may_not_and_everybody_what_they_may() -> None:
    counts = searched(CASES, SEED)
    assert counts["cases"] == CASES and counts["hidden"] > 20_000 and counts["readable"] > 3_000
    assert (counts["ours leaks"], counts["ours over-denials"]) == (0, 0)
    assert counts["fnmatch leaks"] > 500 and counts["fnmatch over-denials"] > 300, "the cases tell a naive reader apart"


def test_the_cases_find_a_reader_that_forgets_unicode_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(globs, "nfc", lambda name: name)
    counts = searched(CASES, SEED)
    assert counts["ours leaks"] > 0 and counts["ours over-denials"] > 0


def test_the_cases_find_policies_that_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccessPolicies, "readable", lambda self, groups: frozenset(self.policies))
    assert searched(CASES // 10, SEED)["ours leaks"] > 0


def test_no_mistake_of_a_known_kind_opens_in_silence() -> None:
    *_, figure = figures(50, 400, SEED)
    silent = figure["silent"]
    assert isinstance(silent, dict) and not silent.keys() & {*MISTAKES, *NAMED}
    assert figure["baseline"] != {"nobody looks": 0}


def test_the_oracle_says_what_patterns_mean() -> None:
    said = {("hr/**", "hr/a/b"): True, ("hr/**", "hr"): False, ("**/x", "x"): True, ("**/x", "a/b/x"): True}
    said |= {("*.md", "a/b.md"): False, ("a?", "a/"): False, ("hr**/x", "hrx"): False, ("**/**/x", "a/x"): True}
    assert {case: taken(*case, True) for case in said} == said


def test_a_world_is_read_from_a_file_as_a_project_is(tmp_path: Path) -> None:
    made = world(random.Random(1))
    assert [rule.match for rule in read(made, tmp_path).documents] == [globs.nfc(match) for match, _ in made.rules]
