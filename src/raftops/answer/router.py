"""Which requests need the documents: nearest example questions by the index's own embedder, with a fallback.

The decision sees the request only, never a document, so that it cannot leak one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from raftops.retrieval.protocols import Embedder, Vectors
from raftops.spec.model.serving import Router as RouterSpec

RouteClass = Literal["behaviour", "knowledge", "both"]
NEAREST = 3


@dataclass(frozen=True)
class Route:
    """A decision and how sure it is."""

    name: RouteClass
    score: float
    """Mean cosine similarity to the class's nearest example questions."""
    fallback: bool = False
    """True where the best two classes were closer than the margin."""


class Router:
    """Scores a request against each class's example questions."""

    def __init__(self, spec: RouterSpec, embedder: Embedder) -> None:
        self._spec, self._embedder = spec, embedder
        classes: Sequence[RouteClass] = get_args(RouteClass)
        questions = {name: getattr(spec, name).questions for name in classes}
        self._vectors: Mapping[RouteClass, Vectors] = {
            name: embedder.embed(list(asked)) for name, asked in questions.items() if asked
        }

    def decide(self, request: str) -> Route:
        """The class of a request; the fallback where there are no classes or no clear winner."""
        if len(self._vectors) < 2:
            return Route(self._spec.fallback, 0.0, fallback=True)
        vector = self._embedder.embed([request])[0]
        # the mean of the nearest few: one odd example does not decide
        scores = {name: float(np.sort(vectors @ vector)[-NEAREST:].mean()) for name, vectors in self._vectors.items()}
        best, second = sorted(scores.values(), reverse=True)[:2]
        if best - second < self._spec.margin:
            return Route(self._spec.fallback, best, fallback=True)
        return Route(max(scores, key=lambda name: scores[name]), best)
