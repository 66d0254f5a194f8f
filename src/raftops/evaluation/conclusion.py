"""Was RAFT worth it, and what do readers get? In plain words, from the figures alone; nothing is rounded up.

Beside each figure stands what a trivial rule would reach: quoting the first sentence found, or always citing [1].
"""

from __future__ import annotations

from dataclasses import dataclass

from raftops.evaluation.arms import CONTENDERS, EXTRACT
from raftops.evaluation.bootstrap import Difference, Interval
from raftops.evaluation.study import Findings
from raftops.evaluation.summary import RIVAL, Summary
from raftops.spec.figures import SERVED
from raftops.spec.model.learning import Evaluate

_MARGIN = 0.1
"""Share of questions that may be declined beyond those without proof before it is called too many."""
MOSTLY = 0.5
"""Share of answerable questions that are declined, from which that is an alarm."""
KINDS = {
    "both": "the model's words and the sentence that proves them",
    "quote": "the sentence that answers, word for word",
    "short": "the model's words with their citations",
}


@dataclass(frozen=True)
class Conclusion:
    """A headline and what it rests on."""

    verdict: str
    """`won`, `ahead`, `lost` or `unknown`: for colour, not for reading."""
    headline: str
    sentences: tuple[str, ...]
    readers: str = ""
    """What readers get and whether the first sentence would do as well, for who reads nothing else."""


@dataclass(frozen=True)
class Alarm:
    """Something that nobody should find out by reading figures, and what to do about it."""

    said: str
    advice: str


def conclude(found: Findings, summary: Summary, config: Evaluate) -> Conclusion:
    """The verdict and its reasons."""
    verdict, headline = _verdict(found, summary)
    sentences = [_served(summary), _made_of(found), _answers(summary), _extract(summary), _citations(summary)]
    sentences += [_reranker(summary), _unknown(summary), _forgetting(summary), _memory(summary), _noise(summary)]
    sentences += [_form(summary), _canaries(summary), _held_back(found, summary), _serves(found, config)]
    return Conclusion(verdict, headline, tuple(s for s in sentences if s), _readers(summary))


def alarms(summary: Summary) -> list[Alarm]:
    """Where readers are mostly turned away, or would be better off with the first sentence that is found."""
    made = []
    refused, right = summary.figures.get(f"{SERVED}.over_refusal"), summary.figures.get(f"{SERVED}.right")
    if refused and refused.value >= MOSTLY:
        made.append(
            Alarm(
                f"Most questions are declined: readers are told that nothing is found for {refused.value:.2f} of the "
                f"questions that the documents do answer ({refused.n} asked).",
                "more examples, an adapter to continue from (train.init_from) or prompt.answer: quote; lower bounds in "
                "prompt.least_score and prompt.least_confidence show more answers, and more wrong ones",
            )
        )
    extract, pair = summary.figures.get(f"{EXTRACT}.right"), summary.pairs.get("served_extract", {})
    if right and extract and "right" in pair and pair["right"].high < 0 and pair["net"].delta <= 0:
        made.append(
            Alarm(
                f"Readers get fewer right answers ({right.value:.2f}) than by quoting the first sentence found, with "
                f"no model at all ({extract.value:.2f}).",
                "prompt.answer: quote serves those sentences; more examples, or an adapter to continue from "
                "(train.init_from), is what makes a model that is worth serving",
            )
        )
    return made


def loss(found: Findings, summary: Summary) -> str:
    """Why something that is simpler than RAFT is better than it, or nothing where nothing is."""
    raft = summary.figures.get("raft.right")
    if found.winner is None or raft is None:
        return ""
    if found.winner != "raft":
        other = summary.figures[f"{found.winner}.right"]
        if other.value > raft.value:
            return f"RAFT lost to {found.winner}: {raft.value:.3f} of its answers are right, against {other.value:.3f}"
        return f"RAFT lost to {found.winner}: as many right answers ({raft.value:.3f}), and worse citations"
    extract, pair = summary.figures.get(f"{EXTRACT}.right"), summary.pairs.get("paired_extract", {})
    if extract and "right" in pair and pair["right"].high < 0:
        return (
            f"quoting the first sentence found, with no model at all, is right for {extract.value:.3f} of the "
            f"questions, RAFT for {raft.value:.3f}"
        )
    return ""


