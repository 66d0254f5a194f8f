"""Which requests need the documents: nearest example questions by the index's own embedder, and signs of form.

The decision sees the request only, never a document, so that it cannot leak one. How much each sign counts was fitted
on public requests (`benchmarks/router.py`); below which margin the fallback is taken is chosen on an assistant's own
dev split (`calibrated`), and stands in its release.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from raftops.answer.form import CUES, cues
from raftops.answer.router_questions import KNOWN
from raftops.answer.router_weights import WEIGHTS
from raftops.data.records import Example
from raftops.files import sha256_text
from raftops.retrieval.protocols import Embedder, Vectors
from raftops.spec.model.serving import Router as RouterSpec
from raftops.spec.model.serving import RouterClass

RouteClass = Literal["behaviour", "knowledge", "both"]
CLASSES: tuple[RouteClass, ...] = get_args(RouteClass)
NEAREST = 3
TAKEN = 40
"""Most examples of an assistant's own that become questions of a class."""
FEATURES: tuple[str, ...] = (*(f"near_{name}" for name in CLASSES), *CUES, "one")
MARGINS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Route:
    """A decision and how sure it is."""

    name: RouteClass
    score: float
    """Probability of the class."""
    fallback: bool = False
    """True where the best two classes were closer than the margin."""


class Router:
    """Weighs how near a request is to each class's example questions, and its signs of form."""

    def __init__(self, spec: RouterSpec, embedder: Embedder) -> None:
        self._spec, self._embedder = spec, embedder
        self.vectors = {
            name: embedder.embed([*getattr(spec, name).questions, *KNOWN[name].questions]) for name in CLASSES
        }
        """The questions of each class: the spec's, and those that every router knows."""

    def probabilities(self, requests: Sequence[str]) -> Matrix:
        """Of each class, for each request."""
        return weighed(features(self.vectors, requests, self._embedder), shipped())

    def decide(self, request: str) -> Route:
        """The class of a request; the fallback where there is no clear winner."""
        return self.chosen(self.probabilities([request])[0], self._spec.margin or 0.0)

    def chosen(self, probabilities: Matrix, margin: float) -> Route:
        """The best class, or the fallback where the second is nearer than the margin."""
        second, best = np.sort(probabilities)[-2:]
        if best - second < margin:
            return Route(self._spec.fallback, float(best), fallback=True)
        return Route(CLASSES[int(np.argmax(probabilities))], float(best))


def features(vectors: Mapping[RouteClass, Vectors], requests: Sequence[str], embedder: Embedder) -> Matrix:
    """A row for each request: how much nearer it is to each class than to the others, its cues, and a one."""
    asked = embedder.embed([request[:500] for request in requests])
    # the mean of the nearest few: one odd example does not decide
    near = np.array([np.sort(asked @ vectors[name].T, axis=1)[:, -NEAREST:].mean(axis=1) for name in CLASSES]).T
    near = near - near.mean(axis=1, keepdims=True)
    signs = np.array([[cues(request)[name] for name in CUES] for request in requests])
    return np.hstack([near, signs, np.ones((len(requests), 1))])


def weighed(matrix: Matrix, weights: Matrix) -> Matrix:
    """Probabilities of the classes."""
    scores = matrix @ weights.T
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))


def fitted(matrix: Matrix, kinds: Sequence[int], counts: Matrix, steps: int = 3000, decay: float = 1e-3) -> Matrix:
    """Weights of a softmax regression, in which a request counts as much as `counts` says."""
    target = np.eye(len(CLASSES))[list(kinds)]
    share = (counts / counts.sum())[:, None]
    weights = np.zeros((len(CLASSES), matrix.shape[1]))
    for _ in range(steps):
        weights -= ((weighed(matrix, weights) - target) * share).T @ matrix + decay * weights
    return weights


@lru_cache(maxsize=1)
def shipped() -> Matrix:
    """The weights that were fitted, a row for each class."""
    return np.array([WEIGHTS[name] for name in FEATURES]).T


def calibrated(spec: RouterSpec, examples: Iterable[Example], embedder: Embedder) -> RouterSpec:
    """The spec's router with the questions of the train split in its classes, and a margin chosen on the dev split.

    A margin that the spec sets stays. Chosen is what gives the class that fares worst the most, then all together;
    a spec whose dev split has one class only keeps the shipped margin.
    """
    rows = sorted(examples, key=lambda e: sha256_text(e.id))
    own = {
        kind: tuple(e.asked for e in rows if e.kind == kind and e.split == "train")[:TAKEN]
        for kind in ("knowledge", "behaviour")
    }
    classes: dict[str, RouterClass] = {
        name: RouterClass(questions=tuple(dict.fromkeys((*getattr(spec, name).questions, *own.get(name, ())))))
        for name in CLASSES
    }
    grown = spec.model_copy(update=classes)
    dev = [e for e in rows if e.split == "dev"]
    if spec.margin is not None or len({e.kind for e in dev}) < 2:
        return grown
    router = Router(grown, embedder)
    probabilities = router.probabilities([e.asked for e in dev])

    def worth(margin: float) -> tuple[float, float, float]:
        routes = [router.chosen(row, margin).name for row in probabilities]
        right = {
            kind: [
                (name == "behaviour") == (kind == "behaviour")
                for name, e in zip(routes, dev, strict=True)
                if e.kind == kind
            ]
            for kind in ("knowledge", "behaviour")
        }
        shares = [sum(hits) / len(hits) for hits in right.values()]
        return min(shares), sum(shares), -margin

    return grown.model_copy(update={"margin": max(MARGINS, key=worth)})
