"""Which passages a search may see: those of some policies as the index knows them, and the documents that moved since.

An index keeps the policy that a document had when it was built. Who may read it is decided now: a document that moved
to another policy, or is withdrawn, is named here, so that nothing is indexed again when a permission changes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from raftops.files import sha256_text


@dataclass(frozen=True)
class Indexed:
    """A document of an index."""

    doc_id: str
    version: str
    policy_id: str
    """Its policy when the index was built; empty where it had none."""


@dataclass(frozen=True)
class Scope:
    """What a caller may read of an index. Empty: nothing."""

    policies: frozenset[str] = frozenset()
    """Policies, as the index has them, whose documents may be read."""
    without: frozenset[str] = frozenset()
    """Documents of these policies that may not be read any more."""
    also: frozenset[str] = frozenset()
    """Documents of other policies that may be read now."""

    def __bool__(self) -> bool:
        return bool(self.policies or self.also)

    def admits(self, doc_id: str, policy_id: str) -> bool:
        """Whether a passage of this document, indexed under this policy, may be seen."""
        return doc_id in self.also or (policy_id in self.policies and doc_id not in self.without)

    def expression(self) -> str:
        """As a filter of Milvus."""
        parts = [f"policy_key in {json.dumps(sorted(map(policy_key, self.policies)))}"] if self.policies else []
        if parts and self.without:
            parts = [f"({parts[0]} and doc_id not in {_quoted(self.without)})"]
        if self.also:
            parts.append(f"doc_id in {_quoted(self.also)}")
        return " or ".join(parts)


def policy_key(policy_id: str) -> str:
    """The policy as the filter sees it: hexadecimal, so that no name needs quoting or can change the expression."""
    return sha256_text(policy_id)[:32]


def _quoted(names: frozenset[str]) -> str:
    """A list of names. Milvus Lite knows no escapes by number (`\\u00e4`): letters stand as they are."""
    return json.dumps(sorted(names), ensure_ascii=False)
