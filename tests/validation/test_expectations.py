"""The judge: each condition names the rows that fail it, and nothing that could not run passes for a success."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raftops.errors import StepError
from raftops.validation.expectations import Judge
from raftops.validation.rows import Check, Row, bad_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.mark.parametrize(
    ("condition", "values", "cells", "failed"),
    [
        ("not_null", (), ["x", None, ""], ["r1"]),
        ("unique", (), ["x", "y", "x"], ["r0", "r2"]),
        ("true", (), [True, False, None], ["r1"]),
        ("zero", (), [0, 2, None], ["r1"]),
        ("in_set", ("a", "b"), ["a", "c", None], ["r1"]),
        ("in_set", (), ["a", None, None], ["r0"]),
        ("between", (1, 5), [0, 5, 6], ["r0", "r2"]),
        ("between", (1, None), [1, 10**9, 0], ["r2"]),
        ("regex", ("^[0-9a-f]+$",), ["ab1", "xyz", None], ["r1"]),
        ("true", (), [None, None, None], []),
    ],
)
def test_a_condition_names_the_rows_that_fail_it(judge, condition, values, cells, failed, request) -> None:
    rows = [Row(f"r{n}", f"id{n}", {"cell": cell}) for n, cell in enumerate(cells)]
    check = Check("cell", condition, "critical", "the cell is as it should be", values)
    (outcome,) = judge.judge(request.node.name, rows, [check])
    assert list(outcome.failed) == failed
    assert [bad.where for bad in bad_rows(rows, [outcome])] == failed


def test_only_critical_checks_make_a_row_bad_and_reasons_are_joined(judge) -> None:
    row = Row("r", "id", {"a": False, "b": False, "c": False}, {"a": "a is wrong"})
    checks = [
        Check("a", "true", "critical", "a"),
        Check("b", "true", "critical", "b"),
        Check("c", "true", "warning", "c"),
    ]
    outcomes = judge.judge("joined", [row], checks)
    assert [b.reason for b in bad_rows([row], outcomes)] == ["a is wrong; fails: b"]
    assert [len(o.failed) for o in outcomes] == [1, 1, 1]


def test_an_expectation_that_cannot_run_is_an_error(judge) -> None:
    check = Check("a", "between", "critical", "a is a number", (1, 2))
    with pytest.raises(StepError, match="a is a number.*could not run"):
        judge.judge("broken", [Row("r", "", {"a": "text"}), Row("s", "", {"a": 1})], [check])


def test_no_rows_are_no_failure(judge) -> None:
    assert judge.judge("empty", [], [Check("a", "true", "critical", "a")]) == []


def test_nothing_is_printed_and_no_pages_are_built(tmp_path: Path) -> None:
    code = (
        "from raftops.validation.expectations import Judge;"
        "from raftops.validation.rows import Check, Row; j = Judge();"
        "print(len(j.judge('t', [Row('r', 'i', {'a': False})], [Check('a', 'true', 'critical', 'a')])))"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "1\n"
    assert "Calculating" not in ran.stderr
    assert list((tmp_path / "tmp").iterdir()) == [], "no folder is left behind"
