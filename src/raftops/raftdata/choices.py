"""Examples to choices: a question, the units that the index brings for it, and which of them answer. `choices.jsonl`.

A row is `{id, split, kind, question, documents, candidates}`; `documents` are those that answer the example. Kinds:
`answerable`, as asked; `hidden`, the same question while those documents are not there; `near_miss`, a question with
one thing swapped; `unanswerable`, as the examples say. A candidate is `{text, heading, doc_id, signals, tokens,
golden}`, best first by `WEIGHTS`, none twice; `golden` is null where a unit may answer that nobody marked. What
retrieval missed of the golden units stands last, with `found: false`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from raftops.answer.answering import Library
from raftops.answer.evidence import WEIGHTS, unit_line, unit_signals
from raftops.answer.prompt import evidence_block
from raftops.answer.support import supports, terms
from raftops.data.records import Example, Hit, Unit
from raftops.files import sha256_json, write_text
from raftops.progress import progress
from raftops.raftdata.golden import Proof, Source, is_copy, is_golden, proofs_of, unit_of
from raftops.raftdata.near_miss import COVERS, Vocabulary, answering, near_misses, search_without
from raftops.spec.model.learning import Prompt

Kind = Literal["answerable", "hidden", "near_miss", "unanswerable"]
FILE = "choices.jsonl"
FORMAT = 1
"""Raised when the same example would give other rows."""
SPLITS = ("train", "dev")
"""Of the examples: what is measured at the end is learned from by nothing."""
CANDIDATES = 15
"""Units kept of each question."""
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
    seed: int

    def all_rows(self, examples: Sequence[Example], cache: Path, index: Sequence[Any]) -> list[dict[str, Any]]:
        """The rows of all examples, in their order; what was made of an example before is taken from the cache.

        `index` is what the index is, by content.
        """
        settings = [self.prompt.model_dump(mode="json"), sorted(self.policies), self.seed]
        path = cache / f"choices-{sha256_json([FORMAT, settings, *index])}.jsonl"
        known = {row["example"]: row["rows"] for row in _whole_lines(path)}
        rows = []
        for done, example in enumerate(examples, 1):
            key = sha256_json(example.model_dump(mode="json"))
            if key not in known:
                known[key] = list(self.rows(example))
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"example": key, "rows": known[key]}, ensure_ascii=False) + "\n")
            rows += known[key]
            if done % 10 == 0 or done == len(examples):
                progress("augment", done, len(examples), "questions to judge by")
        return rows

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
            if not unit.text.strip() or len(found) == CANDIDATES and unit not in right:
                continue
            golden = unit in right or (None if is_copy(unit, right, example.answer, ALIKE) else False)
            found.setdefault(unit_line(unit), self._candidate(unit, signals[i].tolist(), golden))
        rows = list(found.values())
        rows[CANDIDATES:] = [row | {"found": False} for row in rows[CANDIDATES:]]
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


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file; a line that a killed run did not end is dropped, here and in the file."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        return
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(path, whole)
    yield from map(json.loads, whole.split("\n")[:-1])
