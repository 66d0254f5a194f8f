"""Examples to choices: a question, the units that the index brings for it, and which of them answer. `choices.jsonl`.

A row is `{id, split, kind, question, documents, candidates}`; `documents` are those of the example. Kinds: `answerable`, as asked; `hidden`, the same question while its
golden documents are not there; `near_miss`, a question with one thing swapped; `unanswerable`, as the examples say. A
candidate is `{text, heading, doc_id, signals, tokens, golden}`, best first by `WEIGHTS`, none twice; `golden` is null
where a unit may answer that nobody marked. What retrieval missed of the golden units stands last, `found: false`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from raftops.answer.answering import Library
from raftops.answer.evidence import WEIGHTS, unit_line, unit_signals
from raftops.answer.prompt import evidence_block
from raftops.answer.support import supports, terms
from raftops.data.records import Example, Hit, Unit
from raftops.raftdata.golden import Proof, Source, is_copy, is_golden, proofs_of, unit_of
from raftops.raftdata.near_miss import COVERS, Vocabulary, answering, near_misses, search_without
from raftops.spec.model.learning import Prompt

Kind = Literal["answerable", "hidden", "near_miss", "unanswerable"]
FILE = "choices.jsonl"
ALIKE = 0.85
"""Share of words from which a unit says what a golden one says."""


@dataclass(frozen=True)
class Chooser:
    """Makes the rows of one example."""

    library: Library
    prompt: Prompt
    policies: frozenset[str]
    """Policies of the caller: those that the whole audience may read."""
    sources: Mapping[str, Source]
    vocabulary: Vocabulary
    candidates: int
    """Units kept of each question."""
    seed: int

    def rows(self, example: Example) -> Iterator[dict[str, Any]]:
        """Its rows, in the same order each time; every document in them may be read by the caller."""
        if example.unanswerable:
            yield self._row(example, "unanswerable", example.asked, frozenset(), (), "")
            return
        proofs = proofs_of(example, dict(self.sources))
        golden = frozenset(proof.doc_id for proof in proofs)
        yield self._row(example, "answerable", example.asked, frozenset(), proofs, "")
        yield self._row(
            example, "hidden", example.asked, golden | self._saying_the_same(example, proofs), (), "#hidden"
        )
        quotes = [proof.quote for proof in proofs]
        for miss in near_misses(example.asked, golden, quotes, self.vocabulary, f"{self.seed}:{example.id}"):
            hidden = answering(miss, self.library, self.policies, self.vocabulary)
            yield self._row(example, "near_miss", miss.question, hidden, (), f"#{miss.kind}-near-miss")

    def _row(  # noqa: PLR0913  what is asked, by which example, of what
        self,
        example: Example,
        kind: Kind,
        question: str,
        hidden: frozenset[str],
        proofs: Sequence[Proof],
        more: str = "",
    ) -> dict[str, Any]:
        hits = search_without(self.library, question, self.policies, self.prompt, hidden)
        candidates = self._candidates(question, hits, example, proofs)
        return {
            "id": f"{example.id}{more}", "split": example.split, "kind": kind, "question": question,
            "documents": sorted({evidence.doc_id for evidence in example.evidence}), "candidates": candidates,
        }  # fmt: skip

    def _candidates(
        self, question: str, hits: Sequence[Hit], example: Example, proofs: Sequence[Proof]
    ) -> list[dict[str, Any]]:
        units, signals = unit_signals(question, hits, self.library.embedder)
        scores = signals @ np.array([WEIGHTS.dense, WEIGHTS.words, WEIGHTS.passage])
        right = [unit for unit in units if is_golden(unit, proofs)]
        found: dict[str, dict[str, Any]] = {}
        for i in np.argsort(-scores, kind="stable"):
            unit = units[i]
            if not unit.text.strip() or len(found) == self.candidates and unit not in right:
                continue
            golden = unit in right or (None if is_copy(unit, right, example.answer, ALIKE) else False)
            found.setdefault(unit_line(unit), self._candidate(unit, signals[i].tolist(), golden))
        rows = list(found.values())
        rows[self.candidates :] = [row | {"found": False} for row in rows[self.candidates :]]
        shown = {unit.doc_id for unit in right}
        for proof in proofs if not right else ():
            unit = unit_of(proof, self.sources[proof.doc_id])
            if proof.doc_id not in shown:
                rows.append(self._candidate(unit, [0.0, 0.0, 0.0], True) | {"found": False})
        return rows

    def _candidate(self, unit: Unit, signals: Sequence[float], golden: bool | None) -> dict[str, Any]:
        return {
            "text": unit_line(unit), "heading": unit.heading, "doc_id": unit.doc_id, "golden": golden,
            "signals": [round(float(signal), 5) for signal in signals],
            "tokens": self.library.tokens(evidence_block([unit]) + "\n"),
        }  # fmt: skip

    def _saying_the_same(self, example: Example, proofs: Sequence[Proof]) -> frozenset[str]:
        """Other documents that answer it, too: without them the question is answered by nothing."""
        hits = self.library.search(example.asked, self.policies, 2 * self.prompt.passages)
        units, _ = unit_signals(example.asked, hits, self.library.embedder)
        golden = [unit_of(proof, self.sources[proof.doc_id]) for proof in proofs]
        asked = terms(example.asked)
        return frozenset(
            unit.doc_id
            for unit in units
            if is_copy(unit, golden, example.answer, ALIKE)
            or len(asked & terms(f"{unit.heading} {unit.text}")) >= COVERS * len(asked)
            and supports([unit], example.answer, example.asked)
        )
