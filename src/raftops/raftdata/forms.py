"""Requests for a form that need facts: made of a knowledge example, so that a model learns to look up and to format.

A project's own forms are its behaviour examples with evidence; these few are for everybody and say nothing of a house.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from raftops.data.records import Example

LONGEST_FACT = 30
"""Words of a quote that a form can repeat whole: an answer is no longer than others, and is not cut when served."""


@dataclass(frozen=True)
class Form:
    """How a request asks for a form, and how a fact looks in it."""

    name: str
    request: str
    """`{question}` becomes the example's question."""
    write: Callable[[str], str]
    """From the fact to the text."""


FORMS = (
    Form(
        "json",
        "{question} Reply as JSON with the key answer.",
        lambda said: json.dumps({"answer": said}, ensure_ascii=False),
    ),
    Form("notice", "Write a short notice that answers this: {question}", lambda said: f"Please note: {said}"),
    Form("e-mail", "Draft an e-mail that answers this: {question}", lambda said: f"Hello,\n\n{said}\n\nRegards"),
    Form("list", "{question} Answer as a bullet list.", lambda said: f"- {said}"),
    Form("xml", "{question} Reply as XML.", lambda said: f"<answer>{said}</answer>"),
)


def ask_for(example: Example, draw: random.Random) -> tuple[str, str]:
    """A request for a form and the text that answers it, from a knowledge example; the form is drawn."""
    form = draw.choice(FORMS)
    return form.request.format(question=example.asked), form.write(fact(example))


def fact(example: Example) -> str:
    """What the form says: the quote where it is one sentence that stands alone, else the answer."""
    quote = " ".join(example.evidence[0].quote.split()) if len(example.evidence) == 1 else ""
    whole = quote[:1].isupper() and quote.endswith((".", "!")) and len(quote.split()) <= LONGEST_FACT
    return quote if whole else example.answer.strip()
