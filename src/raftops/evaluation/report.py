"""What the report says, as values: rows of answers.jsonl and the body of report.json. `page.py` writes it.

Holds no date, so that the same findings give the
same report; only timings differ between two machines, and `identity` in report.json leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from raftops.evaluation.arms import CONTENDERS
from raftops.evaluation.conclusion import Conclusion, conclude, loss
from raftops.evaluation.gates import GateResult, reasons
from raftops.evaluation.study import Findings
from raftops.evaluation.summary import Summary
from raftops.files import read_jsonl, sha256_json
from raftops.raftdata.golden import Source
from raftops.spec.model.learning import Evaluate

_TIMED = ".seconds"


@dataclass(frozen=True)
class Report:
    """Everything that the report says."""

    title: str
    config: Evaluate
    found: Findings
    summary: Summary
    gates: Sequence[GateResult]
    stale: Mapping[str, Any] | None

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
        return reasons(self.gates, self.loss if self.config.when_raft_loses == "fail" else "")

    @property
    def audience(self) -> list[str]:
        """Groups whose documents stand in the report: it is for people who are in all of them."""
        return sorted({group for shown in self.found.shown for group in shown.question.groups})

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row for each question and arm."""
        for arm, replies in self.found.replies.items():
            for reply, shown, scores in zip(replies, self.found.shown, self.found.scores[arm], strict=True):
                example, said = shown.question.example, asdict(reply)
                said.pop("question"), said.pop("seconds")
                reads = arm not in CONTENDERS or CONTENDERS[arm].reads
                yield {
                    "id": example.id, "arm": arm, "kind": shown.question.kind, "question": example.asked,
                    "reference": example.answer, "groups": list(shown.question.groups),
                    "golden": sorted(shown.golden), "scores": {k: v for k, v in scores.items() if k != "seconds"},
                    "shown": [[u.number, u.doc_id, u.start, u.end] for u in shown.units] if reads else [],
                } | said  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """What gates, the release and the plan read."""
        metrics = {name: round(value, 6) for name, value in self.summary.metrics.items()}
        body = {
            "metrics": metrics,
            "arms": self._arms(),
            "paired": {f"raft - base+rag {metric}": asdict(d) for metric, d in self.summary.paired.items()},
            "winner": self.found.winner,
            "conclusion": asdict(self.conclusion),
            "gates": [asdict(gate) for gate in self.gates],
            "held": self.held,
            "questions": {k: {"asked": n, "held_out": all_} for k, (n, all_) in self.found.held.counts.items()},
            "limits": list(limits(self.found)),
            "left_out": [{"id": id_, "reason": reason} for id_, reason in self.found.held.left_out],
            "router": self.found.routed.confusion if self.found.routed else {},
            "training_sources": self.stale,
            "audience": self.audience,
        }
        return body | {"identity": sha256_json([_untimed(body), list(self.rows())])}

    def _arms(self) -> dict[str, dict[str, Any]]:
        arms: dict[str, dict[str, Any]] = {name: {} for name in self.found.replies}
        for name, interval in self.summary.figures.items():
            arm, _, metric = name.rpartition(".")
            if arm in arms:
                arms[arm][metric] = asdict(interval)
        return arms


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


def staleness(adapters: Path, sources: Mapping[str, Source]) -> dict[str, Any] | None:
    """Training rows whose source document changed or is gone; None where the adapters do not say what they saw.

    A changed document does not retrain, so weights may repeat what the documents no longer say.
    """
    path = adapters / "sources.jsonl"
    if not path.is_file():
        return None
    current = {(source.doc_id, source.version) for source in sources.values()}
    rows = [[(s["doc_id"], s["version"]) for s in row["sources"]] for _, row in read_jsonl(path)]
    changed = [row for row in rows if any(seen not in current for seen in row)]
    documents = sorted({doc_id for row in changed for doc_id, version in row if (doc_id, version) not in current})
    return {"rows": len(rows), "stale_rows": len(changed), "documents": documents}
