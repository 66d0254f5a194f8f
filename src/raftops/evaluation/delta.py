"""Two evaluation reports side by side: what changed, paired question by question where both hold their answers.

Reads `report.json` and, where it lies beside it, `answers.jsonl`. Asks no model, opens no index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raftops.errors import StepError
from raftops.files import read_json, read_jsonl, sha256_json
from raftops.spec.figures import LOWER_IS_BETTER

if TYPE_CHECKING:
    from raftops.evaluation.bootstrap import Column, Difference

RESAMPLES = 2000
SEED = 7
WHOLE = ("retrieval.", "extract.right", "extract.wrong", "behaviour.", "forgetting.", "router.", "leaks")
"""Figures that stand in `report.json` only, without an answer per question in `answers.jsonl`."""

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Measured:
    """A report as it was written."""

    path: Path
    """Its `report.json`."""
    body: Mapping[str, Any]
    answers: Mapping[str, Rows] = field(default_factory=dict)
    """By arm, then by question: the question's own text and reference are part of its key."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Flat figures by dotted name."""
        return self.body["metrics"]

    @property
    def questions(self) -> frozenset[str]:
        """Keys of the questions that were put to every arm."""
        asked = [frozenset(rows) for rows in self.answers.values()]
        return frozenset.intersection(*asked) if asked else frozenset()


@dataclass(frozen=True)
class Change:
    """One figure, before and after."""

    metric: str
    after: float
    before: float | None = None
    """None where there is no earlier report, or it lacks the figure."""
    paired: Difference | None = None
    """After minus before on the questions of both; None where it cannot be paired."""

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `within chance`, or nothing where there is no interval to judge by."""
        if self.paired is None:
            return ""
        if self.paired.low <= 0 <= self.paired.high:
            return "within chance"
        rises = self.paired.delta > 0
        return "worse" if rises == (self.metric.rpartition(".")[2] in LOWER_IS_BETTER) else "better"


@dataclass(frozen=True)
class Delta:
    """A report, and what it changes against an earlier one."""

    new: Measured
    base: Measured | None
    changes: Sequence[Change]
    common: int
    """Questions that both reports hold; the paired differences stand on these."""


def read_report(path: Path) -> Measured:
    """A report by its folder or its `report.json`.

    Raises:
        StepError: there is none, or it is not a report.
    """
    file = path / "report.json" if path.is_dir() else path
    body = read_json(file)
    if not isinstance(body, dict) or not isinstance(body.get("metrics"), dict):
        raise StepError(f"{file}: not an evaluation report", next_step="name the report.json of an evaluate step")
    beside = file.with_name("answers.jsonl")
    return Measured(file, body, _answers(beside) if beside.is_file() else {})


def _answers(path: Path) -> dict[str, dict[str, Mapping[str, Any]]]:
    arms: dict[str, dict[str, Mapping[str, Any]]] = {}
    try:
        for _, row in read_jsonl(path):
            key = sha256_json([row["id"], row["question"], row["reference"], row["groups"]])
            arms.setdefault(row["arm"], {})[key] = {"kind": row["kind"], "scores": row["scores"]}
    except KeyError as error:
        raise StepError(f"{path}: a row without {error}", next_step="run the evaluate step again") from error
    return arms


def compare(new: Measured, base: Measured | None = None, arms: Sequence[str] = ("served", "raft")) -> Delta:
    """The figures of these arms, and of retrieval, form, memory and router, against an earlier report."""
    common = sorted(new.questions & base.questions) if base else []
    paired = _paired(new, base, common, arms) if base and common else {}
    wanted = [name for name in new.metrics if name.startswith((*(f"{arm}." for arm in arms), *WHOLE))]
    before = base.metrics if base else {}
    changes = [Change(name, new.metrics[name], before.get(name), paired.get(name)) for name in wanted]
    return Delta(new, base, sorted(changes, key=lambda c: _place(c.metric, arms)), len(common))


def _place(metric: str, arms: Sequence[str]) -> tuple[int, str]:
    owner = metric.partition(".")[0]
    return (arms.index(owner) if owner in arms else len(arms), metric)


def _paired(new: Measured, base: Measured, common: Sequence[str], arms: Sequence[str]) -> dict[str, Difference]:
    """After minus before on the same questions and the same resamples."""
    shared = [arm for arm in arms if arm in new.answers and arm in base.answers]
    columns: dict[str, Column] = {}
    for arm in shared:
        after, before = new.answers[arm], base.answers[arm]
        for metric in _metrics(after, common) & _metrics(before, common):
            columns[f"new {arm}.{metric}"] = [after[key]["scores"].get(metric) for key in common]
            columns[f"base {arm}.{metric}"] = [before[key]["scores"].get(metric) for key in common]
    if not columns:
        return {}
    kinds = [new.answers[shared[0]][key]["kind"] for key in common]
    bootstrap = import_module("raftops.evaluation.bootstrap")  # numpy: only where two reports are compared
    sample = bootstrap.Sample(columns, kinds, RESAMPLES, SEED)
    names = [name.removeprefix("new ") for name in columns if name.startswith("new ")]
    found = {name: sample.difference(f"new {name}", f"base {name}") for name in names}
    return {name: difference for name, difference in found.items() if difference}


def _metrics(rows: Rows, keys: Sequence[str]) -> set[str]:
    """Scores that at least one of the questions has."""
    return {name for key in keys for name, value in rows[key]["scores"].items() if value is not None}
