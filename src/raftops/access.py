"""Who may read what. The one place that decides; it fails closed.

A document has one policy, a policy lists groups, a caller's groups come from a verified token. No policy, unknown
policy, unknown group, empty group list: denied. Names of documents, patterns, policies and groups are compared in
Unicode's form NFC, and a document whose name holds a letter that cannot be seen has no policy. A permission change
edits the access file and re-embeds nothing. Reads no file: `raftops.spec.access_file` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from raftops.globs import first_of, invisible, nfc

Name = Annotated[str, AfterValidator(nfc)]
"""A name in the form that names are compared in."""


class Policy(BaseModel):
    """A named list of groups; any one of them may read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    groups: tuple[Name, ...] = ()
    """Groups of this file; whoever is in one of them may read."""


class Rule(BaseModel):
    """Which documents have a policy; the first rule that matches decides."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    match: Name = Field(min_length=1)
    """Pattern of document ids (paths below the documents folder): `**/` any folders, `*` and `?` within one name."""
    policy: Name = Field(min_length=1)
    """Policy of this file that the documents have."""
    allow_empty: bool = Field(False, exclude_if=lambda value: not value)
    """Whether this rule may decide no document yet, or no longer; otherwise one that decides none is a mistake."""


class AccessPolicies(BaseModel):
    """The access file: groups, policies, and which document has which policy."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    groups: dict[Name, str] = Field(default_factory=dict)
    """Every group of the callers' tokens that counts here, with a line for people."""
    policies: dict[Name, Policy] = Field(default_factory=dict)
    """Named lists of groups."""
    documents: tuple[Rule, ...] = ()
    """Which documents have which policy; the first rule that matches decides, and none means that nobody may read."""

    def rule_of(self, doc_id: str) -> int | None:
        """The number, from 0, of the rule that decides about a document; None where none matches."""
        return first_of(tuple(rule.match for rule in self.documents), doc_id)

    def policy_of(self, doc_id: str) -> str | None:
        """The policy of a document, or None: then nobody may read it."""
        number = None if invisible(doc_id) else self.rule_of(doc_id)
        policy_id = None if number is None else self.documents[number].policy
        return policy_id if policy_id in self.policies else None

    def readers(self, policy_id: str | None) -> frozenset[str]:
        """The groups any one of which may read what has this policy."""
        policy = self.policies.get(policy_id) if policy_id is not None else None
        return frozenset(group for group in policy.groups if group in self.groups) if policy else frozenset()

    def strictest(self, policy_ids: Iterable[str | None]) -> str | None:
        """Of the policies that one content has under several names, the one whose readers every other admits.

        None where one of them is none, or where no one of them is within all others: then nobody may read it.
        """
        ids = set(policy_ids)
        if not ids or None in ids:
            return None
        within = (one for one in sorted(map(str, ids)) if all(self.readers(one) <= self.readers(p) for p in ids))
        return next(within, None)

    def readable(self, groups: Iterable[str]) -> frozenset[str]:
        """The policies that a caller with these groups may read. Groups the file does not know count for nothing,
        and so does a bare string: a claim of the wrong shape must not be read letter by letter."""
        named = set() if isinstance(groups, str) else {nfc(g) for g in groups if isinstance(g, str)}
        known = named & self.groups.keys()
        return frozenset(p for p, policy in self.policies.items() if known & set(policy.groups))

    def readable_by_all(self, audience: Iterable[str]) -> frozenset[str]:
        """The policies that every single group of an audience may read; none for an empty or unknown audience."""
        shares = [] if isinstance(audience, str) else [self.readable([group]) for group in audience]
        return frozenset.intersection(*shares) if shares else frozenset()

    def may_read(self, groups: Iterable[str], policy_id: str | None) -> bool:
        """Whether a caller with these groups may read what has this policy."""
        return policy_id is not None and policy_id in self.readable(groups)
