"""Requests about form: does a model keep the house's rules? Each check of an example is deterministic."""

from __future__ import annotations

from dataclasses import dataclass

from raftops.answer.prompt import behaviour_messages
from raftops.data.records import Checks, Example, Message
from raftops.evaluation.generations import Remembered
from raftops.evaluation.metrics import failed_checks, json_value

TOKENS_LEAST = 96
"""A reply about form is as long as what it rewrites: it gets at least the service's default."""


@dataclass(frozen=True)
class Form:
    """A reply about form and what is wrong with it."""

    id: str
    text: str
    failed: tuple[str, ...]
    values_right: bool | None
    """For JSON: whether it equals the reference; None where the reference is not JSON."""


def form_reply(example: Example, checks: Checks, model: Remembered, title: str, max_new_tokens: int) -> Form:
    """The reply to one request and what it breaks."""
    turns = example.messages or (Message(role="user", content=example.question),)
    text = model.generate(behaviour_messages(title, turns), max(max_new_tokens, TOKENS_LEAST)).text.strip()
    wanted = json_value(example.answer) if checks.json_keys is not None else None
    right = None if wanted is None else json_value(text) == wanted
    return Form(example.id, text, tuple(failed_checks(text, checks)), right)
