"""A user's own examples correct the general re-ranker of the starter, or make one where there is none.

What is kept is what puts the golden unit of more dev questions first; where examples are few or none is better, the
general one stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raftops.files import read_json, sha256_file, sha256_json
from raftops.models import LocalModel
from raftops.retrieval.engine import has_bf16
from raftops.retrieval.protocols import Reranker
from raftops.retrieval.reranker import SETTINGS, copy_reranker, open_reranker, save_reranker
from raftops.retrieval.reranker import WEIGHTS as FILE
from raftops.training.cross_encoder import MAX_TOKENS, Choice, Fit, OnStep, fit
from raftops.training.loop import set_threads

LEAST_EXAMPLES = 24
"""Examples below which none is trained."""
LEAST_DEV = 20
"""Questions of the dev split below which the general one is not given up for today's order."""
PASSES, MOST_STEPS = 4, 160
"""Of a user's examples: four minutes on two cores at the most."""
RATE, RATE_AFTER = 5e-4, 2e-4
"""Learning rates from nothing and behind a general re-ranker; that of the head is four times as high."""
MIX = 0.2
"""Weight of a logit where no general re-ranker says another: that of the first trial, on other data."""


@dataclass(frozen=True)
class Figures:
    """How well an order puts what is golden first, over the questions of a split whose retrieval was asked."""

    questions: int
    first: float
    """Share with a golden candidate first."""
    reciprocal_rank: float
    """Mean of one over the place of the first golden one; 0 where none is there."""

    def __lt__(self, other: Figures) -> bool:
        return (self.first, self.reciprocal_rank) < (other.first, other.reciprocal_rank)


def measure(choices: Sequence[Choice], reranker: Reranker | None, candidates: int) -> Figures:
    """Today's order, or that of a re-ranker over the first candidates, as `select_units` ranks them."""
    places = []
    for choice in choices:
        there = [i for i in range(len(choice.texts)) if not choice.found or choice.found[i]]
        if reranker:
            rank = ranked_by(reranker, candidates)
            by, _ = rank(choice.question, [choice.texts[i] for i in there], [choice.scores[i] for i in there])
            there = [there[k] for k in sorted(range(len(there)), key=lambda k: -by[k])]
        places.append(next((1 / n for n, i in enumerate(there, 1) if choice.golden[i] is True), 0.0))
    count = len(places)
    return Figures(count, sum(p == 1 for p in places) / max(1, count), sum(places) / max(1, count))


Ranking = Callable[[str, Sequence[str], Sequence[float]], tuple[Sequence[float], Sequence[float | None]]]
"""Question, texts and today's scores, best first, to what they are ordered by, and logits where they were read."""


def ranked_by(reranker: Reranker, candidates: int) -> Ranking:
    """The order of `raftops.answer.evidence.reranked`, for rows of choices."""

    def rank(
        question: str, texts: Sequence[str], scores: Sequence[float]
    ) -> tuple[Sequence[float], Sequence[float | None]]:
        logits = [float(logit) for logit in reranker.score(question, texts[:candidates])]
        both = [score + reranker.mix * logit for score, logit in zip(scores, logits, strict=False)]
        least = min(both, default=0.0)
        behind = [least - 1 - n for n in range(len(texts) - len(both))]
        return [*both, *behind], [*logits, *(None for _ in behind)]

    return rank


def train_reranker(  # noqa: PLR0913  rows, where it begins, what it stands on, and where it goes
    rows: Iterable[Mapping[str, Any]],
    start: Path | None,
    encoder: LocalModel,
    cache: Path,
    out: Path,
    seed: int = 7,
    threads: int = 0,
    candidates: int = 15,
    on_step: OnStep = lambda step, steps, loss: None,
) -> dict[str, Any]:
    """Correct the general re-ranker by a user's examples, and write to `out` the one that is kept, if one is.

    The own one is kept where it puts the golden unit of dev questions first more often than the one in `start` and than
    today's order (the mean reciprocal rank decides between equals); else what is in `start` stays. Returns what was
    tried, kept and why, for `evidence.json`.
    """
    set_threads(threads)
    read = [(row["split"], Choice.of(row)) for row in rows if row["kind"] == "answerable"]
    train, dev = ([c for split, c in read if split == wanted] for wanted in ("train", "dev"))
    able = [c for c in train if c.teaches]
    usable = start is not None and (start / FILE).is_file() and read_json(start / SETTINGS)["encoder"] == encoder.digest
    general = start if usable else None
    tried = {"today": measure(dev, None, candidates)}
    if general:
        tried["general"] = measure(dev, open_reranker(general, encoder, cache), candidates)
    own = None
    if len(able) >= LEAST_EXAMPLES and dev:
        own = _own(able, general, encoder, cache, seed, on_step)
        tried["own"] = measure(dev, open_reranker(own, encoder, cache), candidates)
    others = [figures for name, figures in tried.items() if name != "own"]
    if own and all(other < tried["own"] for other in others):
        kept, why = "own", f"it puts more golden units of {len(dev)} dev questions first than {_rest(tried)}"
        copy_reranker(own, out)
    elif general and not (len(dev) >= LEAST_DEV and tried["today"] > tried["general"]):
        kept, why = "general", _reason(len(able), len(dev), "the examples made none that is better on dev")
        copy_reranker(general, out)
    else:
        kept, why = "none", _reason(len(able), len(dev), "none beats today's order on dev")
    return {
        "kept": kept, "why": why, "examples": len(able), "dev": len(dev),
        "tried": {name: asdict(figures) for name, figures in tried.items()},
    }  # fmt: skip


def _rest(tried: Mapping[str, Figures]) -> str:
    return " and ".join({"today": "today's order", "general": "the general one"}[n] for n in tried if n != "own")


def _reason(examples: int, dev: int, otherwise: str) -> str:
    if examples < LEAST_EXAMPLES:
        return f"{examples} examples are fewer than {LEAST_EXAMPLES}"
    return otherwise if dev else "no question of the dev split to judge by"


def _own(
    able: Sequence[Choice], general: Path | None, encoder: LocalModel, cache: Path, seed: int, on_step: OnStep
) -> Path:
    """The re-ranker of these examples, made once for each set of them."""
    begun = read_json(general / SETTINGS) if general else {}
    rate = RATE_AFTER if general else RATE
    settings = Fit(
        steps=min(MOST_STEPS, round(PASSES * len(able) / Fit.lists)), rank=begun.get("rank", Fit.rank),
        alpha=begun.get("alpha", Fit.alpha), learning_rate=rate, head_rate=4 * rate, seed=seed,
        bf16=has_bf16(),
    )  # fmt: skip
    key = sha256_json([
        encoder.digest, asdict(settings), [asdict(c) for c in able], sha256_file(general / FILE) if general else "",
    ])  # fmt: skip
    folder = cache / "rerankers" / f"own-{key}"
    if not (folder / SETTINGS).is_file():
        model = fit(able, encoder.path, settings, folder, general / FILE if general else None, on_step)
        about = {
            "encoder": encoder.digest, "rank": settings.rank, "alpha": settings.alpha, "max_tokens": MAX_TOKENS,
            "mix": begun.get("mix", MIX),
            "trained_on": {"own examples": len(able), "before": begun.get("trained_on", {})},
        }  # fmt: skip
        save_reranker(folder, {n: p.detach().numpy() for n, p in model.learned().items()}, about)
    return folder
