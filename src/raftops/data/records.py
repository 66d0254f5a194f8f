"""What steps hand to each other: Document, Passage, Example and other rows, and the shard of them that a task does.

Shapes only; no work is done here.

Offsets are character offsets into a document's parsed text: `parsed_text[start:end] == text`, always.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from raftops.data.checks import Checks
from raftops.globs import nfc

Split = Literal["train", "dev", "test"]


@dataclass(frozen=True)
class Document:
    """A row of the accepted manifest (`documents.jsonl`)."""

    doc_id: str
    """Path below the documents folder, with forward slashes."""
    version: str
    """SHA-256 of the bytes."""
    media_type: str
    policy_id: str
    uri: str
    path: str
    """Where the bytes are, relative to the project."""
    size: int
    """Bytes."""


@dataclass(frozen=True)
class Locator:
    """Where a span stands, as a person would look for it."""

    headings: tuple[str, ...] = ()
    """Heading path, outermost first."""
    page: int | None = None
    """Page from 1, where the format has pages."""
    line: int | None = None
    """Line of the source file from 1, where the format has lines."""
    table_header: str = ""
    """Header row of the table that the span lies in, cells joined by ' | '."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON values, without what is empty."""
        return {k: v for k, v in asdict(self).items() if v not in (None, "", ())}

    @classmethod
    def of(cls, value: dict[str, Any]) -> Locator:
        """From what `as_dict` gave."""
        return cls(**{**value, "headings": tuple(value.get("headings", ()))})


@dataclass(frozen=True)
class Span:
    """An evidence unit of a passage: a sentence, a list item or a table row."""

    start: int
    end: int
    locator: Locator


@dataclass(frozen=True)
class Passage:
    """A row of `passages.parquet`."""

    passage_id: str
    doc_id: str
    version: str
    title: str
    text: str
    start: int
    end: int
    locator: Locator
    policy_id: str
    uri: str
    tokens: int
    spans: tuple[Span, ...] = ()
    """Evidence units, in order, with offsets into the parsed text (not into this passage)."""


class Evidence(BaseModel):
    """What proves an answer: one verbatim quote of one document."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    doc_id: Annotated[str, AfterValidator(nfc)] = Field(min_length=1)
    """Path of the document below the documents folder."""
    quote: str = Field(min_length=1)
    """Its words that prove the answer, as they stand there."""


class Message(BaseModel):
    """One chat message."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    role: Literal["system", "user", "assistant"]
    """Who says it."""
    content: str = Field(min_length=1)
    """What is said."""


class Example(BaseModel):
    """A row of the examples: what should be answered, and what proves it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: str = Field(min_length=1, max_length=200)
    """Name of the row, once over all files."""
    kind: Literal["knowledge", "behaviour"]
    """Answered from the documents, or about form alone."""
    question: str = ""
    """What is asked; or `messages`."""
    messages: tuple[Message, ...] = ()
    """What is asked as a chat whose last turn is the user's; instead of `question`."""
    answer: str = ""
    """The right answer, as short as a reader wants it."""
    accepted: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Other answers that count as right; nothing is trained on them."""
    must: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Facts that a right answer states, in whatever words; they take the place of `answer` when answers are judged."""
    evidence: tuple[Evidence, ...] = ()
    """What proves the answer."""
    unanswerable: bool = False
    """Whether no document answers it."""
    near_miss: bool = False
    """Unanswerable, and beside what the documents do answer (a motorcycle where they speak of cars)."""
    language: str = Field("", max_length=40)
    """Language of the question, for figures by language."""
    checks: Checks | None = None
    """What the answer to a request about form must satisfy."""
    split: Split | None = None
    """Set by `validate`, never by hand."""

    @property
    def asked(self) -> str:
        """The last thing the user says."""
        return self.question or next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @model_validator(mode="after")
    def _complete(self) -> Example:
        if not self.asked.strip():
            raise ValueError("needs a question, or messages with a user turn")
        if self.kind == "knowledge" and self.unanswerable and (self.answer or self.evidence):
            raise ValueError("unanswerable examples have neither answer nor evidence")
        if (self.accepted or self.must) and (self.kind == "behaviour" or self.unanswerable):
            raise ValueError("only a question with an answer has accepted answers or facts (must)")
        if self.near_miss and not self.unanswerable:
            raise ValueError("near_miss is said of unanswerable examples only")
        if not self.unanswerable and not self.answer.strip():
            raise ValueError("needs an answer, or unanswerable: true")
        if self.kind == "knowledge" and not self.unanswerable and not self.evidence:
            raise ValueError("a knowledge example needs evidence (doc_id and verbatim quote)")
        return self


@dataclass(frozen=True)
class Hit:
    """A passage that a search found, with its scores in [0, 1] (higher is better)."""

    passage: Passage
    score: float
    dense: float = 0.0
    """Cosine similarity."""
    sparse: float = 0.0
    """BM25 score, not normalised."""


@dataclass(frozen=True)
class Unit:
    """One numbered piece of evidence as the model reads it. `text == parsed_text[start:end]`."""

    number: int
    text: str
    doc_id: str
    version: str
    title: str
    uri: str
    policy_id: str
    start: int
    end: int
    locator: Locator
    score: float
    passage_id: str = ""
    rerank: float | None = None
    """Logit of the re-ranker, where one read it."""

    @property
    def heading(self) -> str:
        """Title and innermost headings, as shown in front of the text."""
        path = [h for h in (self.title, *self.locator.headings) if h]
        kept = [h for i, h in enumerate(path) if h not in path[:i]]
        return " > ".join(kept[:1] + kept[1:][-2:])


@dataclass(frozen=True)
class Generation:
    """What a generator gave."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    stopped: bool = True
    """False where the token limit cut it."""
    confidence: float | None = None
    """Mean token probability where the engine gives it."""


@dataclass(frozen=True)
class Citation:
    """A number in an answer, bound to a verbatim quote and its place."""

    marker: int
    doc_id: str
    version: str
    uri: str
    quote: str
    start: int
    end: int
    locator: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shard:
    """Part `number`, from 0, of `of` parts of an ordered list. Parts are contiguous: in their order they are the whole."""

    number: int
    of: int

    def holds(self, position: int, total: int) -> bool:
        """Whether it is this part that an item belongs to, by its position of `total`. Parts differ by one item."""
        return position * self.of // total == self.number

    def __str__(self) -> str:
        """For people, who count from 1."""
        return f"shard {self.number + 1} of {self.of}"