def _verdict(found: Findings, summary: Summary) -> tuple[str, str]:
    rival, extract = (summary.pairs.get(family, {}).get("right") for family in ("paired", "paired_extract"))
    lost = loss(found, summary)
    if lost:
        return "lost", f"No. {lost[0].upper()}{lost[1:]}."
    if found.winner != "raft" or rival is None or extract is None:
        return "unknown", f"Not measured: RAFT was not compared with {RIVAL}."
    least, other = (rival, RIVAL) if rival.delta <= extract.delta else (extract, "the first sentence found")
    if rival.low > 0 and extract.low > 0:
        return "won", (
            f"Yes. RAFT answers {_points(rival.delta)} more of the questions right than {RIVAL}, and "
            f"{_points(extract.delta)} more than the first sentence found, quoted without a model."
        )
    if least.delta > 0:
        return "ahead", f"Perhaps. RAFT is {_points(least.delta)} ahead of {other}, but chance could explain it."
    if least.delta < 0:
        return "ahead", f"Not shown. RAFT is {_points(-least.delta)} behind {other}, and chance could explain it."
    return "ahead", f"Not shown. RAFT and {other} answer about as many questions right."


def _points(delta: float) -> str:
    return f"{100 * delta:.0f} in 100" if round(100 * delta) else f"{100 * delta:.1f} in 100"


def _between(difference: Difference) -> str:
    return f"difference {difference.delta:+.3f}, 95 % interval {difference.low:+.3f} to {difference.high:+.3f}"


def _answers(summary: Summary) -> str:
    difference, raft = summary.paired.get("right"), summary.figures.get("raft.right")
    rival = summary.figures.get(f"{RIVAL}.right")
    if not difference or not raft or not rival:
        return ""
    return (
        f"Right answers: {raft.value:.3f} with RAFT, {rival.value:.3f} with {RIVAL}; {_between(difference)} "
        f"over {raft.n} questions. In {100 * difference.not_better:.1f} % of the resamples RAFT was not better."
    )


def _extract(summary: Summary) -> str:
    """The arm that costs nothing, against RAFT's own words."""
    difference, raft = summary.pairs.get("paired_extract", {}).get("right"), summary.figures.get("raft.right")
    extract, oracle = summary.figures.get(f"{EXTRACT}.right"), summary.figures.get("oracle.right")
    if not difference or not raft or not extract:
        return ""
    better = "quoting is better" if difference.high < 0 else "neither is shown to be better"
    better = "RAFT is better" if difference.low > 0 else better
    said = (
        f"The first sentence found, quoted with no model at all, is right for {extract.value:.3f}, RAFT's own words "
        f"for {raft.value:.3f}; {_between(difference)}: {better}."
    )
    return f"{said} Shown the proof and nothing else, RAFT is right for {oracle.value:.3f}." if oracle else said


def _citations(summary: Summary) -> str:
    raft, lift = summary.figures.get("raft.citation_precision"), summary.figures.get("raft.citation_lift")
    first = summary.figures.get("raft.cites_first")
    if not raft or not lift or not first:
        return ""
    said = (
        f"Citations that the model itself writes: {raft.value:.3f} of them point at the proof; an answer that always "
        f"cites [1] would have {raft.value - lift.value:.3f}: lift {lift.value:+.3f}, 95 % interval {lift.low:+.3f} to "
        f"{lift.high:+.3f}. {_of(first)} answers cite [1] alone"
    )
    said += "." if lift.low > 0 else ": it is not shown that the model chooses its evidence."
    mixed, always = (summary.figures.get(f"shuffled.{name}") for name in ("citation_precision", "always_first"))
    chance = summary.figures.get("shuffled.chance")
    if not mixed or not always or not chance:
        return said
    return (
        f"{said} With the evidence in another order: {mixed.value:.3f} over {mixed.n} answers, where always [1] has "
        f"{always.value:.3f} and chance {chance.value:.3f}."
    )


def _reranker(summary: Summary) -> str:
    first, before = (summary.figures.get(f"retrieval.{name}") for name in ("unit_first", "unit_first_before"))
    gain = summary.figures.get("retrieval.rerank_gain")
    if not first or not before or not gain:
        return ""
    return (
        f"The re-ranker puts the proof first for {first.value:.3f} of the questions, the order before it for "
        f"{before.value:.3f}; gain {gain.value:+.3f}, 95 % interval {gain.low:+.3f} to {gain.high:+.3f}."
    )


def _unknown(summary: Summary) -> str:
    asked, refused = summary.figures.get("raft.abstention"), summary.figures.get("raft.over_refusal")
    if not asked or not refused:
        return ""
    said = (
        f"Not knowing: RAFT declines {asked.value:.3f} of the unanswerable questions, and by mistake "
        f"{refused.value:.3f} of the answerable ones."
    )
    served = summary.figures.get(f"{SERVED}.abstention")
    near, absent = (summary.figures.get(f"{SERVED}.abstention_{kind}") for kind in ("near_miss", "absent"))
    if not served:
        return said
    kinds = f": {_of(near)} near misses, {_of(absent)} absent topics" if near and absent else ""
    return f"{said} Readers are told so for {_of(served)} of the unanswerable ones{kinds}."


