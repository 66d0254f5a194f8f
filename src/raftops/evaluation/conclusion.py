"""Was RAFT worth it? In plain words, from the figures alone; nothing is rounded up."""

from __future__ import annotations

from dataclasses import dataclass

from raftops.evaluation.arms import CONTENDERS
from raftops.evaluation.bootstrap import Interval
from raftops.evaluation.study import SERVED, Findings
from raftops.evaluation.summary import RIVAL, Summary
from raftops.spec.model.learning import Evaluate

_MARGIN = 0.1
"""Share of questions that may be declined beyond those without proof before it is called too many."""


@dataclass(frozen=True)
class Conclusion:
    """A headline and what it rests on."""

    verdict: str
    """`won`, `ahead`, `lost` or `unknown`: for colour, not for reading."""
    headline: str
    sentences: tuple[str, ...]


def conclude(found: Findings, summary: Summary, config: Evaluate) -> Conclusion:
    """The verdict and its reasons."""
    verdict, headline = _verdict(found, summary)
    sentences = [_answers(summary), _citations(summary), _unknown(summary), _served(found, summary)]
    sentences += [_forgetting(summary), _form(summary), _held_back(found, summary), _serves(found, config)]
    return Conclusion(verdict, headline, tuple(s for s in sentences if s))


def loss(found: Findings, summary: Summary) -> str:
    """Why another cited arm is better than RAFT, or nothing where none is."""
    if found.winner in (None, "raft") or "raft" not in found.replies:
        return ""
    other, raft = summary.figures[f"{found.winner}.answer_contained"], summary.figures["raft.answer_contained"]
    if other.value > raft.value:
        return f"RAFT lost to {found.winner}: {raft.value:.3f} of its answers are right, against {other.value:.3f}"
    return f"RAFT lost to {found.winner}: as many right answers ({raft.value:.3f}), and worse citations"


def _verdict(found: Findings, summary: Summary) -> tuple[str, str]:
    difference = summary.paired.get("answer_contained")
    lost = loss(found, summary)
    if lost:
        return "lost", f"No. {lost}."
    if found.winner != "raft" or difference is None:
        return "unknown", f"Not measured: RAFT was not compared with {RIVAL}."
    if difference.low > 0:
        return "won", f"Yes. RAFT answers {_points(difference.delta)} more of the questions right than {RIVAL}."
    if difference.delta > 0:
        return "ahead", f"Perhaps. RAFT is {_points(difference.delta)} ahead of {RIVAL}, but chance could explain it."
    return "ahead", f"Not shown. RAFT and {RIVAL} answer about as many questions right; citations decide for RAFT."


def _points(delta: float) -> str:
    return f"{100 * delta:.0f} in 100" if round(100 * delta) else f"{100 * delta:.1f} in 100"


def _answers(summary: Summary) -> str:
    difference, raft = summary.paired.get("answer_contained"), summary.figures.get("raft.answer_contained")
    rival = summary.figures.get(f"{RIVAL}.answer_contained")
    if not difference or not raft or not rival:
        return ""
    return (
        f"Right answers: {raft.value:.3f} with RAFT, {rival.value:.3f} with {RIVAL}; "
        f"difference {difference.delta:+.3f}, 95 % interval {difference.low:+.3f} to {difference.high:+.3f} "
        f"over {raft.n} questions. "
        f"In {100 * difference.not_better:.1f} % of the resamples RAFT was not better."
    )


def _citations(summary: Summary) -> str:
    raft = summary.figures.get("raft.citation_precision")
    rival = summary.figures.get(f"{RIVAL}.citation_precision")
    difference = summary.paired.get("citation_precision")
    if not raft or not rival or not difference:
        return ""
    return (
        f"Citations that the model itself writes: {raft.value:.3f} of them point at the proof with RAFT, "
        f"{rival.value:.3f} with {RIVAL} (an answer without one counts 0); difference {difference.delta:+.3f}, "
        f"95 % interval {difference.low:+.3f} to {difference.high:+.3f}."
    )


def _unknown(summary: Summary) -> str:
    asked, refused = summary.figures.get("raft.abstention"), summary.figures.get("raft.over_refusal")
    if not asked or not refused:
        return ""
    return (
        f"Not knowing: RAFT declines {asked.value:.3f} of the unanswerable questions, and by mistake "
        f"{refused.value:.3f} of the answerable ones."
    )


def _served(found: Findings, summary: Summary) -> str:
    right, wrong = summary.figures.get(f"{SERVED}.answer_contained"), summary.figures.get(f"{SERVED}.wrong")
    refused = summary.figures.get(f"{SERVED}.over_refusal")
    if not right or not wrong or not refused:
        return ""
    return (
        f"What users get ({found.winner} behind the checks of the service): {right.value:.3f} of the answerable "
        f"questions answered right, {refused.value:.3f} declined; of all questions {wrong.value:.3f} got a wrong one."
    )


def _forgetting(summary: Summary) -> str:
    base, raft = summary.figures.get("forgetting.base"), summary.figures.get("forgetting.raft")
    if not base or not raft:
        return ""
    return f"Forgetting: the base model answers {_of(base)} general questions, the RAFT model {_of(raft)}."


def _form(summary: Summary) -> str:
    base, raft = summary.figures.get("behaviour.base"), summary.figures.get("behaviour.raft")
    if not base or not raft:
        return ""
    return f"Form: {_of(raft)} requests about form pass every check with the RAFT model, {_of(base)} with the base."


def _of(interval: Interval) -> str:
    return f"{round(interval.value * interval.n)} of {interval.n}"


def _held_back(found: Findings, summary: Summary) -> str:
    """Where RAFT lost: whether evidence was missing, or the model declined what it could have read."""
    shown, declined = summary.figures.get("retrieval.unit_hit"), summary.figures.get("raft.over_refusal")
    if not loss(found, summary) or not shown or not declined:
        return ""
    why = f"Why it lost: the proof stood among the sentences shown for {shown.value:.3f} of the answerable questions"
    if declined.value <= 1 - shown.value + _MARGIN:
        return f"{why}; prompt.units and prompt.evidence_tokens show more."
    return (
        f"{why}, and RAFT declined {declined.value:.3f} of them: it learned to decline before it learned to read. "
        "Fewer abstentions in training (augment.abstain_fraction), more examples or epochs, or an adapter to continue "
        "from (train.init_from) are what to try."
    )


def _serves(found: Findings, config: Evaluate) -> str:
    if found.winner is None:
        return "No arm that cites was measured, so nothing can be served from this report."
    label = CONTENDERS[found.winner].label
    if found.winner == "raft":
        return f"Served: raft ({label})."
    if config.when_raft_loses == "fail":
        return f"The spec says to stop when RAFT loses (evaluate.when_raft_loses), so {found.winner} is not served."
    return f"Served instead: {found.winner} ({label}), as evaluate.when_raft_loses says."
