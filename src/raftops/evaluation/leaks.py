"""Canaries: a question whose only evidence its asker may not read must not bring that evidence.

The askers are groups of the access file itself, each alone. What is looked at is what the service would read, name and
cite; for the first few also the whole answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from raftops.access import AccessPolicies
from raftops.answer.answering import Answerer
from raftops.evaluation.questions import Question

ANSWERED = 4
"""Canaries that are answered, too: that costs a generation each."""


@dataclass(frozen=True)
class Canary:
    """A question, a group that may not read its evidence, and what it got of it."""

    question: str
    """Id of the example."""
    group: str
    leaked: tuple[str, ...]
    """Documents that the group may not read and that were found, named or cited for it."""


def canaries(questions: Sequence[Question], access: AccessPolicies, limit: int) -> Iterator[Question]:
    """Questions as put by a group that may read none of their evidence, at most `limit`; each question once, groups by
    turns."""
    groups = sorted(access.groups)
    given = 0
    for turn, question in enumerate(questions):
        for place in range(len(groups)):
            group = groups[(turn + place) % len(groups)]
            may = [access.may_read([group], access.policy_of(doc_id)) for doc_id in question.documents]
            if given < limit and may and not any(may):
                given += 1
                yield replace(question, groups=(group,), policies=access.readable([group]))
                break


def sung(answerer: Answerer, question: Question, access: AccessPolicies, whole: bool) -> Canary:
    """What a canary brings that its asker may not read by the access file: of the evidence, and with `whole` of what
    the answer read, names and cites."""
    documents = {unit.doc_id for unit in answerer.units(question.example.asked, question.policies)}
    if whole:
        answer = answerer.answer(question.example.asked, question.policies)
        documents |= {citation.doc_id for citation in answer.citations}
        documents |= {unit.doc_id for unit in (*answer.units, *answer.nearest)}
    leaked = (doc for doc in sorted(documents) if not access.may_read(question.groups, access.policy_of(doc)))
    return Canary(question.example.id, question.groups[0], tuple(leaked))
