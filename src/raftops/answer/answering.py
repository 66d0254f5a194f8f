"""The use case: a question and a caller's policies in, a checked answer with citations out. No HTTP, torch or Milvus.

The model writes an answer and numbers; this module binds each number to the verbatim text and place of its unit, lets
the quote checker look for that text in the document, checks that what it found carries the answer, and abstains where
it does not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from raftops.answer.evidence import select_units
from raftops.answer.judgement import Judgement
from raftops.answer.prompt import behaviour_messages, cited_numbers, grounded_messages, is_abstention, without_markers
from raftops.answer.quotes import find_quote_at
from raftops.answer.router import Route, Router
from raftops.answer.support import coverage, supports
from raftops.data.records import Citation, Generation, Message, Unit
from raftops.retrieval.protocols import Embedder, Generator, Reranker, Retriever
from raftops.spec.model.learning import Prompt


class Library(Retriever, Protocol):
    """An index with its texts."""

    @property
    def embedder(self) -> Embedder:
        """What embeds a question."""

    def tokens(self, text: str) -> int:
        """Length of a text, in tokens of the embedder."""

    def document_text(self, doc_id: str, version: str) -> str | None:
        """The parsed text that offsets refer to, or None if this version is not indexed."""


@dataclass(frozen=True)
class Answer:
    """What a caller gets."""

    text: str
    citations: tuple[Citation, ...]
    route: Route
    grounded: bool
    """Every part of the answer is carried by a citation that was found verbatim in its document."""
    abstained: bool
    reason: str = ""
    """Why it abstained: `nothing found`, `model`, `not sure`, `not supported`, or `audience`: the caller may not read
    all that the weights were trained on."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    stopped: bool = True
    """False where the token limit cut it."""
    units: tuple[Unit, ...] = ()
    """What the model read; all of it readable by the caller."""


@dataclass(frozen=True)
class Answerer:
    """Answers from one index with one model."""

    library: Library
    generator: Generator
    prompt: Prompt
    router: Router
    title: str
    max_new_tokens: int = 96
    trained_policies: frozenset[str] = frozenset()
    """Policies of the documents behind the weights: weights remember, so who talks to them may read all of these."""
    judgement: Judgement | None = None
    """Says whether the evidence answers; without one the least score of the prompt does."""

    def units(self, question: str, policies: frozenset[str]) -> list[Unit]:
        """The numbered evidence for a question: what training, evaluation and service all show the model."""
        return gather(self.library, question, policies, self.prompt)

    def answer(self, question: str, policies: frozenset[str], history: Sequence[Message] = ()) -> Answer:
        """Answer one question for a caller who may read `policies`."""
        started = time.perf_counter()
        route = self.router.decide(question)
        if not self.trained_policies <= policies:
            return self._abstain(route, "audience", (), {})
        units = [] if route.name == "behaviour" else self.units(question, policies)
        found = time.perf_counter()
        if route.name != "behaviour" and not self._answerable(question, units):
            return self._abstain(route, "nothing found", (), {"retrieval": found - started})
        generation = self.generator.generate(self.messages(route, question, units, history), self.max_new_tokens)
        seconds = {"retrieval": found - started, "generation": time.perf_counter() - found}
        return self.checked(question, route, units, generation, seconds)

    def _answerable(self, question: str, units: Sequence[Unit]) -> bool:
        """Whether the evidence comes near enough to the question to ask the model at all."""
        if self.judgement and self.prompt.evidence == "units":
            return self.judgement.answerable(question, units)
        if self.prompt.evidence == "passages":
            return bool(units)
        return any(unit.score >= self.prompt.least_score for unit in units)

    def messages(
        self, route: Route, question: str, units: Sequence[Unit], history: Sequence[Message] = ()
    ) -> list[Message]:
        """What the model reads."""
        if route.name == "behaviour":
            return behaviour_messages(self.title, [*history, Message(role="user", content=question)])
        return grounded_messages(self.prompt, self.title, question, units, history)

    def checked(
        self, question: str, route: Route, units: Sequence[Unit], generation: Generation, seconds: dict[str, float]
    ) -> Answer:
        """Bind, verify, and abstain where the model was not sure, or the evidence does not carry what it said."""
        text = generation.text.strip()
        counts = (generation.prompt_tokens, generation.completion_tokens)
        if route.name == "behaviour":
            said = without_markers(text)
            return Answer(said, (), route, False, False, "", *counts, seconds, generation.stopped)
        if not text or is_abstention(text, self.prompt):
            return self._abstain(route, "model", units, seconds, counts)
        if generation.confidence is not None and generation.confidence < self.prompt.least_confidence:
            return self._abstain(route, "not sure", units, seconds, counts)
        said = without_markers(text)
        cited = supporting_units(text, question, units)
        found = {unit.number: citation for unit in cited if (citation := self.cite(unit))}
        # what is left of the evidence has to carry the answer without what was not found
        if not supports([unit for unit in cited if unit.number in found], said, question):
            return self._abstain(route, "not supported", units, seconds, counts)
        marked = f"{said} " + "".join(f"[{number}]" for number in found)
        shown = (generation.stopped, tuple(units))
        return Answer(marked, tuple(found.values()), route, True, False, "", *counts, seconds, *shown)

    def cite(self, unit: Unit) -> Citation | None:
        """The unit as a citation, or None where the quote checker does not find it at its place in the document."""
        parsed = self.library.document_text(unit.doc_id, unit.version)
        span = find_quote_at(unit.text, parsed, unit.start, unit.end) if parsed else None
        if parsed is None or span is None:
            return None
        start, end = span
        place = unit.locator.as_dict()
        return Citation(unit.number, unit.doc_id, unit.version, unit.uri, parsed[start:end], start, end, place)

    def _abstain(
        self,
        route: Route,
        reason: str,
        units: Sequence[Unit],
        seconds: dict[str, float],
        counts: tuple[int, int] = (0, 0),
    ) -> Answer:
        return Answer(self.prompt.abstain, (), route, False, True, reason, *counts, seconds, True, tuple(units))

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """The model's raw words as they come; what is shown to a caller is `checked` first."""
        return self.generator.stream(messages, self.max_new_tokens)


def gather(
    library: Library, question: str, policies: frozenset[str], prompt: Prompt, reranker: Reranker | None = None
) -> list[Unit]:
    """Retrieve passages that the caller may read and cut them to numbered evidence units.

    The index filters by policy; what comes back is checked once more, so that no index can fail open.
    """
    hits = [h for h in library.search(question, policies, prompt.passages) if h.passage.policy_id in policies]
    return select_units(question, hits, library.embedder, prompt, library.tokens, reranker=reranker)


def supporting_units(text: str, question: str, units: Sequence[Unit]) -> list[Unit]:
    """The units that carry an answer: the ones it cites, or else the one that carries it best. Empty if none does."""
    said = without_markers(text)
    by_number = {unit.number: unit for unit in units}
    cited = [by_number[n] for n in cited_numbers(text) if n in by_number]
    if cited and supports(cited, said, question):
        return cited
    able = [unit for unit in units if supports([unit], said, question)]
    return [max(able, key=lambda unit: (coverage(unit, said), unit.score))] if able else []
