"""Requests about form: does a model keep the house's rules? Each check of an example is deterministic.

Asked as a user would: with the evidence where the example has some, and held to the format that the request wants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from raftops.answer.answering import Answerer
from raftops.answer.prompt import behaviour_messages, grounded_messages
from raftops.data.checks import Checks
from raftops.data.records import Example, Message, Unit
from raftops.evaluation.metrics import token_f1
from raftops.forms.checking import failed_checks
from raftops.forms.values import differences

TOKENS_LEAST = 96
"""A reply about form is as long as what it rewrites: it gets at least the service's default."""


@dataclass(frozen=True)
class Form:
    """A reply about form and what is wrong with it."""

    id: str
    text: str
    failed: tuple[str, ...]
    differs: tuple[str, ...] | None
    """Values that are not the reference's, field by field; None where the reference has none to compare."""
    words: float = 0.0
    """Token F1 with the reference."""

    @property
    def values_right(self) -> bool | None:
        """Whether its values are the reference's."""
        return None if self.differs is None else not self.differs


def form_reply(example: Example, checks: Checks, answerer: Answerer, units: Sequence[Unit]) -> Form:
    """The reply to one request and what it breaks; `units` is the evidence of an example that has some."""
    prompt, title = answerer.prompt, answerer.title
    if example.evidence:
        messages = grounded_messages(prompt, title, example.asked, units)
    else:
        messages = behaviour_messages(title, example.messages or (Message(role="user", content=example.question),))
    return form_of(example, checks, answerer.in_form(messages, example.asked, units).text.strip())


def form_of(example: Example, checks: Checks, text: str) -> Form:
    """What is wrong with a reply."""
    differs = differences(text, example.answer, checks)
    values = None if differs is None else tuple(differs)
    return Form(example.id, text, tuple(failed_checks(text, checks)), values, token_f1(example.answer, text))


def constant_reply(train: Iterable[Example], checks: Checks) -> str:
    """The trivial reply: of the training examples with the same checks the answer that most of them have, or the first.

    What beats it has read the request.
    """
    alike = checks.model_dump(exclude={"sql"})
    answers = Counter(e.answer for e in train if e.checks and e.checks.model_dump(exclude={"sql"}) == alike)
    return answers.most_common(1)[0][0] if answers else ""
