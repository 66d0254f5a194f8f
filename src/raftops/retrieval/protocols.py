"""Where the world begins: what retrieval and generation look like from inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from raftops.data.records import Generation, Hit, Message, Passage
from raftops.retrieval.scope import Scope

Vectors = npt.NDArray[np.float32]


class Embedder(Protocol):
    """Texts to unit vectors."""

    @property
    def name(self) -> str:
        """Model digest and engine: an index may be read only by the embedder that built it."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """L2-normalised float32 vectors, shape (len(texts), dimension)."""

    def tokens(self, text: str) -> int:
        """Length of a text, in tokens of the encoder."""


class Reranker(Protocol):
    """A question and texts to one logit each."""

    @property
    def name(self) -> str:
        """Digest and engine."""

    @property
    def mix(self) -> float:
        """How much a logit counts beside the score by which the texts were ranked before."""

    def score(self, question: str, texts: Sequence[str]) -> Vectors:
        """Logits, float32, one for each text; none hangs on the other texts."""


class Searched(Protocol):
    """Where the passages of one index are found: in this process, or on a Milvus server."""

    def by_vector(self, vector: Vectors, scope: Scope, limit: int) -> list[tuple[Passage, float]]:
        """Nearest passages by cosine, best first."""

    def by_terms(self, question: str, scope: Scope, limit: int) -> list[tuple[Passage, float]]:
        """Best passages by BM25; only those that share a term."""

    def warm_up(self, vector: Vectors) -> None:
        """What the first search would have to wait for."""

    def close(self) -> None:
        """Release it."""


class Retriever(Protocol):
    """Questions to passages that a caller may read."""

    def search(self, question: str, policies: frozenset[str], top_k: int) -> list[Hit]:
        """Best first; only passages whose policy is in `policies`; none if it is empty."""


class Generator(Protocol):
    """Messages to text."""

    def generate(self, messages: Sequence[Message], max_new_tokens: int) -> Generation:
        """Greedy decoding until the stop token or the limit."""

    def stream(self, messages: Sequence[Message], max_new_tokens: int) -> Iterator[str]:
        """The same text, piece by piece."""
