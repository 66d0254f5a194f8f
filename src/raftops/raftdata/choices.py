"""Examples to choices: a question, the units that the index brings for it, and which of them answer. `choices.jsonl`.

A row is `{id, split, kind, question, documents, candidates}`; `documents` are those that answer the example. Kinds:
`answerable`, as asked; `hidden`, the same question while those documents are not there; `near_miss`, a question with
one thing swapped; `unanswerable`, as the examples say. A candidate is `{text, heading, doc_id, signals, tokens,
golden}`, best first by `WEIGHTS`, none twice; `golden` is null where a unit may answer that nobody marked. What
retrieval missed of the golden units stands last, with `found: false`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from raftops.answer.answering import Library
from raftops.answer.evidence import WEIGHTS, unit_line, unit_signals
from raftops.answer.prompt import evidence_block
from raftops.data.records import Example, Hit, Split, Unit
from raftops.files import sha256_json, write_text
from raftops.progress import progress
from raftops.raftdata.golden import Source, is_copy, is_golden, proofs_of, unit_of
from raftops.raftdata.near_miss import COVERS, Vocabulary, answering, near_misses, search_without
from raftops.spec.model.learning import Prompt

Kind = Literal["answerable", "hidden", "near_miss", "unanswerable"]
FILE = "choices.jsonl"
FORMAT = 1
"""Raised when the same example would give other rows."""
SPLITS: tuple[Split, ...] = ("train", "dev")
"""Of the examples: what is measured at the end is learned from by nothing."""
SAYS = 0.6
"""Share of an answer's words, all its figures among them, from which a unit may say it, too."""
ALIKE = 0.85
"""Share of words from which a unit says what a golden one says."""


@dataclass(frozen=True)
class Known:
    """What is known of a question: what answers it, if anything does."""

    id: str
    split: str
    question: str
    answer: str = ""
    documents: frozenset[str] = frozenset()
    """Documents that answer; none for a question that nothing answers."""
    quotes: tuple[str, ...] = ()
    """Their words that do."""
    golden: Callable[[Unit], bool | None] = lambda _: False
    """Whether a unit answers; None where it may, unmarked."""
    missed: tuple[Unit, ...] = ()
    """Golden units as the examples name them, for a question whose search brings none of their document."""

    @classmethod
    def of(cls, example: Example, sources: Mapping[str, Source]) -> Known:
        """Of an example, whose documents are all among the sources."""
        proofs = proofs_of(example, dict(sources))
        units = tuple(unit_of(proof, sources[proof.doc_id]) for proof in proofs)

        def golden(unit: Unit) -> bool | None:
            return is_golden(unit, proofs) or (None if is_copy(unit, units, example.answer, ALIKE) else False)

        documents, quotes = frozenset(p.doc_id for p in proofs), tuple(p.quote for p in proofs)
        split = str(example.split)
        return cls(example.id, split, example.asked, example.answer, documents, quotes, golden, units)


@dataclass(frozen=True)
class Chooser:
    """Makes the rows of questions."""

    library: Library
    prompt: Prompt
    policies: frozenset[str]
    """Policies of the caller: those that the whole audience may read."""
    vocabulary: Vocabulary
    """Of documents that the caller may read."""
    seed: int

    def all_rows(
        self, examples: Sequence[Example], sources: Mapping[str, Source], cache: Path, index: Sequence[Any]
    ) -> list[dict[str, Any]]:
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
                known[key] = list(self.rows(Known.of(example, sources)))
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"example": key, "rows": known[key]}, ensure_ascii=False) + "\n")
            rows += known[key]
            if done % 10 == 0 or done == len(examples):
                progress("augment", done, len(examples), "questions to judge by")
        return rows

    def rows(self, known: Known) -> Iterator[dict[str, Any]]:
        """The rows of one question, in the same order each time; the caller may read every document in them."""
        if not known.documents:
            yield self._row(known, "unanswerable", known.question, frozenset())
            return
        yield self._row(known, "answerable", known.question, frozenset())
        yield self._row(known, "hidden", known.question, known.documents | self._saying_the_same(known), "#hidden")
        seed = f"{self.seed}:{known.id}"
        for miss in near_misses(known.question, known.documents, known.quotes, self.vocabulary, seed):
            hidden = answering(miss, self.library, self.policies, self.vocabulary)
            yield self._row(known, "near_miss", miss.question, hidden, f"#{miss.kind}-near-miss")

    def _row(self, known: Known, kind: Kind, question: str, hidden: frozenset[str], more: str = "") -> dict[str, Any]:
        hits = search_without(self.library, question, self.policies, self.prompt, hidden)
        candidates = self._candidates(question, hits, known if kind == "answerable" else None)
        return {
            "id": f"{known.id}{more}", "split": known.split, "kind": kind, "question": question,
            "documents": sorted(known.documents), "candidates": candidates,
        }  # fmt: skip

    def _candidates(self, question: str, hits: Sequence[Hit], known: Known | None) -> list[dict[str, Any]]:
        units, signals = unit_signals(question, hits, self.library.embedder)
        scores = signals @ np.array([WEIGHTS.dense, WEIGHTS.words, WEIGHTS.passage])
        found: dict[str, dict[str, Any]] = {}
        for i in np.argsort(-scores, kind="stable"):
            golden = known.golden(units[i]) if known else False
            if units[i].text.strip() and (len(found) < self.prompt.candidates or golden):
                found.setdefault(unit_line(units[i]), self._candidate(units[i], signals[i].tolist(), golden))
        rows = list(found.values())
        rows[self.prompt.candidates :] = [row | {"found": False} for row in rows[self.prompt.candidates :]]
        there = {row["doc_id"] for row in rows if row["golden"]}
        for unit in known.missed if known else ():
            if unit.doc_id not in there:
                rows.append(self._candidate(unit, [0.0, 0.0, 0.0], True) | {"found": False})
        return rows

    def _candidate(self, unit: Unit, signals: Sequence[float], golden: bool | None) -> dict[str, Any]:
        return {
            "text": unit_line(unit), "heading": unit.heading, "doc_id": unit.doc_id, "golden": golden,
            "signals": [round(float(signal), 5) for signal in signals],
            "tokens": self.library.tokens(evidence_block([unit]) + "\n"),
        }  # fmt: skip

    def _saying_the_same(self, known: Known) -> frozenset[str]:
        """Other documents that answer it, too: without them the question is answered by nothing."""
        hits = self.library.search(known.question, self.policies, 2 * self.prompt.passages)
        units, _ = unit_signals(known.question, hits, self.library.embedder)
        asked, said = self.vocabulary.terms(known.question), self.vocabulary.terms(known.answer)
        figures, found = {term for term in said if any(c.isdigit() for c in term)}, set()
        for unit in units:
            read = self.vocabulary.terms(unit_line(unit))
            near = len(asked & read) >= COVERS * len(asked)
            if known.golden(unit) is not False or near and figures <= read and len(said & read) >= SAYS * len(said):
                found.add(unit.doc_id)
        return frozenset(found)


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
