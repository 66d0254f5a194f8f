"""From what is said to what is sought: small talk, the question that stands alone, its route, the asker's own place.

Sees the caller's turns and token, never a document that the caller may not read. What is understood is told in the
answer (`searched`, `assumed`), so that nobody has to guess what was asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from raftops.answer.asker import NOBODY, Asker, assume
from raftops.answer.follow_up import standalone
from raftops.answer.form import topic
from raftops.answer.router import Route, Router
from raftops.answer.small_talk import pleasantry
from raftops.data.records import Message
from raftops.retrieval.protocols import Retriever


@dataclass(frozen=True)
class Turn:
    """What somebody says, and who says it."""

    question: str
    policies: frozenset[str]
    """What the caller may read: decided before, changed by nothing here."""
    history: Sequence[Message] = ()
    asker: Asker = NOBODY


@dataclass(frozen=True)
class Understood:
    """What a turn asks for."""

    route: Route
    question: str
    """What the model is asked: the caller's words for a request of form, else a question that stands alone."""
    sought: str
    """What is searched, and what the evidence has to answer: the question without the form that it is wanted in."""
    assumed: Mapping[str, str] = field(default_factory=dict)
    """By kind of claim, what was taken from the token; as `asker.assume`."""
    civil: str = ""
    """The whole answer, where there was only small talk."""


def understood(turn: Turn, router: Router, library: Retriever, title: str, language: str = "english") -> Understood:
    """What is asked for in a turn."""
    if civil := pleasantry(turn.question, title, language):
        return Understood(Route("behaviour", 1.0), turn.question, turn.question, civil=civil)
    alone = standalone(turn.question, turn.history, language)
    route = router.decide(alone)
    if route.name == "behaviour":  # the turns before are put to the model with it
        return Understood(route, turn.question, turn.question)
    sought = topic(alone) if route.name == "both" else alone
    meant = assume(sought, turn.asker, library, turn.policies)
    question = meant.question if route.name == "knowledge" else alone
    return Understood(route, question, meant.question, meant.values)
