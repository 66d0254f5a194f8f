"""A teacher that proposes questions: an OpenAI-compatible endpoint, or a model on this machine; and what it may cost.

One request a passage and style. What a teacher says is a proposal like any other: the filters judge it.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from raftops.data.records import Message, Passage, Unit
from raftops.errors import ModelError, SpecError
from raftops.examples.rules import Proposal, Style
from raftops.retrieval.protocols import Generator
from raftops.spec.model.knowledge import Teacher as TeacherSpec

TIMEOUT_SECONDS = 120
MOST_BYTES = 1 << 20
MOST_NEW_TOKENS = 200
CHARS_PER_TOKEN = 3
"""Of a prompt, on the careful side."""
ASKED: dict[Style, str] = {
    "fact": "asks for one fact of the passage (a number, a name, a place, a date)",
    "condition": "asks what happens, or what to do, under a condition that the passage names",
    "table": "asks for one value of a table or list of the passage",
    "yes_no": "can be answered with yes or no by one sentence of the passage",
    "comparison": "compares two things of which the passage speaks",
    "near_miss": "sounds as if the passage answered it, and is not answered by it (another place, case or number)",
}
SYSTEM = (
    "You write questions that a reader of these documents would ask, in their own words. A question stands alone: it "
    "names what it is about, and never speaks of a passage or text."
)
FORM = (
    "Write one question that {style}.\nAnswer in three lines and nothing else:\n"
    "Q: the question\nA: the answer, at most 15 words{none}\nE: the one sentence or row of the passage that proves it, "
    "copied word for word"
)
_LINE = re.compile(r"^\s*\**([QAE])\**\s*[:.)]\s*\**\s*(.+?)\s*$", re.MULTILINE)


@dataclass
class Budget:
    """What may be spent on a teacher, and what was."""

    most_tokens: int | None = None
    most_money: float | None = None
    price_in: float = 0.0
    """Of a million tokens of prompt."""
    price_out: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def money(self) -> float:
        """Spent so far."""
        return (self.tokens_in * self.price_in + self.tokens_out * self.price_out) / 1e6

    def exceeded(self, prompt_tokens: int) -> str:
        """Why another request may not be made; empty where it may."""
        tokens = self.tokens_in + self.tokens_out + prompt_tokens + MOST_NEW_TOKENS
        money = self.money + (prompt_tokens * self.price_in + MOST_NEW_TOKENS * self.price_out) / 1e6
        if self.most_tokens is not None and tokens > self.most_tokens:
            return f"the budget of {self.most_tokens} tokens is spent ({self.tokens_in + self.tokens_out} used)"
        if self.most_money is not None and money > self.most_money:
            return f"the budget of {self.most_money:g} is spent ({self.money:.4f} used)"
        return ""

    def spend(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Count a request."""
        self.tokens_in += prompt_tokens
        self.tokens_out += completion_tokens

    def as_json(self) -> dict[str, Any]:
        """What was spent."""
        return {"tokens_in": self.tokens_in, "tokens_out": self.tokens_out, "money": round(self.money, 6)}

    def resume(self, spent: dict[str, Any]) -> None:
        """Take up what was spent before."""
        self.tokens_in, self.tokens_out = int(spent["tokens_in"]), int(spent["tokens_out"])


@dataclass(frozen=True)
class Taught:
    """What a teacher said."""

    text: str
    prompt_tokens: int
    completion_tokens: int

    def proposal(self, units: Sequence[Unit], style: Style) -> Proposal | None:
        """The question in it; none where it is of another form, or quotes what the passage does not say."""
        lines: dict[str, str] = {}
        for key, value in _LINE.findall(self.text):
            lines.setdefault(key, value.strip().strip('"'))
        question = lines.get("Q", "")
        if not question:
            return None
        if style == "near_miss":
            return Proposal(style, question, "", tuple(units[:1]), by="teacher")
        quote = " ".join(lines.get("E", "").split())
        flat = [(unit, " ".join(unit.text.split())) for unit in units]
        proof = next((u for u, text in flat if quote and (quote in text or (text in quote and len(text) > 20))), None)
        return Proposal(style, question, lines["A"], (proof,), by="teacher") if proof and lines.get("A") else None


