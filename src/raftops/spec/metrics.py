"""Names of the figures that a report may hold: what a gate may ask for. Kept in step with `evaluation/summary.py`."""

from __future__ import annotations

from raftops.spec.model.base import ARMS

_ANSWERS = ("answer_contained", "f1", "over_refusal", "abstention", "wrong", "tokens", "seconds")
_CITATIONS = ("citation_precision", "citation_recall", "citation_f1", "quote_validity")
_UNCITED = ("base", "fine-tuned")
"""Arms that read nothing."""
_MODELS = ("base", "plain", "raft")
_RANKING = ("hit@1", "hit@10", "ndcg@10")
_PAIRED = ("answer_contained", "f1", "citation_precision")
_BOUNDS = ("low", "high")


def metric_names() -> tuple[str, ...]:
    """Every name, bounds of intervals included: `raft.f1`, `raft.f1.low`, `paired.f1.delta`."""
    cited = [arm for arm in (*ARMS, "served") if arm not in _UNCITED]
    plain = [f"{arm}.{name}" for arm in (*ARMS, "served") for name in _ANSWERS]
    plain += [f"{arm}.{name}" for arm in cited for name in _CITATIONS]
    plain += [f"{retriever}.{name}" for retriever in ("retrieval", "bm25", "dense") for name in _RANKING]
    plain += ["retrieval.unit_hit", "retrieval.unit_first", "router.accuracy"]
    plain += [f"{what}.{model}" for what in ("behaviour", "behaviour_values", "forgetting") for model in _MODELS]
    paired = [f"paired.{name}.{part}" for name in _PAIRED for part in ("delta", "low", "high", "not_better")]
    return (*plain, *(f"{name}.{bound}" for name in plain for bound in _BOUNDS), *paired)
