"""The judgement of answerability, fitted: a logistic with ridge by Newton's method, and its threshold. numpy only.

Reads rows of choices. The threshold is taken where right answers less wrong ones are most, on questions that the
weights have not seen: the dev split, and where that is small the train split by cross-validation as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from raftops.answer.evidence import WEIGHTS
from raftops.answer.judgement import Judgement, Shown, features
from raftops.files import sha256_text

Floats = npt.NDArray[np.float64]
Rank = Callable[[str, Sequence[str], Sequence[float]], tuple[Sequence[float], Sequence[float | None]]]
"""Question, texts and today's scores to what they are ordered by, and logits where a re-ranker read them."""

LEAST_EXAMPLES = 100
"""Answerable training examples below which nothing is fitted."""
LEAST_DEV = 100
"""Answerable questions of the dev split below which the threshold is chosen on the train split, too."""
FOLDS = 5
RIDGE = 2.0
"""Weight of the squared coefficients, in questions."""
ANSWERABLE = "answerable"
ANSWERED = 0.85
"""Share of questions that have an answer, whatever the number of rows is."""
SHARE = {"hidden": 0.4, "near_miss": 0.4, "unanswerable": 0.2}
"""What each kind of the others counts among them."""


@dataclass(frozen=True)
class Asked:
    """A question of the choices with the units that would be shown for it."""

    id: str
    split: str
    kind: str
    question: str
    documents: tuple[str, ...]
    shown: tuple[Shown, ...]
    first: bool
    """Whether the first unit is golden, or may be."""
    collection: str = ""
    """Whose documents were asked: each collection counts alike."""

    @property
    def answerable(self) -> bool:
        """Whether the documents that were searched answer it."""
        return self.kind == ANSWERABLE


def today(question: str, texts: Sequence[str], scores: Sequence[float]) -> tuple[Sequence[float], list[None]]:
    """The order without a re-ranker."""
    return scores, [None] * len(scores)


def asked(rows: Iterable[Mapping[str, Any]], units: int, tokens: int, rank: Rank = today) -> list[Asked]:
    """The questions of rows of choices, each with at most `units` units in `tokens` tokens, as a prompt shows them."""
    weights = np.array([WEIGHTS.dense, WEIGHTS.words, WEIGHTS.passage])
    out = []
    for row in rows:
        there = [c for c in row["candidates"] if c.get("found", True)]
        scores = [float(np.dot(c["signals"], weights)) for c in there]
        texts = [c["text"] for c in there]
        by, logits = rank(row["question"], texts, scores) if there else ((), ())
        shown: list[Shown] = []
        golden: list[bool | None] = []
        left = tokens
        for i in sorted(range(len(there)), key=lambda i: -by[i]):
            if there[i]["tokens"] <= left and len(shown) < units:
                left -= there[i]["tokens"]
                shown.append(Shown(texts[i], there[i]["heading"], there[i]["doc_id"], scores[i], logits[i]))
                golden.append(there[i]["golden"])
        first = bool(golden) and golden[0] is not False
        names = str(row["id"]), str(row["split"]), str(row["kind"]), str(row["question"])
        out.append(Asked(*names, tuple(row.get("documents", ())), tuple(shown), first))
    return out


def fit(questions: Sequence[Asked], language: str = "english", only: Sequence[str] = ()) -> Judgement:
    """A judgement of the train split, of all features or of those named: few carry over to other documents."""
    train = [q for q in questions if q.split == "train" and q.shown]
    made = _solve(train, language, only)
    dev = [(q, made.of(q.question, q.shown)) for q in questions if q.split == "dev"]
    unseen, by = dev, "dev"
    if sum(q.answerable for q, _ in dev) < LEAST_DEV:
        unseen, by = [*dev, *_crossed(train, language, only)], "dev and cross-validation on train"
    threshold, gained = choose_threshold(unseen)
    kinds = {kind: sum(q.kind == kind for q in train) for kind in (ANSWERABLE, *SHARE)}
    about = {"fitted_on": kinds, "threshold_by": by, "right_less_wrong": round(gained, 4)}
    return replace(made, threshold=threshold, about={**about, "unseen": measure(unseen, threshold)})


def choose_threshold(judged: Sequence[tuple[Asked, float]]) -> tuple[float, float]:
    """The probability from which answering gains most, by `SHARE`; and the gain there, of 1 at the most.

    An answer is right where the first unit is golden, wrong where nothing answers; between them, an answerable question
    with another first unit, it is neither: the model may still choose a later one.
    """
    weights = _shares([q for q, _ in judged])
    total = sum(weight for (q, _), weight in zip(judged, weights, strict=True) if q.answerable)
    worth = [(p, w * _gain(q) / max(total, 1e-9)) for (q, p), w in zip(judged, weights, strict=True)]
    threshold, gained, so_far = 1.0, 0.0, 0.0
    ordered = sorted(worth, key=lambda pair: -pair[0])
    for (p, one), (below, _) in zip(ordered, [*ordered[1:], (0.0, 0.0)], strict=bool(ordered)):
        so_far += one
        if so_far > gained and below < p:
            threshold, gained = (p + below) / 2, so_far
    return threshold, gained


