"""What the report says, as values: rows of answers.jsonl and the body of report.json. `page.py` writes it.

answers.jsonl holds every answer with its scores and belongs beside the report wherever that is kept: figures that
nobody can look up are not evidence. Holds no date, so that the same findings give the same
report; only timings differ between two machines, and `identity` in report.json leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from raftops.access import AccessPolicies
from raftops.evaluation import coverage
from raftops.evaluation.arms import CONTENDERS, EXTRACT
from raftops.evaluation.bootstrap import Interval
from raftops.evaluation.conclusion import Alarm, Conclusion, alarms, conclude, loss
from raftops.evaluation.gates import GateResult, reasons
from raftops.evaluation.metrics import kind_of_question
from raftops.evaluation.questions import ANSWERABLE
from raftops.evaluation.study import Findings
from raftops.evaluation.summary import Summariser, Summary
from raftops.files import read_jsonl, sha256_json
from raftops.raftdata.golden import Source
from raftops.spec.figures import PAIRS, SERVED
from raftops.spec.model.learning import Evaluate

_TIMED = (".seconds", "_seconds")
SLICED = ("served.right", "served.wrong", "extract.right")
Parts = Mapping[str, Mapping[str, Interval]]


@dataclass(frozen=True)
class Report:
    """Everything that the report says."""

    title: str
    config: Evaluate
    found: Findings
    summary: Summary
    gates: Sequence[GateResult]
    stale: Mapping[str, Any] | None
    origin: Mapping[str, str] = field(default_factory=dict)
    """What was measured: data, index, base, adapters."""

    @cached_property
    def conclusion(self) -> Conclusion:
        """Was it worth it?"""
        return conclude(self.found, self.summary, self.config)

    @property
    def loss(self) -> str:
        """Why RAFT lost, or nothing."""
        return loss(self.found, self.summary)

    @property
    def held(self) -> list[str]:
        """Why nothing may be released; empty where the gates pass."""
        lost = [self.loss, *(alarm.said for alarm in self.alarms)] if self.config.when_raft_loses == "fail" else []
        return reasons(self.gates) + [said for said in lost if said]

    @property
    def alarms(self) -> list[Alarm]:
        """What nobody should have to find in the figures."""
        return alarms(self.summary)

    @cached_property
    def slices(self) -> dict[str, Parts]:
        """What is served by kind of question, by policy of the proof and, where the examples say it, by language."""
        shown, summariser = self.found.shown, Summariser(self.config)
        answerable = [one.question.kind == ANSWERABLE for one in shown]
        kinds = [kind_of_question(one.question.example) for one in shown]
        policies = [min((self.found.policies[doc] for doc in one.question.documents), default="") for one in shown]
        by = {
            "kind of question": [kind if right else "" for kind, right in zip(kinds, answerable, strict=True)],
            "policy of the proof": policies,
            "language": [one.question.example.language for one in shown],
        }
        made = {name: summariser.slices(self.found, groups, SLICED) for name, groups in by.items()}
        return {name: parts for name, parts in made.items() if len(parts) > 1}

    @property
    def audience(self) -> list[str]:
        """Groups whose documents stand in the report: it is for people who are in all of them."""
        return sorted({group for shown in self.found.shown for group in shown.question.groups})

    @property
    def stands(self) -> tuple[float, float] | None:
        """Where what is served stands beside the curve: share of the questions answered, and of those wrong."""
        replies, scores = self.found.replies.get(SERVED, []), self.found.scores.get(SERVED, [])
        answered = [float(row["wrong"] or 0) for reply, row in zip(replies, scores, strict=True) if not reply.abstained]
        return (len(answered) / len(replies), sum(answered) / len(answered)) if answered else None

    @property
    def judged(self) -> list[coverage.Judged]:
        """How likely it is that each question is answered by its evidence, and whether its first unit does."""
        right = [bool(row.get("right")) for row in self.found.scores[EXTRACT]]
        return list(zip(self.found.likely, right, strict=True))

    @property
    def risk(self) -> list[tuple[float, float]]:
        """(coverage, risk) of quoting the first unit, the likeliest questions first."""
        return [(point.coverage, point.risk) for point in coverage.curve(self.judged)]

    @property
    def positions(self) -> dict[str, dict[str, dict[str, int]]]:
        """RAFT's right answers by the place of the first proof, in the order as served and in a drawn one."""
        made = {}
        for order, places in self.found.places.items():
            at = {
                place: [right for where, right in places if where == place] for place in sorted({p for p, _ in places})
            }
            made[order] = {str(place): {"asked": len(rights), "right": sum(rights)} for place, rights in at.items()}
        return made

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row for each question and arm."""
        for arm, replies in self.found.replies.items():
            for reply, shown, scores in zip(replies, self.found.read(arm), self.found.scores[arm], strict=True):
                example, said = shown.question.example, asdict(reply)
                said.pop("question"), said.pop("seconds")
                reads = arm not in CONTENDERS or CONTENDERS[arm].reads
                yield {
                    "id": example.id, "arm": arm, "kind": shown.question.kind, "question": example.asked,
                    "reference": example.answer, "accepted": list(example.accepted), "must": list(example.must),
                    "groups": list(shown.question.groups),
                    "golden": sorted(shown.golden), "scores": {k: v for k, v in scores.items() if k != "seconds"},
                    "shown": [[u.number, u.doc_id, u.start, u.end] for u in shown.units] if reads else [],
                } | said  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """What gates, the release and the plan read."""
        metrics = {name: round(value, 6) for name, value in self.summary.metrics.items()}
        body = {
            "metrics": metrics,
            "arms": self._arms(),
            "paired": {
                f"{' - '.join(PAIRS[family])} {metric}": asdict(difference)
                for family, differences in self.summary.pairs.items()
                for metric, difference in differences.items()
            },
            "winner": self.found.winner,
            "answering": asdict(self.found.answering) if self.found.answering else None,
            "alarms": [asdict(alarm) for alarm in self.alarms],
            "conclusion": asdict(self.conclusion),
            "gates": [asdict(gate) for gate in self.gates],
            "held": self.held,
            "questions": {k: {"asked": n, "held_out": all_} for k, (n, all_) in self.found.held.counts.items()},
            "limits": list(limits(self.found)),
            "left_out": [{"id": id_, "reason": reason} for id_, reason in self.found.held.left_out],
            "router": self.found.routed.confusion if self.found.routed else {},
            "slices": {by: {part: _plain(row) for part, row in parts.items()} for by, parts in self.slices.items()},
            "positions": self.positions,
            "coverage_risk": coverage.summary(self.judged, self.found.threshold)
            | {"by": self.found.likely_by, "served": dict(zip(("coverage", "risk"), self.stands or (), strict=False))},
            "leaks": [asdict(canary) for canary in self.found.canaries if canary.leaked],
            "training_sources": self.stale,
            "audience": self.audience,
        }
        # What it was made of is no part of what was found: the same findings are the same report.
        return body | {"identity": sha256_json([_untimed(body), list(self.rows())]), "origin": dict(self.origin)}

    def _arms(self) -> dict[str, dict[str, Any]]:
        arms: dict[str, dict[str, Any]] = {name: {} for name in self.found.replies}
        for name, interval in self.summary.figures.items():
            arm, _, metric = name.rpartition(".")
            if arm in arms:
                arms[arm][metric] = asdict(interval)
        return arms


def _plain(figures: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: asdict(interval) for name, interval in figures.items()}


def _untimed(value: Any) -> Any:
    """The same without timings."""
    if isinstance(value, dict):
        return {k: _untimed(v) for k, v in value.items() if k != "seconds" and not k.endswith(_TIMED)}
    return value


def limits(found: Findings) -> Iterator[str]:
    """In words, what was not asked and why."""
    for kind, (asked, there) in found.held.counts.items():
        if asked < there:
            yield f"{asked} of {there} held-out {kind} {'requests' if kind == 'behaviour' else 'questions'}"
    if found.held.left_out:
        yield f"{len(found.held.left_out)} held-out questions cannot be asked of this index"
    if found.continued:
        yield "the adapters continue from a starter (train.init_from); its model card says what it was trained on"
    if found.missing:
        yield f"not trained, so not measured: {', '.join(found.missing)}"


def staleness(adapters: Path, sources: Mapping[str, Source], access: AccessPolicies) -> dict[str, Any] | None:
    """Training rows whose source document changed or is gone; None where the adapters do not say what they saw.

    A changed document does not retrain, so weights may repeat what the documents no longer say. Tainted are rows that
    go back to a document that is gone, or that fewer may read than when it was learned: whoever may not read it is not
    answered by these weights.
    """
    path = adapters / "sources.jsonl"
    if not path.is_file():
        return None
    current = {(source.doc_id, source.version) for source in sources.values()}
    rows = [row["sources"] for _, row in read_jsonl(path)]
    seen = [[(s["doc_id"], s["version"]) for s in row] for row in rows]
    changed = [row for row in seen if any(pair not in current for pair in row)]
    documents = sorted({doc_id for row in changed for doc_id, version in row if (doc_id, version) not in current})
    taints = sorted({s["doc_id"] for row in rows for s in row if _tainted(s, sources, access)})
    tainted = sum(any(s["doc_id"] in taints for s in row) for row in rows)
    return {
        "rows": len(rows), "stale_rows": len(changed), "documents": documents,
        "tainted_rows": tainted, "tainted_by": taints,
    }  # fmt: skip


def _tainted(source: Mapping[str, str], sources: Mapping[str, Source], access: AccessPolicies) -> bool:
    """Whether somebody who could read it when it was learned may not read it any more."""
    now, then = sources.get(source["doc_id"]), source.get("policy", "")
    if now is None:
        return True
    readers = [group for group in access.groups if access.may_read([group], then)]
    return not all(access.may_read([group], now.policy_id) for group in readers)