def _served(summary: Summary) -> str:
    right, wrong = summary.figures.get(f"{SERVED}.right"), summary.figures.get(f"{SERVED}.wrong")
    refused, strict = summary.figures.get(f"{SERVED}.over_refusal"), summary.figures.get(f"{SERVED}.right_strict")
    own = summary.figures.get(f"{SERVED}.answer_contained")
    extract, amiss = summary.figures.get(f"{EXTRACT}.right"), summary.figures.get(f"{EXTRACT}.wrong")
    pair = summary.pairs.get("served_extract", {})
    if not right or not wrong or not refused or not strict or not own or not extract or not amiss or not pair:
        return ""
    return (
        f"What readers get: {right.value:.3f} of the answerable questions answered right ({strict.value:.3f} strictly "
        f"counted, {own.value:.3f} by the answer's own text), {refused.value:.3f} declined; of all questions "
        f"{wrong.value:.3f} got a wrong one. Quoting the first sentence found would be right for {extract.value:.3f} "
        f"and wrong for {amiss.value:.3f}. Right answers: {_between(pair['right'])}; wrong ones: "
        f"{_between(pair['wrong'])}."
    )


def _readers(summary: Summary) -> str:
    """The same in whole questions of a hundred, and a verdict: right and wrong answers weighed against each other."""
    named = [summary.figures.get(f"{arm}.{name}") for arm in (SERVED, EXTRACT) for name in ("right", "wrong")]
    right, wrong, found, amiss = (100 * interval.value if interval else None for interval in named)
    net = summary.pairs.get("served_extract", {}).get("net")
    if right is None or wrong is None or found is None or amiss is None or not net:
        return ""
    better = "better than that" if net.low > 0 else "worse than that" if net.high < 0 else "not shown to be better"
    return (
        f"Of 100 questions that the documents answer, readers get {right:.0f} right answers; quoting the first "
        f"sentence found, with no model at all, gives {found:.0f}. Of 100 questions of any kind, {wrong:.0f} get a "
        f"wrong answer; by quoting, {amiss:.0f}. Right and wrong ones together, what readers get is {better}."
    )


def _made_of(found: Findings) -> str:
    if not found.answering:
        return ""
    made, tried = found.answering, {t.policy: t for t in found.answering.tried}
    said = f"An answer is {KINDS[made.policy]} (prompt.answer: {made.policy}), decided by {made.chosen_by}"
    best = {p: max((t for t in made.tried if t.policy == p), key=lambda t: t.right - t.wrong) for p in tried}
    shown = "; ".join(f"{p} {t.right:.2f} right, {t.wrong:.2f} wrong" for p, t in best.items())
    return f"{said}: {shown}." if len(best) > 1 else f"{said}."


def _memory(summary: Summary) -> str:
    base, raft = summary.figures.get("memory.base"), summary.figures.get("memory.raft")
    if not base or not raft:
        return ""
    return f"From memory, without any evidence: the base model answers {_of(base)} right, the RAFT model {_of(raft)}."


def _noise(summary: Summary) -> str:
    flips, delta = summary.figures.get("noise.flips"), summary.figures.get("noise.delta")
    if not flips or not delta:
        return ""
    return (
        f"Noise: {RIVAL}, asked again with its evidence in another order, is judged otherwise for {_of(flips)} "
        f"questions ({delta.value:+.3f} right): a difference of that size means nothing."
    )


def _canaries(summary: Summary) -> str:
    if not summary.counts:
        return ""
    leaks, put = summary.counts["leaks"], summary.counts["canaries"]
    if leaks:
        return f"Leaks: {leaks} of {put} questions brought a document that their asker may not read."
    return f"No leak: {put} questions were put by somebody who may not read their evidence, and none brought any of it."


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
    if declined.value <= 1 - shown.value + _MARGIN and shown.value >= 1 - _MARGIN:
        return (
            f"{why}: it was there to be read. More examples or epochs, or an adapter to continue from "
            "(train.init_from), are what to try."
        )
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
    quotes = found.answering is not None and found.answering.policy == "quote"
    if config.when_raft_loses == "fail" and found.winner != "raft":
        return f"The spec says to stop when RAFT loses (evaluate.when_raft_loses), so {found.winner} is not served."
    if quotes:
        return f"Served: quotes; {found.winner} ({label}) answers requests about form only."
    if found.winner == "raft":
        return f"Served: raft ({label})."
    return f"Served instead: {found.winner} ({label}), as evaluate.when_raft_loses says."