def gain(judged: Sequence[tuple[Asked, float]], threshold: float) -> float:
    """What answering from a threshold on gains, of 1 at the most: right less wrong by `SHARE`."""
    weights = _shares([q for q, _ in judged])
    total = sum(weight for (q, _), weight in zip(judged, weights, strict=True) if q.answerable)
    pairs = zip(judged, weights, strict=True)
    return sum(weight * _gain(q) for (q, p), weight in pairs if p >= threshold) / max(total, 1e-9)


def _gain(question: Asked) -> float:
    return float(question.first) if question.answerable else -1.0


def measure(judged: Sequence[tuple[Asked, float]], threshold: float) -> dict[str, float]:
    """Over-refusal, what is declined of each kind, and AUC of answerable against each."""
    found: dict[str, float] = {}
    answerable = [p for q, p in judged if q.answerable]
    if answerable:
        found["over_refusal"] = _declined(answerable, threshold)
        golden = [p for q, p in judged if q.answerable and q.first]
        found["auc_first"] = _auc(golden, [p for q, p in judged if q.answerable and not q.first])
    for kind in SHARE:
        scores = [p for q, p in judged if q.kind == kind]
        if scores:
            found |= {f"{kind}_declined": _declined(scores, threshold), f"{kind}_auc": _auc(answerable, scores)}
    return {name: round(value, 4) for name, value in found.items()}


def _declined(scores: Sequence[float], threshold: float) -> float:
    return sum(score < threshold for score in scores) / len(scores)


def _auc(above: Sequence[float], below: Sequence[float]) -> float:
    """How often one of `above` has a higher score than one of `below`; ties half. 0.5 where one is empty."""
    if not above or not below:
        return 0.5
    left, right = np.array(above)[:, None], np.array(below)[None, :]
    return float(((left > right) + 0.5 * (left == right)).mean())


def _shares(questions: Sequence[Asked]) -> list[float]:
    """Weights of questions by `SHARE`, each collection alike; they sum to the number of questions.

    Kinds that a collection has none of leave it their share.
    """
    counts = Counter((q.collection, q.kind) for q in questions)
    share = dict[tuple[str, str], float]()
    for collection in {q.collection for q in questions}:
        kinds = [kind for kind in (ANSWERABLE, *SHARE) if counts[collection, kind]]
        others = sum(SHARE[kind] for kind in kinds if kind != ANSWERABLE) or 1.0
        one = {kind: ANSWERED if kind == ANSWERABLE else (1 - ANSWERED) * SHARE[kind] / others for kind in kinds}
        share |= {(collection, kind): value / sum(one.values()) for kind, value in one.items()}
    total = len(questions) / len({q.collection for q in questions}) if questions else 0.0
    return [total * share[q.collection, q.kind] / counts[q.collection, q.kind] for q in questions]


def _crossed(train: Sequence[Asked], language: str, only: Sequence[str]) -> list[tuple[Asked, float]]:
    """Probabilities of the train split, each by weights that saw no question about the same documents."""
    fold = {q.id: int(sha256_text(" ".join(q.documents) or q.id)[:8], 16) % FOLDS for q in train}
    out = []
    for held in range(FOLDS):
        rest, kept = [q for q in train if fold[q.id] != held], [q for q in train if fold[q.id] == held]
        if kept and len({q.answerable for q in rest}) == 2:
            made = _solve(rest, language, only)
            out += [(q, made.of(q.question, q.shown)) for q in kept]
    return out


def _solve(train: Sequence[Asked], language: str, only: Sequence[str]) -> Judgement:
    """Newton's method on the weighted likelihood with a ridge."""
    known = [features(q.question, q.shown, language) for q in train]
    names = sorted(only or set.intersection(*(set(row) for row in known)))
    table = np.array([[row[name] for name in names] for row in known], dtype=np.float64)
    mean, deviation = table.mean(0), np.maximum(table.std(0), 1e-6)
    rows = np.c_[(table - mean) / deviation, np.ones(len(table))]
    right, weight = np.array([q.answerable for q in train], dtype=np.float64), np.array(_shares(train))
    ridge = np.array([RIDGE] * len(names) + [1e-6])

    def cost(point: Floats) -> float:
        total = rows @ point
        return float(weight @ (np.logaddexp(0, total) - right * total) + 0.5 * ridge @ point**2)

    solved = np.zeros(len(names) + 1)
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(rows @ solved, -40, 40)))
        slope = rows.T @ (weight * (chance - right)) + ridge * solved
        bend = (rows * (weight * chance * (1 - chance))[:, None]).T @ rows + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        while cost(solved - step) > cost(solved) and np.abs(step).max() > 1e-9:
            step = step / 2  # a whole step may go too far where the classes are nearly apart
        solved = solved - step
        if np.abs(step).max() < 1e-8:
            break
    weights, centres, widths = (
        dict(zip(names, map(_short, values.tolist()), strict=True)) for values in (solved[:-1], mean, deviation)
    )
    return Judgement(weights, centres, widths, _short(float(solved[-1])), threshold=0.5, language=language)


def _short(value: float) -> float:
    """Nine digits: what differs behind them between machines is no other judgement."""
    return float(f"{value:.9g}")
