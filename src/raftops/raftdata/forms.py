"""Requests for a form that need facts: made of a knowledge example, so that a model learns to look up and to format.

A project's own forms are its behaviour examples with evidence; these few are for everybody and say nothing of a house.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from raftops.data.records import Example

LONGEST_FACT = 45
"""Words of a quote that a notice can still repeat whole."""


@dataclass(frozen=True)
class Form:
    """How a request asks for a form, and how a fact looks in it."""

    name: str
    request: str
    """`{question}` becomes the example's question."""
    write: Callable[[str, str], str]
    """From the question and the fact to the text."""


def _json(question: str, said: str) -> str:
    return json.dumps({"question": question, "answer": said}, ensure_ascii=False)


FORMS = (
    Form("json", "{question} Reply as JSON with the keys question and answer.", _json),
    Form("notice", "Write a short notice that answers this: {question}", lambda _, said: f"Please note: {said}"),
    Form("e-mail", "Draft an e-mail that answers this: {question}", lambda _, said: f"Hello,\n\n{said}\n\nRegards"),
    Form("list", "{question} Answer as a bullet list.", lambda _, said: f"- {said}"),
    Form("xml", "{question} Reply as XML.", lambda _, said: f"<answer>{said}</answer>"),
)


def ask_for(example: Example, draw: random.Random) -> tuple[str, str]:
    """A request for a form and the text that answers it, from a knowledge example; the form is drawn."""
    form = draw.choice(FORMS)
    return form.request.format(question=example.asked), form.write(example.asked, fact(example))


def fact(example: Example) -> str:
    """What the form says: the quote where it is one sentence that stands alone, else the answer."""
    quote = " ".join(example.evidence[0].quote.split()) if len(example.evidence) == 1 else ""
    whole = quote[:1].isupper() and quote.endswith((".", "!")) and len(quote.split()) <= LONGEST_FACT
    return quote if whole else example.answer.strip()
