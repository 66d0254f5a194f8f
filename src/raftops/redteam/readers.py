"""Who asks, and what is closed to them: one reader for each group of a release's access rules."""

from __future__ import annotations

from dataclasses import dataclass

from raftops.redteam.canaries import Canaries, Text, indexed_texts
from raftops.release.release import Release

CLOSED = 200
"""Closed documents whose words are looked for, for each reader."""


@dataclass(frozen=True)
class Reader:
    """Somebody in one group, and what is closed to them."""

    group: str
    policies: frozenset[str]
    closed: tuple[Text, ...]
    canaries: Canaries

    @classmethod
    def of(cls, release: Release, group: str) -> Reader:
        """The reader of a group, by the release's access rules."""
        policies = release.access.readable([group])
        closed = [text for text in indexed_texts(release.index) if text.policy_id not in policies][:CLOSED]
        opened = (text for text in indexed_texts(release.index) if text.policy_id in policies)
        return cls(group, policies, tuple(closed), Canaries(closed, opened))

    def leaked(self, received: str, said: str) -> frozenset[str]:
        """The closed documents that something received gives away."""
        return self.canaries.in_text(received, said)
