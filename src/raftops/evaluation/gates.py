"""Conditions of the spec on the measured figures. A figure that was not measured does not pass.

The evaluation itself ends well when a gate does not pass: its report is there to be read, and what comes after it is
held. `verdict` says which way a pipeline goes, `hold` ends the other way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from raftops.errors import GateFailed
from raftops.files import read_json
from raftops.spec.model.learning import Gate

Verdict = Literal["passed", "held"]


@dataclass(frozen=True)
class GateResult:
    """A gate and what was found."""

    metric: str
    value: float | None
    """None where it was not measured."""
    min: float | None
    max: float | None
    passed: bool

    def __str__(self) -> str:
        found = "was not measured" if self.value is None else f"is {self.value:.3f}"
        bounds = [f"at least {self.min:g}"] if self.min is not None else []
        bounds += [f"at most {self.max:g}"] if self.max is not None else []
        return f"{self.metric} {found}, wanted {' and '.join(bounds) or 'measured'}"


def check_gates(gates: Sequence[Gate], figures: Mapping[str, float]) -> list[GateResult]:
    """Each gate with its verdict."""
    return [_checked(gate, figures.get(gate.metric)) for gate in gates]


def _checked(gate: Gate, value: float | None) -> GateResult:
    passed = value is not None
    if value is not None:
        passed = (gate.min is None or value >= gate.min) and (gate.max is None or value <= gate.max)
    return GateResult(gate.metric, value, gate.min, gate.max, passed)


def reasons(results: Sequence[GateResult], lost: str = "") -> list[str]:
    """Why nothing may be released, in words: each gate that did not pass, and `lost` where that is a reason too."""
    return [str(result) for result in results if not result.passed] + ([lost] if lost else [])


def verdict(report: Path) -> Verdict:
    """What a report's folder says about a release: one of two words, whatever stands in it.

    The word goes into a condition of the pipeline, which KFP's local runner once evaluated as Python
    (GHSA-rhjm-6347-5x33): no text of a report may reach it. A report that does not say that nothing holds it is held.
    """
    return "held" if _held(report) else "passed"


def hold(report: Path) -> None:
    """Raise `GateFailed` with everything that holds the release back; nothing where nothing does."""
    failed = _held(report)
    if failed:
        what = "gate" if len(failed) == 1 else "gates"
        advice = "read report.html of evaluate; train more, or change evaluate.gates if the bar is wrong"
        raise GateFailed(f"{len(failed)} {what} did not pass: " + "; ".join(failed), next_step=advice)


def _held(report: Path) -> list[str]:
    """Why nothing may be released, as the report says it."""
    body = read_json(report / "report.json")
    held = body.get("held") if isinstance(body, dict) else None
    return [str(reason) for reason in held] if isinstance(held, list) else ["the report does not say what holds it"]
