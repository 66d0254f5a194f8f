"""Findings to figures: a flat table of metrics, intervals, paired differences, and which arm is the best cited one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from raftops.evaluation.bootstrap import Column, Difference, Interval, Sample
from raftops.evaluation.questions import ANSWERABLE
from raftops.evaluation.ranking import KS
from raftops.evaluation.scores import Scores
from raftops.evaluation.study import Findings
from raftops.spec.figures import COUNTS, FIGURES, PAIRS, SERVED, names_of
from raftops.spec.model.base import Arm
from raftops.spec.model.learning import Evaluate

CITED: tuple[Arm, ...] = ("raft", "base+rag", "fine-tuned+rag")
"""Arms that can be served, since they cite; RAFT first, so that it wins a tie."""
RIVAL = "base+rag"
POINTS = {"p50": 50, "p95": 95, "p99": 99}


@dataclass(frozen=True)
class Summary:
    """Every figure of the report."""

    figures: dict[str, Interval] = field(default_factory=dict)
    """By dotted name: `raft.right`."""
    pairs: dict[str, dict[str, Difference]] = field(default_factory=dict)
    """Paired differences by family and figure: `paired`, then `right`, is RAFT minus base+rag."""
    counts: dict[str, int] = field(default_factory=dict)
    latencies: dict[str, float] = field(default_factory=dict)
    """Percentiles in seconds, by dotted name."""
    behind: dict[str, int] = field(default_factory=dict)
    """Rows of the training data that the documents have left behind: stale and tainted ones."""

    @property
    def paired(self) -> dict[str, Difference]:
        """RAFT minus base+rag."""
        return self.pairs.get("paired", {})

    @property
    def metrics(self) -> dict[str, float]:
        """Flat figures as gates and the run record read them."""
        flat = {name: interval.value for name, interval in self.figures.items()} | self.latencies
        flat |= {name: float(count) for name, count in (self.counts | self.behind).items()}
        for family, differences in self.pairs.items():
            for metric, difference in differences.items():
                flat |= {f"{family}.{metric}.{part}": value for part, value in asdict(difference).items()}
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
        answers, pairs = self._answers(found)
        figures = answers | self._retrieval(found) | self._form(found) | self._memory(found) | self._router(found)
        figures |= self._intervals(found.probed, ["again"] * max(map(len, found.probed.values()), default=0))
        return Summary(figures | _choice(figures), pairs, _counts(found), _latencies(found))

    def winner(self, found: Findings) -> Arm | None:
        """The cited arm with the most right answers; citation F1 breaks a tie, and RAFT keeps a full one."""
        figures, _ = self._answers(found)
        measured = [arm for arm in CITED if f"{arm}.right" in figures]
        return max(measured, key=lambda arm: _composite(figures, arm), default=None)

    def slices(self, found: Findings, groups: Sequence[str], figures: Sequence[str]) -> dict[str, dict[str, Interval]]:
        """Figures (`served.right`) of parts of the questions: by group, one label for each question."""
        columns: dict[str, Column] = {}
        for label in sorted(set(groups) - {""}):
            for figure in figures:
                arm, _, metric = figure.rpartition(".")
                pairs = zip(found.scores.get(arm, ()), groups, strict=False)
                values = [row.get(metric) if group == label else None for row, group in pairs]
                columns |= {f"{label}\n{figure}": values} if values else {}
        made = self._intervals(columns, [shown.question.kind for shown in found.shown])
        parts: dict[str, dict[str, Interval]] = {}
        for name, interval in made.items():
            label, _, figure = name.partition("\n")
            parts.setdefault(label, {})[figure] = interval
        return parts

    def _answers(self, found: Findings) -> tuple[dict[str, Interval], dict[str, dict[str, Difference]]]:
        kinds = [shown.question.kind for shown in found.shown]
        marked = any(shown.question.example.near_miss for shown in found.shown)
        columns = {
            f"{name}.{metric}": _column(rows, metric)
            for name, rows in found.scores.items()
            for metric in names_of(name)
            if marked or not metric.startswith("abstention_")
        }
        sample = self._sample(columns, kinds)
        figures = {name: interval for name in columns if (interval := sample.interval(name))}
        for name in (n for n in found.scores if f"{n}.citation_recall" in columns):
            f1 = sample.harmonic(f"{name}.citation_precision", f"{name}.citation_recall")
            figures |= {f"{name}.citation_f1": f1} if f1 else {}
        pairs: dict[str, dict[str, Difference]] = {}
        for family, (one, other) in PAIRS.items():
            if {one, other} <= found.scores.keys():
                differences = {
                    f.name: sample.difference(f"{one}.{f.name}", f"{other}.{f.name}") for f in FIGURES if f.paired
                }
                pairs[family] = {metric: d for metric, d in differences.items() if d}
        return figures, pairs

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
        words: dict[str, Column] = {
            f"behaviour_words.{model}": [form.words for form in forms] for model, forms in found.forms.items()
        }
        return self._intervals(passed | values | words, ["form"] * len(rows))

    def _memory(self, found: Findings) -> dict[str, Interval]:
        rows = next(iter(found.probes.values()), [])
        columns: dict[str, Column] = {
            f"forgetting.{model}": [float(reply.right) for reply in replies] for model, replies in found.probes.items()
        }
        return self._intervals(columns, ["probe"] * len(rows))

    def _router(self, found: Findings) -> dict[str, Interval]:
        if found.routed is None:
            return {}
        right, kinds = found.routed.right, found.routed.kinds
        columns: dict[str, Column] = {
            "router.accuracy": right,
            "router.recall_knowledge": [None if k == "behaviour" else r for r, k in zip(right, kinds, strict=True)],
            "router.recall_behaviour": [r if k == "behaviour" else None for r, k in zip(right, kinds, strict=True)],
        }
        return self._intervals(columns, kinds)

    def _intervals(self, columns: Mapping[str, Column], strata: Sequence[str]) -> dict[str, Interval]:
        if not strata or not columns:
            return {}
        sample = self._sample(columns, strata)
        return {name: interval for name in columns if (interval := sample.interval(name))}

    def _sample(self, columns: Mapping[str, Column], strata: Sequence[str]) -> Sample:
        return Sample(columns, strata, self._resamples, self._seed)


def _column(rows: Sequence[Scores], metric: str) -> Column:
    return [row.get(metric) for row in rows]


def _kept(metric: str) -> bool:
    return not metric.startswith("hit@") or metric in ("hit@1", f"hit@{KS[-1]}")


def _composite(figures: dict[str, Interval], arm: Arm) -> tuple[float, float]:
    f1 = figures.get(f"{arm}.citation_f1")
    return figures[f"{arm}.right"].value, f1.value if f1 else 0.0


def _choice(figures: Mapping[str, Interval]) -> dict[str, Interval]:
    """The better of the two that choose evidence: the model by its citations, or the re-ranker."""
    choosers = [figures[name] for name in ("raft.citation_lift", "retrieval.rerank_gain") if name in figures]
    return {"choice.gain": max(choosers, key=lambda interval: interval.value)} if choosers else {}


def _counts(found: Findings) -> dict[str, int]:
    made = (found.canary_leaks, len(found.canaries))
    return dict(zip(COUNTS, made, strict=True)) if found.canaries else {}


def _latencies(found: Findings) -> dict[str, float]:
    """Of what is served; an answer without a generation has no time of one."""
    replies = found.replies.get(SERVED, [])
    times = {
        "retrieval": [shown.seconds for shown in found.shown],
        "generation": [reply.seconds for reply in replies if reply.completion_tokens],
        "answer": [shown.seconds + reply.seconds for shown, reply in zip(found.shown, replies, strict=False)],
    }
    return {
        f"latency.{part}_{point}_seconds": float(np.percentile(seconds, share))
        for part, seconds in times.items() if seconds for point, share in POINTS.items()
    }  # fmt: skip
