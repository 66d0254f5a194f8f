"""Findings to figures: a flat table of metrics, intervals, paired differences, and which arm is the best cited one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from raftops.evaluation.arms import CONTENDERS
from raftops.evaluation.bootstrap import Column, Difference, Interval, Sample
from raftops.evaluation.questions import ANSWERABLE
from raftops.evaluation.ranking import KS
from raftops.evaluation.scores import Scores
from raftops.evaluation.study import SERVED, Findings
from raftops.spec.model.base import Arm
from raftops.spec.model.learning import Evaluate

CITED: tuple[Arm, ...] = ("raft", "base+rag", "fine-tuned+rag")
"""Arms that can be served, since they cite; RAFT first, so that it wins a tie."""
ANSWERS = ("answer_contained", "f1", "over_refusal", "abstention", "wrong")
CITATIONS = ("citation_precision", "citation_recall", "quote_validity")
COSTS = ("tokens", "seconds")
PAIRED = ("answer_contained", "f1", "citation_precision")
RIVAL = "base+rag"


@dataclass(frozen=True)
class Summary:
    """Every figure of the report."""

    figures: dict[str, Interval] = field(default_factory=dict)
    """By dotted name: `raft.answer_contained`."""
    paired: dict[str, Difference] = field(default_factory=dict)
    """RAFT minus base+rag by metric."""

    @property
    def metrics(self) -> dict[str, float]:
        """Flat figures as gates and the run record read them."""
        flat = {name: interval.value for name, interval in self.figures.items()}
        for metric, difference in self.paired.items():
            flat[f"paired.{metric}.delta"] = difference.delta
            flat[f"paired.{metric}.low"] = difference.low
            flat[f"paired.{metric}.high"] = difference.high
            flat[f"paired.{metric}.not_better"] = difference.not_better
        return flat

    @property
    def gated(self) -> dict[str, float]:
        """What a gate may name: the metrics, and `.low` and `.high` of each interval."""
        lows = {f"{name}.low": interval.low for name, interval in self.figures.items()}
        return self.metrics | lows | {f"{name}.high": interval.high for name, interval in self.figures.items()}


class Summariser:
    """Draws the resamples of one evaluation."""

    def __init__(self, config: Evaluate) -> None:
        self._resamples, self._seed = config.bootstrap, config.seed

    def summary(self, found: Findings) -> Summary:
        """All figures."""
        answers, paired = self._answers(found)
        figures = answers | self._retrieval(found) | self._form(found) | self._memory(found) | self._router(found)
        return Summary(figures, paired)

    def winner(self, found: Findings) -> Arm | None:
        """The cited arm with the most right answers; citation F1 breaks a tie, and RAFT keeps a full one."""
        figures, _ = self._answers(found)
        measured = [arm for arm in CITED if f"{arm}.answer_contained" in figures]
        return max(measured, key=lambda arm: _composite(figures, arm), default=None)

    def _answers(self, found: Findings) -> tuple[dict[str, Interval], dict[str, Difference]]:
        kinds = [shown.question.kind for shown in found.shown]
        names = {name: _metrics_of(name) for name in found.scores}
        columns = {
            f"{name}.{metric}": _column(found.scores[name], metric) for name in names for metric in names[name]
        }  # fmt: skip
        sample = self._sample(columns, kinds)
        figures = {name: interval for name in columns if (interval := sample.interval(name))}
        for name in (n for n in names if "citation_recall" in names[n]):
            f1 = sample.harmonic(f"{name}.citation_precision", f"{name}.citation_recall")
            figures |= {f"{name}.citation_f1": f1} if f1 else {}
        if {"raft", RIVAL} - names.keys():
            return figures, {}
        differences = {m: sample.difference(f"raft.{m}", f"{RIVAL}.{m}") for m in PAIRED}
        return figures, {metric: d for metric, d in differences.items() if d}

    def _retrieval(self, found: Findings) -> dict[str, Interval]:
        answerable = sum(shown.question.kind == ANSWERABLE for shown in found.shown)
        columns: dict[str, Column] = {
            f"{name}.{metric}": [row[metric] for row in rows]
            for name, rows in found.retrieval.items() if rows for metric in rows[0] if _kept(metric)
        }  # fmt: skip
        return self._intervals(columns, [ANSWERABLE] * answerable)

    def _form(self, found: Findings) -> dict[str, Interval]:
        rows = next(iter(found.forms.values()), [])
        passed: dict[str, Column] = {
            f"behaviour.{model}": [float(not form.failed) for form in forms] for model, forms in found.forms.items()
        }
        values: dict[str, Column] = {
            f"behaviour_values.{model}": [None if f.values_right is None else float(f.values_right) for f in forms]
            for model, forms in found.forms.items()
        }
        return self._intervals(passed | values, ["form"] * len(rows))

    def _memory(self, found: Findings) -> dict[str, Interval]:
        rows = next(iter(found.probes.values()), [])
        columns: dict[str, Column] = {
            f"forgetting.{model}": [float(reply.right) for reply in replies] for model, replies in found.probes.items()
        }
        return self._intervals(columns, ["probe"] * len(rows))

    def _router(self, found: Findings) -> dict[str, Interval]:
        if found.routed is None:
            return {}
        return self._intervals({"router.accuracy": found.routed.right}, found.routed.kinds)

    def _intervals(self, columns: dict[str, Column], strata: Sequence[str]) -> dict[str, Interval]:
        if not strata or not columns:
            return {}
        sample = self._sample(columns, strata)
        return {name: interval for name in columns if (interval := sample.interval(name))}

    def _sample(self, columns: dict[str, Column], strata: Sequence[str]) -> Sample:
        return Sample(columns, strata, self._resamples, self._seed)


def _metrics_of(name: str) -> tuple[str, ...]:
    cites = name == SERVED or any(arm == name and c.reads for arm, c in CONTENDERS.items())
    return (*ANSWERS, *(CITATIONS if cites else ()), *COSTS)


def _column(rows: Sequence[Scores], metric: str) -> Column:
    return [row.get(metric) for row in rows]


def _kept(metric: str) -> bool:
    return not metric.startswith("hit@") or metric in ("hit@1", f"hit@{KS[-1]}")


def _composite(figures: dict[str, Interval], arm: Arm) -> tuple[float, float]:
    f1 = figures.get(f"{arm}.citation_f1")
    return figures[f"{arm}.answer_contained"].value, f1.value if f1 else 0.0