class Teacher(Protocol):
    """Asked for one question about a passage."""

    @property
    def name(self) -> str:
        """What it is, for the state of a draft."""

    @property
    def styles(self) -> Sequence[Style]:
        """What it can be asked for."""

    def cost_of(self, text: str) -> int:
        """Tokens that a request about a text has, at most."""

    def ask(self, passage: Passage, style: Style) -> Taught:
        """Its words."""


def messages_for(passage: Passage, style: Style) -> list[Message]:
    """What a teacher reads."""
    path = " > ".join(dict.fromkeys(h for h in (passage.title, *passage.locator.headings) if h))
    none = " (none: it has no answer)" if style == "near_miss" else ""
    text = f"Document: {path}\n\n{passage.text}\n\n{FORM.format(style=ASKED[style], none=none)}"
    return [Message(role="system", content=SYSTEM), Message(role="user", content=text)]


@dataclass(frozen=True)
class Endpoint:
    """A teacher behind an OpenAI-compatible address: POST {url}/chat/completions."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    seed: int = 7
    styles: Sequence[Style] = tuple(ASKED)

    @classmethod
    def of(cls, spec: TeacherSpec, seed: int) -> Endpoint:
        """As a spec names it; its key comes from the environment."""
        key = os.environ.get(spec.key.env, "") if spec.key else ""
        if spec.key and not key:
            raise SpecError(f"models.teacher.key: {spec.key.env} is not set", next_step=f"export {spec.key.env}=...")
        return cls(spec.url.rstrip("/"), spec.model, key, seed)

    @property
    def name(self) -> str:
        """Its address and model."""
        return f"{self.url} {self.model}"

    def cost_of(self, text: str) -> int:
        """By letters, on the careful side."""
        return (len(text) + len(SYSTEM) + len(FORM) + 200) // CHARS_PER_TOKEN

    def ask(self, passage: Passage, style: Style) -> Taught:
        """One request, without redirects.

        Raises:
            ModelError: it cannot be reached, refuses, or answers in another form.
        """
        body = {
            "model": self.model, "messages": [m.model_dump() for m in messages_for(passage, style)],
            "max_tokens": MOST_NEW_TOKENS, "temperature": 0, "seed": self.seed, "stream": False,
        }  # fmt: skip
        address = f"{self.url}/chat/completions"
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        try:
            with _OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
                said = json.loads(answer.read(MOST_BYTES))
            text = said["choices"][0]["message"]["content"] or ""
            used = said.get("usage") or {}
            prompt = used.get("prompt_tokens") or self.cost_of(passage.text)
            return Taught(str(text), int(prompt), int(used.get("completion_tokens") or len(text) // CHARS_PER_TOKEN))
        except urllib.error.HTTPError as error:
            detail = error.read(300).decode("utf-8", "replace").strip()
            raise ModelError(
                f"{address}: {error.code} {detail}", next_step="check models.teacher, then draft again"
            ) from error
        except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{address}: no chat completion ({error})", next_step="check models.teacher, then draft again"
            ) from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key elsewhere."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """None is followed."""


_OPENER = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True)
class Local:
    """A teacher on this machine."""

    source: str
    generator: Generator
    count_tokens: Any
    styles: Sequence[Style] = tuple(ASKED)

    @property
    def name(self) -> str:
        """Its source."""
        return self.source

    def cost_of(self, text: str) -> int:
        """Counted by its own tokenizer, with room for the template."""
        return int(self.count_tokens(f"{SYSTEM} {FORM} {text}")) + 60

    def ask(self, passage: Passage, style: Style) -> Taught:
        """Greedy decoding."""
        said = self.generator.generate(messages_for(passage, style), MOST_NEW_TOKENS)
        return Taught(said.text, said.prompt_tokens, said.completion_tokens)
