"""The report as tables for a spreadsheet: `figures.csv` and `answers.csv`. Computes nothing.

A model's words go into cells: one that a spreadsheet would run as a formula is written with a quote mark before it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from raftops.evaluation.report import Report
from raftops.spec.figures import PAIRS

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FIGURES = ("figure", "value", "low", "high", "questions")
_ANSWER = ("arm", "id", "kind", "question", "reference", "text", "abstained", "mode", "note")
"""Of a row of answers.jsonl, what a table can hold as it is."""


def figures_csv(report: Report) -> str:
    """Every figure with its 95 % interval and how many questions it is a mean of, where it has them."""
    summary = report.summary
    rows: list[Sequence[Any]] = [(name, i.value, i.low, i.high, i.n) for name, i in sorted(summary.figures.items())]
    for family, differences in summary.pairs.items():
        minus = " - ".join(PAIRS[family])
        rows += [(f"{minus} {name}", d.delta, d.low, d.high, "") for name, d in differences.items()]
    rows += [(name, value, "", "", "") for name, value in sorted((summary.counts | summary.latencies).items())]
    return _table(_FIGURES, rows)


def answers_csv(report: Report) -> str:
    """Every answer of every arm, with its scores and what it cites."""
    rows = list(report.rows())
    scores = sorted({name for row in rows for name in row["scores"]})
    body = (
        [row[name] for name in _ANSWER] + [row["scores"].get(name) for name in scores] + [_cited(row["quotes"])]
        for row in rows
    )
    return _table([*_ANSWER, *scores, "cites"], body)


def _cited(quotes: Iterable[Mapping[str, Any]]) -> str:
    return "; ".join(f"[{q['number']}] {q['doc_id']} {q['start']}-{q['end']}" for q in quotes)


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return round(value, 6) if isinstance(value, float) else value
