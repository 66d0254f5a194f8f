"""Conditions on the measured figures: the standard ones, and the spec's own. Each can fail.

A standard condition judges from so many questions on; below that it says that it was not judged, and holds nothing: a
handful of questions proves neither side. A condition of the spec always judges, and a figure that was not measured does
not pass it. One about the same figure as a standard one takes its place.

The evaluation itself ends well when a gate does not pass: its report is there to be read, and what comes after it is
held. `verdict` says which way a pipeline goes, `hold` ends the other way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from raftops.errors import GateFailed
from raftops.evaluation.arms import CONTENDERS
from raftops.evaluation.study import Findings
from raftops.evaluation.summary import Summary
from raftops.files import read_json
from raftops.spec.model.learning import Gate

Verdict = Literal["passed", "held"]
Said = Literal["passed", "failed", "not judged"]
LEAST_QUESTIONS = 20
"""Questions from which a standard gate judges."""
MOST_WRONG, MOST_REFUSED = 0.25, 0.3
LEAST_GAIN = 0.001
LEAST_RECALL = 0.9
"""Of the router, for each kind of request."""
_NOT_SERVED = "no arm that cites was measured, so nothing is served"


@dataclass(frozen=True)
class GateResult:
    """A gate and what was found."""

    metric: str
    value: float | None
    """None where it was not measured."""
    min: float | None
    max: float | None
    passed: bool
    verdict: Said = "failed"
    """`not judged`: a standard gate that there was too little to judge by; it holds nothing, and did not pass."""
    reason: str = ""
    """Why it must hold."""
    note: str = ""
    """Why it was not judged."""
    standard: bool = False

    def __str__(self) -> str:
        found = "was not measured" if self.value is None else f"is {self.value:.3f}"
        said = f"{self.metric} {found}, wanted {bounds(self.min, self.max)}"
        return f"{said} ({self.reason})" if self.reason else said


def bounds(least: float | None, most: float | None) -> str:
    """What a gate wants, in words."""
    wanted = [f"at least {least:g}"] if least is not None else []
    wanted += [f"at most {most:g}"] if most is not None else []
    return " and ".join(wanted) or "measured"


def check_gates(gates: Sequence[Gate], figures: Mapping[str, float]) -> list[GateResult]:
    """Each gate of a spec with its verdict."""
    return [_result(gate, figures.get(gate.metric), _judged(gate, figures.get(gate.metric))) for gate in gates]


def every_gate(gates: Sequence[Gate], found: Findings, summary: Summary) -> list[GateResult]:
    """The standard gates that no gate of the spec is about, and those of the spec."""
    named = {gate.metric for gate in gates}
    standard = [_standard(gate, found, summary) for gate in standard_gates(found, summary) if gate.metric not in named]
    return standard + check_gates(gates, summary.gated)


def standard_gates(found: Findings, summary: Summary) -> list[Gate]:
    """What every report is held to."""
    gates = [
        Gate(
            metric="served.wrong", max=MOST_WRONG,
            reason="who reads a wrong answer acts on it: more than one in four is worse than no assistant",
        ),
        Gate(
            metric="served.over_refusal", max=MOST_REFUSED,
            reason="an assistant that declines what the documents answer is not used a second time",
        ),
        Gate(
            metric="choice.gain", min=LEAST_GAIN,
            reason="something has to choose the evidence: citations of the model that are better than always [1], or a "
            "re-ranker that puts the proof first more often",
        ),
        Gate(
            metric="router.recall_knowledge", min=LEAST_RECALL,
            reason="a question that is taken for a matter of form alone is answered without the documents",
        ),
        Gate(
            metric="router.recall_behaviour", min=LEAST_RECALL,
            reason="a request for a form that is taken for a question is declined, or answered by a quote",
        ),
        Gate(metric="leaks", max=0, reason="no document may reach somebody who may not read it"),
    ]  # fmt: skip
    base = summary.figures.get("forgetting.base")
    model = CONTENDERS[found.winner].model if found.winner else ""
    if base and model not in ("", "base"):
        why = f"the served model has to know what its base knew: within the interval of its {base.value:.3f}"
        gates.append(Gate(metric=f"forgetting.{model}", min=round(base.low, 6), reason=why))
    return gates


def _standard(gate: Gate, found: Findings, summary: Summary) -> GateResult:
    value, interval = summary.gated.get(gate.metric), summary.figures.get(gate.metric)
    asked = len(found.canaries) if gate.metric == "leaks" else interval.n if interval else 0
    least = 1 if gate.metric == "leaks" else LEAST_QUESTIONS
    quotes = bool(found.answering and found.answering.policy == "quote")
    note = ""
    if found.winner is None:
        note = _NOT_SERVED
    elif gate.metric == "choice.gain" and quotes and "retrieval.rerank_gain" not in summary.figures:
        note = "answers are quotes in the order of retrieval: nothing is said to choose"
    elif value is None:
        note = "not measured"
    elif asked < least and not (gate.metric == "leaks" and value):
        note = f"{asked} questions are too few: it judges from {least} on"
    return _result(gate, value, "not judged" if note else _judged(gate, value), note, standard=True)


def _judged(gate: Gate, value: float | None) -> Said:
    least, most = gate.min is None or (value or 0.0) >= gate.min, gate.max is None or (value or 0.0) <= gate.max
    return "passed" if value is not None and least and most else "failed"


def _result(gate: Gate, value: float | None, said: Said, note: str = "", standard: bool = False) -> GateResult:
    return GateResult(gate.metric, value, gate.min, gate.max, said == "passed", said, gate.reason, note, standard)


def reasons(results: Sequence[GateResult], lost: str = "") -> list[str]:
    """Why nothing may be released, in words: each gate that did not pass, and `lost` where that is a reason too."""
    return [str(result) for result in results if result.verdict == "failed"] + ([lost] if lost else [])


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
