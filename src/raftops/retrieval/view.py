"""An index as it may be read now: what moved to another policy is found under that one, what was withdrawn not at all.

Translates the policies in force to what the index knows (`scope.py`), so that a changed permission indexes nothing
again. Does not decide who may read what: `policy_of` is asked once for each document.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from raftops.data.records import Hit
from raftops.retrieval.protocols import Embedder
from raftops.retrieval.scope import Indexed, Scope

PolicyOf = Callable[[str, str], str | None]
"""The policy that a document has now, by its id and version; None: nobody may read it."""


class ScopedLibrary(Protocol):
    """An index that can be searched within a scope."""

    @property
    def embedder(self) -> Embedder:
        """What embeds a question."""

    def tokens(self, text: str) -> int:
        """Length of a text, in tokens of the embedder."""

    def documents(self) -> Sequence[Indexed]:
        """The documents of the index."""

    def within(self, question: str, scope: Scope, top_k: int) -> list[Hit]:
        """Best first; only passages that the scope admits."""

    def document_text(self, doc_id: str, version: str) -> str | None:
        """The parsed text of a document."""


class View:
    """A `Library` over an index, under the policies in force. Hits carry the policy that a document has now."""

    def __init__(self, index: ScopedLibrary, policy_of: PolicyOf) -> None:
        self.index = index
        """The index itself: what it finds is filtered by the policies that it was built with only."""
        self._now: dict[str, str] = {}
        self._by_policy: dict[str, list[str]] = defaultdict(list)
        for one in index.documents():
            policy = policy_of(one.doc_id, one.version)
            self._by_policy[one.policy_id].append(one.doc_id)
            if policy is not None:
                self._now[one.doc_id] = policy
        self._policy_of = policy_of
        self.scope = lru_cache(maxsize=256)(self._scope)
        """What the index is asked for a caller who may read these policies."""

    @property
    def embedder(self) -> Embedder:
        """What embeds a question."""
        return self.index.embedder

    def tokens(self, text: str) -> int:
        """Length of a text, in tokens of the embedder."""
        return self.index.tokens(text)

    def search(self, question: str, policies: frozenset[str], top_k: int) -> list[Hit]:
        """Best first; only passages of documents whose policy now is in `policies`."""
        found = self.index.within(question, self.scope(policies), top_k)
        now = [(hit, self._policy_of(hit.passage.doc_id, hit.passage.version)) for hit in found]
        return [replace(hit, passage=replace(hit.passage, policy_id=p)) for hit, p in now if p in policies and p]

    def document_text(self, doc_id: str, version: str) -> str | None:
        """The parsed text of a document that somebody may read. Does not ask who: ask the access module first."""
        return None if self._policy_of(doc_id, version) is None else self.index.document_text(doc_id, version)

    def _scope(self, policies: frozenset[str]) -> Scope:
        """For each policy of the index its documents as a whole, but for the fewer that left, or only those that stay:
        a filter names as few documents as it can."""
        whole, without, also = set[str](), set[str](), set[str]()
        for policy_id, documents in self._by_policy.items():
            readable = {doc_id for doc_id in documents if self._now.get(doc_id) in policies}
            left = set(documents) - readable
            if readable and policy_id and len(left) <= len(readable):
                whole.add(policy_id)
                without |= left
            else:
                also |= readable
        return Scope(frozenset(whole), frozenset(without), frozenset(also))
