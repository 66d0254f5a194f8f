"""Dense and sparse scores into one: min-max over the candidates, weighted sum, ties by passage id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raftops.data.records import Hit, Passage

Scored = Mapping[str, tuple[Passage, float]]
"""Passages and raw scores by passage id."""


def candidates(top_k: int) -> int:
    """How many each side contributes."""
    return max(50, 4 * top_k)


def fuse(dense: Scored, sparse: Scored, dense_share: float, top_k: int) -> list[Hit]:
    """Best first. A passage that one side did not find counts there as that side's worst."""
    near, words = _scaled(dense), _scaled(sparse)
    hits = [
        Hit(
            passage=(dense.get(key) or sparse[key])[0],
            score=dense_share * near.get(key, 0.0) + (1 - dense_share) * words.get(key, 0.0),
            dense=dense[key][1] if key in dense else 0.0,
            sparse=sparse[key][1] if key in sparse else 0.0,
        )
        for key in {**dense, **sparse}
    ]
    return sorted(hits, key=lambda h: (-h.score, h.passage.passage_id))[:top_k]


def _scaled(scored: Scored) -> dict[str, float]:
    scores = [s for _, s in scored.values()]
    if not scores:
        return {}
    low, width = min(scores), max(scores) - min(scores)
    return {key: (score - low) / width if width > 0 else 1.0 for key, (_, score) in scored.items()}


def by_id(found: Sequence[tuple[Passage, float]]) -> Scored:
    """Scored passages by their id."""
    return {p.passage_id: (p, s) for p, s in found}
