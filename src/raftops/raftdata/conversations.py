"""Examples to conversations: what the model is shown, and what it should say. Every draw comes from the seed.

A conversation is drafted first and written when the order of its evidence is settled, which is a matter of all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from raftops.answer.prompt import (
    behaviour_messages,
    closed_book_messages,
    grounded_answer,
    grounded_messages,
    ranking_answer,
    ranking_messages,
)
from raftops.data.records import Example, Message, Unit
from raftops.raftdata.forms import ask_for
from raftops.raftdata.golden import Proof, Source, is_copy, is_golden, numbered, unit_of
from raftops.raftdata.order import Shown
from raftops.raftdata.poisoned import poisoned, target
from raftops.raftdata.rehearsal import Rehearsed
from raftops.spec.model.learning import Augment, Prompt

Variant = Literal["golden", "rank", "abstain", "near_miss", "both", "poisoned", "memorise", "behaviour", "rehearsal"]
Sources = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Conversation:
    """A row of `raft.jsonl` or `plain.jsonl`."""

    id: str
    variant: Variant
    messages: tuple[Message, ...]
    answer: str
    sources: Sources = ()
    """(doc_id, version, policy) of what the answer leans on: weights remember under which policy they learned it."""
    golden: tuple[int, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "id": self.id, "variant": self.variant, "messages": [m.model_dump() for m in self.messages],
            "answer": self.answer, "golden": list(self.golden),
            "sources": [dict(zip(("doc_id", "version", "policy"), one, strict=True)) for one in self.sources],
        }  # fmt: skip


@dataclass(frozen=True)
class Draft:
    """A conversation before its evidence has an order."""

    shown: Shown
    write: Callable[[Shown], Conversation] = field(compare=False)
    """The conversation, from the evidence in its order."""


@dataclass(frozen=True)
class Writer:
    """Writes the conversations of one example."""

    config: Augment
    prompt: Prompt
    title: str
    sources: dict[str, Source]

    def knowledge(self, example: Example, units: Sequence[Unit], proofs: Sequence[Proof]) -> Iterator[Draft]:
        """The golden conversation, one to choose, and by the knobs one to memorise, to abstain and to format."""
        draw = random.Random(f"{self.config.seed}:{example.id}")
        shown = self.with_golden(example, units, proofs, draw)
        distractors = [unit for unit in shown if not is_golden(unit, proofs)]
        if draw.random() < self.config.memorise_fraction:
            yield self.settled(self.plain(example, "#memorise"))
        yield self.golden(example, shown, proofs)
        if draw.random() < self.config.abstain_fraction:
            yield self.abstaining(f"{example.id}#abstain", example.asked, distractors)
        if self.config.rank_rows and distractors:
            yield self.choosing(example, shown, proofs)
        if draw.random() < self.config.both_fraction:
            request, text = ask_for(example, draw)
            yield self.both(f"{example.id}#both", request, text, shown, proofs)
        # a draw of its own: a spec without poisoned rows keeps the rows that it had
        own = random.Random(f"{self.config.seed}:{example.id}:poisoned")
        if proofs and own.random() < self.config.poisoned_fraction:
            yield from self.contradicted(example, shown, proofs, own)

    def contradicted(
        self, example: Example, units: Sequence[Unit], proofs: Sequence[Proof], draw: random.Random
    ) -> Iterator[Draft]:
        """The question with a unit beside the golden one that says another number, where there is a number."""
        source = self.sources[proofs[0].doc_id]
        golden = next(unit for unit in units if is_golden(unit, proofs))
        false = poisoned(golden, source, example.answer, draw)
        if false is None:
            return
        answer, both = target(example.answer, false, source, self.prompt)
        cited = [*proofs, false.proof] if both else list(proofs)
        kept = [unit for unit in units if is_golden(unit, proofs)]
        others = [unit for unit in units if not is_golden(unit, proofs)][: max(0, self.prompt.units - len(kept) - 1)]
        shown = numbered([*kept, false.unit, *others])

        def write(shown: Shown) -> Conversation:
            text, messages = grounded_answer(answer, shown.numbers), self._grounded(example.asked, shown)
            return Conversation(shown.id, "poisoned", messages, text, self._behind(proofs), shown.golden)

        yield Draft(Shown(f"{example.id}#poisoned", tuple(shown), tuple(cited), always=True), write)

    def golden(self, example: Example, units: Sequence[Unit], proofs: Sequence[Proof]) -> Draft:
        """The question with evidence that answers it: the label cites what proves it."""

        def write(shown: Shown) -> Conversation:
            answer, messages = grounded_answer(example.answer, shown.numbers), self._grounded(example.asked, shown)
            return Conversation(shown.id, "golden", messages, answer, self._behind(proofs), shown.golden)

        return Draft(Shown(f"{example.id}#golden", tuple(units), tuple(proofs)), write)

    def choosing(self, example: Example, units: Sequence[Unit], proofs: Sequence[Proof]) -> Draft:
        """The question with the same evidence in an order of its own: the label is the number alone."""

        def write(shown: Shown) -> Conversation:
            messages = tuple(ranking_messages(self.prompt, self.title, example.asked, shown.units))
            number = random.Random(f"{self.config.seed}:{shown.id}").choice(shown.golden)
            return Conversation(
                shown.id, "rank", messages, ranking_answer(number), self._behind(proofs), shown.golden
            )  # fmt: skip

        return Draft(Shown(f"{example.id}#rank", tuple(units), tuple(proofs), always=True), write)

    def formatting(self, example: Example, units: Sequence[Unit], proofs: Sequence[Proof]) -> Draft:
        """A behaviour example that has evidence: it is looked up, and its answer has the form that it asks for."""
        draw = random.Random(f"{self.config.seed}:{example.id}")
        shown = self.with_golden(example, units, proofs, draw)
        return self.both(example.id, example.asked, example.answer, shown, proofs)

    def both(self, name: str, request: str, text: str, units: Sequence[Unit], proofs: Sequence[Proof]) -> Draft:
        """A request for a form with the evidence that it needs: the label has the form and cites what proves it."""

        def write(shown: Shown) -> Conversation:
            answer, messages = grounded_answer(text, shown.numbers), self._grounded(request, shown)
            return Conversation(shown.id, "both", messages, answer, self._behind(proofs), shown.golden)

        return Draft(Shown(name, tuple(units), tuple(proofs)), write)

    def abstaining(self, name: str, question: str, units: Sequence[Unit], variant: Variant = "abstain") -> Draft:
        """The question with evidence that does not answer it: the label says so, and quotes nothing."""

        def write(shown: Shown) -> Conversation:
            return Conversation(shown.id, variant, self._grounded(question, shown), self.prompt.abstain)

        return Draft(Shown(name, tuple(units)), write)

    def behaviour(self, example: Example) -> Conversation:
        """A request about form."""
        asked = example.messages or (Message(role="user", content=example.question),)
        messages = tuple(behaviour_messages(self.title, asked))
        return Conversation(example.id, "behaviour", messages, example.answer, self._of(example))

    def plain(self, example: Example, suffix: str = "") -> Conversation:
        """The same knowledge without documents: the plain fine-tune that RAFT is compared with."""
        messages = tuple(closed_book_messages(self.title, example.asked))
        answer = example.answer or self.prompt.abstain
        return Conversation(f"{example.id}{suffix}", "memorise", messages, answer, self._of(example))

    def rehearsal(self, rehearsed: Rehearsed) -> Conversation:
        """A general instruction, asked without any role, with the base model's own answer."""
        messages = (Message(role="user", content=rehearsed.question),)
        return Conversation(f"rehearsal-{rehearsed.id}", "rehearsal", messages, rehearsed.answer)

    def settled(self, conversation: Conversation) -> Draft:
        """A conversation that shows no evidence, as a draft."""
        return Draft(Shown(conversation.id, ()), lambda _: conversation)

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

    def _grounded(self, question: str, shown: Shown) -> tuple[Message, ...]:
        return tuple(grounded_messages(self.prompt, self.title, question, shown.units))

    def _behind(self, proofs: Sequence[Proof]) -> Sources:
        return tuple(self._source(proof.doc_id) for proof in proofs)

    def _of(self, example: Example) -> Sources:
        """Behind an example's answer, whatever its kind: weights remember a fact in a form, too."""
        return tuple(self._source(evidence.doc_id) for evidence in example.evidence)

    def _source(self, doc_id: str) -> tuple[str, str, str]:
        return doc_id, self.sources[doc_id].version, self.sources[doc_id].policy_id
