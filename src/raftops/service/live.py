"""What is served, and how it is refused: the words that the release's side and HTTP's side share. No framework.

Opening and following releases is `serving.py`'s work; routes and responses are `app.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from raftops.access import AccessPolicies
from raftops.answer.answering import Answer, Answerer
from raftops.release.in_force import InForce
from raftops.release.release import trained_policies
from raftops.retrieval.view import ScopedLibrary, View
from raftops.service.identity import Verifier


@dataclass(frozen=True)
class Live:
    """A release at work, under the access in force when it was leased."""

    name: str
    release: str
    created: int
    """Seconds since 1970."""
    access: AccessPolicies
    answerer: Answerer
    index: ScopedLibrary | None = None
    """The index as it was built; the answerer's library sees it under the access in force."""
    sources: Sequence[Mapping[str, str]] = ()
    """The documents behind the weights, as `sources.jsonl` of a release lists them."""
    in_force: InForce | None = None
    """Who may read what now; absent: the release's own `access`, as its index has it."""
    refresh: Callable[[], Live] | None = field(default=None, compare=False, repr=False)
    """Gives the same release under the access that is in force then."""

    def under(self, now: InForce) -> Live:
        """The same release under another access: nothing is indexed, evaluated or trained again."""
        if self.index is None:
            return replace(self, access=now.access, in_force=now)
        here = {one.doc_id: one.version for one in self.index.documents()}
        needed = trained_policies(self.sources, now.policy_of, here)
        answerer = replace(self.answerer, library=View(self.index, now.policy_of), trained_policies=needed)
        return replace(self, access=now.access, answerer=answerer, in_force=now)

    def latest(self) -> Live:
        """The same release under the access in force now; itself where nothing changed."""
        return self.refresh() if self.refresh else self

    def may_show(self, groups: Iterable[str], documents: Iterable[tuple[str, str]]) -> bool:
        """Whether a caller may read all of these documents (id and version) now."""
        now = self.in_force
        return now is None or all(now.may_read(groups, doc_id, version) for doc_id, version in documents)

    def still_answers(self, answer: Answer, before: Live, groups: Iterable[str]) -> bool:
        """Whether an answer that was made under `before` may leave: all that it was made of may be read now."""
        if self is before:
            return True
        groups = frozenset(groups)
        behind = {(unit.doc_id, unit.version) for unit in answer.units}
        behind |= {(citation.doc_id, citation.version) for citation in answer.citations}
        weights = [live.access.readable(groups) >= live.answerer.trained_policies for live in (before, self)]
        return weights[0] == weights[1] and self.may_show(groups, behind)


class Serving(Protocol):
    """What is served now."""

    @property
    def verifier(self) -> Verifier:
        """Who verifies tokens. Raises `Refused` while nothing is served yet."""

    def lease(self) -> AbstractContextManager[Live]:
        """The release, kept open until the block ends. Raises `Refused` while nothing is served yet."""


class Refused(Exception):
    """A request that is not answered; becomes an error in OpenAI's shape. Never carries what the caller wrote."""

    def __init__(
        self, status: int, code: str, message: str, param: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param
        self.retry_after = retry_after or (2 if status in (429, 503) else None)
        """Seconds after which it is worth another try."""

    def body(self) -> dict[str, Any]:
        """The error as OpenAI writes it."""
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(self.status)
        kind = kind or ("invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}
