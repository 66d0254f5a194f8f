"""The arms on the same questions: three models, each with or without the same evidence; the first piece of evidence
with no model at all; and RAFT with the proof alone. Reads no golden answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raftops.answer.answering import Answer, Answerer, quoted
from raftops.answer.prompt import cited_numbers, closed_book_messages, grounded_messages
from raftops.data.records import Message, Unit
from raftops.evaluation.generations import Remembered
from raftops.evaluation.metrics import abstains
from raftops.evaluation.ranking import Given
from raftops.spec.model.base import Arm
from raftops.spec.model.learning import Prompt


@dataclass(frozen=True)
class Contender:
    """What an arm is made of."""

    model: str
    """Its model; empty where none is asked."""
    reads: bool
    """Whether it is shown evidence; only then can it cite."""
    label: str


EXTRACT: Arm = "extract"
ORACLE: Arm = "oracle"
CONTENDERS: dict[Arm, Contender] = {
    "extract": Contender("", True, "the first piece of evidence word for word, with no model at all"),
    "base": Contender("base", False, "the base model, from memory"),
    "base+rag": Contender("base", True, "the base model with evidence"),
    "fine-tuned": Contender("plain", False, "fine-tuned on the answers, from memory"),
    "fine-tuned+rag": Contender("plain", True, "fine-tuned on the answers, with evidence"),
    "raft": Contender("raft", True, "fine-tuned to read and cite evidence"),
    "oracle": Contender("raft", True, "the same, shown the proof and nothing else: what perfect retrieval would give"),
}


@dataclass(frozen=True)
class Quote:
    """A cited place, as it would be shown."""

    number: int
    doc_id: str
    version: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Reply:
    """What one arm said to one question."""

    question: str
    """Id of the example."""
    text: str
    """All of it, as it is shown."""
    quotes: tuple[Quote, ...]
    abstained: bool
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    """Of the generation."""
    own: str | None = None
    """The answer's own text, where a sentence is quoted beside it, or stands for it; None where that is the whole."""
    mode: str = ""
    """Of a served answer: `short`, `both`, `quote`, `declined` or `form`."""
    note: str = ""
    """Why it abstained and how it was routed, where that is known."""


def arm_reply(arm: Arm, shown: Given, model: Remembered, prompt: Prompt, title: str, max_new_tokens: int) -> Reply:
    """The raw output of an arm for a question."""
    units = shown.units if CONTENDERS[arm].reads else ()
    timed = model.timed(_messages(arm, shown, prompt, title), max_new_tokens)
    made, text = timed.generation, timed.generation.text.strip()
    return Reply(
        shown.question.example.id, text, bound(text, units), abstains(text, prompt),
        made.prompt_tokens, made.completion_tokens, timed.seconds,
    )  # fmt: skip


def memory_reply(shown: Given, model: Remembered, prompt: Prompt, title: str, max_new_tokens: int) -> Reply:
    """What a model says to a question without any evidence, whatever it was trained to read."""
    asked = shown.question.example
    timed = model.timed(closed_book_messages(title, asked.asked), max_new_tokens)
    made, text = timed.generation, timed.generation.text.strip()
    return Reply(
        asked.id, text, (), abstains(text, prompt), made.prompt_tokens, made.completion_tokens, timed.seconds
    )  # fmt: skip


def _messages(arm: Arm, shown: Given, prompt: Prompt, title: str) -> list[Message]:
    asked = shown.question.example.asked
    if CONTENDERS[arm].reads:
        return grounded_messages(prompt, title, asked, shown.units)
    return closed_book_messages(title, asked)


def bound(text: str, units: Sequence[Unit]) -> tuple[Quote, ...]:
    """The units that a text cites by number; a number without a unit binds nothing."""
    by_number = {unit.number: unit for unit in units}
    cited = [by_number[n] for n in cited_numbers(text) if n in by_number]
    return tuple(Quote(u.number, u.doc_id, u.version, u.start, u.end, u.text) for u in cited)


def extract_reply(shown: Given) -> Reply:
    """The first unit as the service quotes one; declines only where there is none."""
    first = shown.units[:1]
    text = "".join(f"{quoted(unit)} [{unit.number}]" for unit in first)
    own = first[0].text if first else None
    return Reply(shown.question.example.id, text, bound(text, first), not first, 0, 0, 0.0, own)


def served_reply(shown: Given, answerer: Answerer, model: Remembered) -> Reply:
    """What users get: routed, checked, repaired or withheld. `model` is the answerer's; it knows the real seconds."""
    before = model.spent
    answer = answerer.answer(shown.question.example.asked, shown.question.policies)
    return reply_of(answer, shown.question.example.id, model.spent - before)


def reply_of(answer: Answer, question: str, seconds: float = 0.0) -> Reply:
    """An answer of the service as an arm's reply."""
    quotes = tuple(Quote(c.marker, c.doc_id, c.version, c.start, c.end, c.quote) for c in answer.citations)
    note = f"route {answer.route.name}, {answer.mode}" + (f": {answer.reason}" if answer.reason else "")
    return Reply(
        question, answer.text, quotes, answer.abstained, answer.prompt_tokens, answer.completion_tokens, seconds,
        own_words(answer), answer.mode, note,
    )  # fmt: skip


def own_words(answer: Answer) -> str | None:
    """What an answer says without the sentence that is quoted beside it; the bare sentence where it is a quote."""
    if answer.mode == "quote":
        return " ".join(citation.quote for citation in answer.citations)
    if answer.mode != "both":
        return None
    marks = (f" — {quoted(unit)}" for unit in answer.units)
    return next((answer.text.partition(mark)[0] for mark in marks if mark in answer.text), answer.text)
