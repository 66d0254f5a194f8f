"""What a check looks at: rows with facts in columns, and the conditions on those columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["info", "warning", "critical"]
Condition = Literal["not_null", "unique", "true", "zero", "in_set", "between", "regex"]


@dataclass
class Row:
    """One thing that is judged. A column that does not apply, or could not be looked at, is absent."""

    where: str
    """Where a person finds it; no two rows of a table share it."""
    id: str
    columns: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a column is as it should not be, in a sentence."""

    def fail(self, column: str, reason: str) -> None:
        """Record a false fact and why. Further reasons for the same column are added."""
        self.columns[column] = False
        self.explain(column, reason)

    def explain(self, column: str, reason: str) -> None:
        """Say why a column's value will not do; the value stays."""
        self.reasons[column] = f"{self.reasons[column]}; {reason}" if column in self.reasons else reason


@dataclass(frozen=True)
class Check:
    """One condition on one column. A row that fails a critical one is a bad row."""

    column: str
    condition: Condition
    severity: Severity
    says: str
    """The condition as a sentence."""
    values: Sequence[Any] = ()
    """The set; or least and greatest value, None where open; or the pattern."""


@dataclass(frozen=True)
class Outcome:
    """What came of a check."""

    check: Check
    rows: int
    """Rows that the check looked at."""
    failed: tuple[str, ...]
    """Where the rows stand that failed it, in order."""


@dataclass(frozen=True)
class Bad:
    """A row that is not let through."""

    where: str
    id: str
    reason: str
    severity: Severity = "critical"


def bad_rows(rows: Sequence[Row], outcomes: Sequence[Outcome]) -> list[Bad]:
    """The rows that failed a critical check, each once, with all its reasons."""
    reasons: dict[str, list[str]] = {}
    by_place = {row.where: row for row in rows}
    for outcome in (o for o in outcomes if o.check.severity == "critical"):
        for where in outcome.failed:
            said = by_place[where].reasons.get(outcome.check.column, f"fails: {outcome.check.says}")
            kept = reasons.setdefault(where, [])
            kept += [said] if said not in kept else []
    return [Bad(row.where, row.id, "; ".join(reasons[row.where])) for row in rows if row.where in reasons]
