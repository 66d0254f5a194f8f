"""Examples to conversations: what the model is shown, and what it should say. Every draw comes from the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from raftops.answer.prompt import behaviour_messages, closed_book_messages, grounded_answer, grounded_messages
from raftops.data.records import Example, Message, Unit
from raftops.raftdata.golden import Proof, Source, is_copy, is_golden, numbered, unit_of
from raftops.spec.model.learning import Augment, Prompt

Variant = Literal["golden", "abstain", "memorise", "behaviour"]


@dataclass(frozen=True)
class Conversation:
    """A row of `raft.jsonl` or `plain.jsonl`."""

    id: str
    variant: Variant
    messages: tuple[Message, ...]
    answer: str
    sources: tuple[tuple[str, str], ...] = ()
    """(doc_id, version) of what the answer leans on."""
    golden: tuple[int, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "id": self.id, "variant": self.variant, "messages": [m.model_dump() for m in self.messages],
            "answer": self.answer, "golden": list(self.golden),
            "sources": [{"doc_id": doc_id, "version": version} for doc_id, version in self.sources],
        }  # fmt: skip


@dataclass(frozen=True)
class Writer:
    """Writes the conversations of one example."""

    config: Augment
    prompt: Prompt
    title: str
    sources: dict[str, Source]

    def knowledge(self, example: Example, units: Sequence[Unit], proofs: Sequence[Proof]) -> Iterator[Conversation]:
        """The golden conversation, and by the two knobs one to abstain and one to memorise."""
        draw = random.Random(f"{self.config.seed}:{example.id}")
        shown = self.with_golden(example, units, proofs, draw)
        golden = [unit.number for unit in shown if is_golden(unit, proofs)]
        made = tuple((p.doc_id, self.sources[p.doc_id].version) for p in proofs)
        if draw.random() < self.config.memorise_fraction:
            messages = tuple(closed_book_messages(self.title, example.asked))
            yield Conversation(f"{example.id}#memorise", "memorise", messages, example.answer, made)
        yield Conversation(
            f"{example.id}#golden", "golden", self._messages(example, shown),
            grounded_answer(example.answer, golden[: len(proofs)]), made, tuple(golden),
        )  # fmt: skip
        if draw.random() < self.config.abstain_fraction:
            left = [unit for unit in shown if unit.number not in golden]
            yield self.abstaining(example, numbered(left), "#abstain")

    def abstaining(self, example: Example, units: Sequence[Unit], suffix: str = "") -> Conversation:
        """The question with evidence that does not answer it: the label says so, and quotes nothing."""
        return Conversation(f"{example.id}{suffix}", "abstain", self._messages(example, units), self.prompt.abstain)

    def behaviour(self, example: Example) -> Conversation:
        """A request about form."""
        asked = example.messages or (Message(role="user", content=example.question),)
        return Conversation(example.id, "behaviour", tuple(behaviour_messages(self.title, asked)), example.answer)

    def plain(self, example: Example) -> Conversation:
        """The same knowledge without documents: the plain fine-tune that RAFT is compared with."""
        messages = tuple(closed_book_messages(self.title, example.asked))
        sources = tuple((e.doc_id, self.sources[e.doc_id].version) for e in example.evidence)
        return Conversation(example.id, "memorise", messages, example.answer or self.prompt.abstain, sources)

    def with_golden(
        self, example: Example, units: Sequence[Unit], proofs: Sequence[Proof], draw: random.Random
    ) -> list[Unit]:
        """Units as served, copies of the golden ones taken out; golden ones that the retriever missed put in."""
        golden = [unit for unit in units if is_golden(unit, proofs)]
        shown = [u for u in units if u in golden or not self._copy(u, golden, example)][: self.prompt.units]
        missing = [proof for proof in proofs if not any(is_golden(unit, [proof]) for unit in shown)]
        others = [unit for unit in shown if unit not in golden]
        for unit in others[max(0, len(others) - self._excess(shown, missing)) :]:
            shown.remove(unit)
        for proof in missing:
            shown.insert(draw.randrange(len(shown) + 1), unit_of(proof, self.sources[proof.doc_id]))
        return numbered(shown)

    def _excess(self, shown: Sequence[Unit], missing: Sequence[Proof]) -> int:
        return max(0, len(shown) + len(missing) - self.prompt.units)

    def _copy(self, unit: Unit, golden: Sequence[Unit], example: Example) -> bool:
        return is_copy(unit, golden, example.answer, self.config.near_duplicate)

    def _messages(self, example: Example, units: Sequence[Unit]) -> tuple[Message, ...]:
        return tuple(grounded_messages(self.prompt, self.title, example.asked, units))
