"""What a reply about form must satisfy, as an example says it. Shapes only, each checked when it is read.

Every check is deterministic; `raftops.forms` carries them out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from xml.etree import ElementTree

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from raftops.spec.model.formats import checked_regex, checked_schema

Text = Annotated[str, Field(min_length=1)]


class _Check(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class XmlCheck(_Check):
    """A reply that is one XML document, without document type and entities."""

    root: Text
    """Name of the root element."""
    paths: tuple[Text, ...] = ()
    """Elements that are there, as paths below the root (`patient/name`, `.//dose`)."""

    @field_validator("paths")
    @classmethod
    def _can_be_found(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            try:
                ElementTree.Element("probe").findall(path)
            except (SyntaxError, KeyError, TypeError) as error:
                raise ValueError(f"{path!r} is not a path of elements ({error})") from error
        return paths


class SqlCheck(_Check):
    """A reply that is one SQL query: it runs on SQLite, and returns the rows that a right query returns."""

    setup: Text = Field(max_length=200_000)
    """Statements that make the database: CREATE TABLE and INSERT."""
    accepted: tuple[Text, ...] = ()
    """Queries that are as right as the answer."""
    ordered: bool | None = None
    """Whether the order of rows counts; if absent, where the right query says ORDER BY."""


class Readability(_Check):
    """How easily a reply is read: Flesch's reading ease, 0 (hard) to 100 (easy)."""

    language: Literal["english", "german"] = "english"
    """English: 206.835 - 1.015 words a sentence - 84.6 syllables a word (Flesch, 1948). German: 180 - words a sentence
    - 58.5 syllables a word (Amstad, 1978)."""
    min: float | None = None
    """Least ease that passes."""
    max: float | None = None
    """Greatest ease that passes."""

    @model_validator(mode="after")
    def _bounded(self) -> Readability:
        if self.min is None and self.max is None:
            raise ValueError("needs min or max")
        return self


class Checks(_Check):
    """What a behaviour answer must satisfy; each is deterministic."""

    json_keys: tuple[str, ...] | None = None
    """One strict JSON object with these keys."""
    json_schema: dict[str, Any] | None = None
    """One strict JSON value that a JSON Schema holds for."""
    xml: XmlCheck | None = None
    """One XML document."""
    sql: SqlCheck | None = None
    """One SQL query."""
    matches: str | None = Field(None, min_length=1, max_length=2000)
    """Regular expression of the whole reply."""
    sections: tuple[Text, ...] = ()
    """Headings, each on a line, in this order."""
    readability: Readability | None = None
    """How easily it is read."""
    min_words: int | None = Field(None, ge=1)
    """Least words."""
    max_words: int | None = Field(None, ge=1)
    """Most words."""
    max_chars: int | None = Field(None, ge=1)
    """Most characters."""
    contains: tuple[str, ...] = ()
    """What it says, to the letter."""
    not_contains: tuple[str, ...] = ()
    """What it does not say, whatever the case."""

    @field_validator("json_schema")
    @classmethod
    def _is_schema(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if schema is None else checked_schema(schema)

    @field_validator("matches")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        return checked_regex(pattern)

    @model_validator(mode="after")
    def _one_format(self) -> Checks:
        named = [name for name in ("json_schema", "xml", "sql") if getattr(self, name) is not None]
        if len(named) > 1:
            raise ValueError(f"a reply is one of {' and '.join(named)}, not all of them")
        if self.min_words and self.max_words and self.min_words > self.max_words:
            raise ValueError(f"min_words {self.min_words} is more than max_words {self.max_words}")
        return self

    @property
    def has_values(self) -> bool:
        """Whether there is more to compare with the reference than words."""
        return self.json_keys is not None or any((self.json_schema is not None, self.xml, self.sql))
