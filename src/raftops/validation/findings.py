"""Personal data of a row: counted by kind in the row's columns, noted for the report, a reason where it is critical."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from raftops.spec.model.knowledge import PersonalData
from raftops.validation.personal_data import KINDS, Finding, find_personal_data
from raftops.validation.rows import Check, Row


@dataclass(frozen=True)
class Noted:
    """A finding with its place: characters `start` to `end` of a field of a row."""

    where: str
    id: str
    field: str
    severity: str
    finding: Finding

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        place = {"where": self.where, "id": self.id, "field": self.field, "severity": self.severity}
        return {**place, **asdict(self.finding)}


def personal_data_checks(severities: PersonalData) -> list[Check]:
    """A check for each kind that is not off."""
    chosen = [(kind, getattr(severities, kind)) for kind in KINDS]
    says = "holds no personal data of kind {}"
    return [Check(_column(kind), "zero", severity, says.format(kind)) for kind, severity in chosen if severity != "off"]


def note_personal_data(row: Row, fields: Iterable[tuple[str, str]], severities: PersonalData) -> list[Noted]:
    """Look through named texts of a row; fill its columns; say what was found, masked."""
    noted = []
    for name, text in fields:
        for finding in find_personal_data(text):
            severity = getattr(severities, finding.kind)
            if severity != "off":
                noted.append(Noted(row.where, row.id, name, severity, finding))
    counts = Counter(n.finding.kind for n in noted)
    row.columns |= {_column(kind): counts[kind] for kind in KINDS}
    # A reason of five findings is read; of five hundred, not. The report has all.
    for note in [n for n in noted if n.severity == "critical"][:5]:
        finding = note.finding
        reason = f"{note.field} holds a {finding.name} at character {finding.start}: {finding.masked}"
        row.explain(_column(finding.kind), reason)
    return noted


def _column(kind: str) -> str:
    return f"personal_data_{kind}"
