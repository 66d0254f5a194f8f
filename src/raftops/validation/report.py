"""What a validation leaves for people and for later steps: counts, quarantine, report. Writes; decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raftops.files import write_json, write_jsonl
from raftops.validation.findings import Noted
from raftops.validation.rows import Bad, Outcome

_FINDINGS_MAX = 1000
_PLACES_MAX = 100


@dataclass(frozen=True)
class Table:
    """One table as it was judged: `rows == accepted + len(bad)`."""

    name: str
    rows: int
    outcomes: Sequence[Outcome]
    bad: Sequence[Bad]

    @property
    def accepted(self) -> int:
        """Rows let through."""
        return self.rows - len(self.bad)

    @property
    def counts(self) -> dict[str, int]:
        """Rows in, let through and put aside."""
        return {"in": self.rows, "accepted": self.accepted, "quarantined": len(self.bad)}


def write_quarantine(path: Path, tables: Sequence[Table]) -> None:
    """Every row that was not let through: where, id, reason, severity."""
    write_jsonl(path, (asdict(bad) for table in tables for bad in table.bad))


@dataclass(frozen=True)
class Aside:
    """What no row was made of, and what decides nothing: nobody should wonder where it went."""

    files: Sequence[tuple[str, str]] = ()
    """(file, why) of those below the documents folder that take no part."""
    rules: Sequence[dict[str, str]] = ()
    """Access rules that decide about no document: where, match, policy, why."""


def write_report(
    path: Path, tables: Sequence[Table], noted: Sequence[Noted], counts: dict[str, Any], aside: Aside
) -> None:
    """The report as JSON: every expectation with its result, every bad row, personal data masked."""
    judged = [
        {
            "name": table.name,
            **table.counts,
            "expectations": [
                {
                    "column": outcome.check.column,
                    "expectation": outcome.check.condition,
                    "values": list(outcome.check.values),
                    "says": outcome.check.says,
                    "severity": outcome.check.severity,
                    "success": not outcome.failed,
                    "rows": outcome.rows,
                    "failed": len(outcome.failed),
                    "where": list(outcome.failed[:_PLACES_MAX]),
                }
                for outcome in table.outcomes
            ],
        }
        for table in tables
    ]
    write_json(
        path,
        {
            "success": not any(table.bad for table in tables),
            "counts": counts,
            "tables": judged,
            "files_left_out": [{"file": file, "why": why} for file, why in aside.files],
            "idle_rules": list(aside.rules),
            "rows": [{"table": table.name, **asdict(bad)} for table in tables for bad in table.bad],
            "personal_data": {
                "count": len(noted),
                "by_kind": dict(Counter(n.finding.kind for n in noted)),
                "findings": [n.as_dict() for n in noted[:_FINDINGS_MAX]],
                "findings_left_off": max(0, len(noted) - _FINDINGS_MAX),
            },
        },
    )
