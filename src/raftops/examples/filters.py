"""Which proposed questions are worth a person's time: the checks that served answers and trained rows pass, too.

Each proposal is kept or dropped for one reason, and reasons are counted. Asks no model but the ones that choose
evidence in every run: the encoder, the general re-ranker and the judgement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import numpy as np

from raftops.answer.answering import gather
from raftops.answer.evidence import select_units
from raftops.answer.judgement import Judgement, judgement_in
from raftops.answer.quotes import find_quote
from raftops.answer.support import supports, terms
from raftops.data.records import Unit
from raftops.errors import ModelError
from raftops.examples.corpus import Corpus
from raftops.examples.rules import Proposal
from raftops.raftdata.near_miss import search_without
from raftops.retrieval.protocols import Reranker, Vectors
from raftops.retrieval.reranker import open_reranker
from raftops.validation.splits import normalised

ALIKE = 0.93
"""Likeness (cosine) from which two questions are one."""
QUESTION_WORDS, ANSWER_WORDS = (4, 36), (1, 40)
VAGUE = re.compile(
    r"\b(?:this|these|the (?:passage|text|document|section|above|following|sentence|table))\b", re.IGNORECASE
)
REASONS = {
    "form": "too short, too long, or not a question",
    "vague": "speaks of this, or of the text itself",
    "quote": "its quote does not stand in the document",
    "support": "its quote does not carry its answer",
    "given away": "the question says its own answer",
    "duplicate": "asked already",
    "same sentence": "its sentence is asked about already",
    "not found": "the retriever does not bring its quote",
    "not answerable": "judged not answerable with its passage",
    "elsewhere": "answerable without its document, too",
    "answered": "meant to have no answer, and has one",
}
"""Why a proposal is dropped."""


@dataclass
class Filters:
    """Judges proposals one after the other, and remembers what was kept."""

    corpus: Corpus
    policies: frozenset[str]
    """What the whole audience may read."""
    judgement: Judgement | None = None
    reranker: Reranker | None = None
    asked: dict[str, tuple[Vectors, frozenset[str]]] = field(default_factory=dict)
    """By question, without what does not count: its vector, its names and numbers."""

    @classmethod
    def general(cls, corpus: Corpus, audience: Sequence[str]) -> Filters:
        """With the re-ranker and the judgement that come with the package; a re-ranker of another encoder is left."""
        folder = Path(str(files("raftops.training"))) / "general"
        try:
            reranker = open_reranker(folder / "reranker", corpus.model, corpus.cache)
        except ModelError:
            reranker = None
        return cls(corpus, corpus.access.readable_by_all(audience), judgement_in(folder), reranker)

    @property
    def language(self) -> str:
        """Of documents and answers."""
        return self.corpus.spec.prompt.language

    def remember(self, question: str) -> None:
        """Take a question as asked."""
        self.asked[normalised(question)] = self.corpus.embedder.embed([question])[0], _marks(question)

    def verdict(self, proposal: Proposal) -> str:
        """Why a proposal is dropped; empty where it is kept."""
        if reason := self._of_words(proposal):
            return reason
        if normalised(proposal.question) in self.asked or self._alike(proposal.question):
            return "duplicate"
        units = gather(self.corpus, proposal.question, self.policies, self.corpus.spec.prompt, self.reranker)
        if not proposal.answer:
            return "answered" if self._answerable(proposal.question, units) else ""
        if not any(_is_same(unit, proof) for unit in units for proof in proposal.units):
            return "not found"
        if not self._answerable(proposal.question, units):
            return "not answerable"
        return "elsewhere" if self._elsewhere(proposal) else ""

    def _of_words(self, proposal: Proposal) -> str:
        """What can be said without a search."""
        question, answer = proposal.question, proposal.answer
        low, high = QUESTION_WORDS
        if not question.endswith("?") or question.count("?") > 1 or not low <= len(question.split()) <= high:
            return "form"
        if answer and not ANSWER_WORDS[0] <= len(answer.split()) <= ANSWER_WORDS[1]:
            return "form"
        if VAGUE.search(question):
            return "vague"
        if not answer:
            return ""
        if any(find_quote(unit.text, self.corpus.texts[unit.doc_id]) is None for unit in proposal.units):
            return "quote"
        if not supports(list(proposal.units), answer, question, self.language):
            return "support"
        said = terms(answer) - {"yes", "no"}
        return "given away" if said and said <= terms(question) and proposal.style != "comparison" else ""

    def _alike(self, question: str) -> bool:
        """Likeness alone calls two countries one question: where names or numbers differ, they are two."""
        vector, marks = self.corpus.embedder.embed([question])[0], _marks(question)
        same = [other for other, named in self.asked.values() if named == marks]
        return bool(same) and bool((np.stack(same) @ vector).max() >= ALIKE)

    def _answerable(self, question: str, units: Sequence[Unit]) -> bool:
        if not units:
            return False
        if self.judgement is None:
            return max(unit.score for unit in units) >= self.corpus.spec.prompt.least_score
        return self.judgement.answerable(question, units)

    def _elsewhere(self, proposal: Proposal) -> bool:
        """Whether another document carries the answer for this question, too: then its proof is not the only one."""
        hidden = frozenset(unit.doc_id for unit in proposal.units)
        prompt = self.corpus.spec.prompt
        hits = search_without(self.corpus, proposal.question, self.policies, prompt, hidden)
        units = select_units(
            proposal.question, hits, self.corpus.embedder, prompt, self.corpus.tokens, reranker=self.reranker
        )
        asked = terms(proposal.question)
        near = [u for u in units[:2] if len(asked & terms(f"{u.heading} {u.text}")) >= 0.6 * len(asked)]
        return any(supports([unit], proposal.answer, proposal.question, self.language) for unit in near)


def _is_same(unit: Unit, proof: Unit) -> bool:
    """Whether two units are one place of one document."""
    return unit.doc_id == proof.doc_id and unit.start < proof.end and proof.start < unit.end


def _marks(question: str) -> frozenset[str]:
    """Names and numbers of a question."""
    return frozenset(re.findall(r"(?<!^)\b(?:[A-Z][\w-]*|\d[\d.,]*)", question))
