"""The access file as rows: a row for each policy and each rule, with what makes it unusable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from raftops.access import AccessPolicies
from raftops.spec.access_file import AccessFile
from raftops.spec.rules import Doubt
from raftops.validation.rows import Check, Row

POLICY_CHECKS = (
    Check("name", "not_null", "critical", "every policy and every rule names a policy"),
    Check("kind", "in_set", "critical", "a row is a policy or a rule", ("policy", "rule")),
    Check("groups_exist", "true", "critical", "every group of a policy is declared under groups"),
    Check("policy_exists", "true", "critical", "every rule names a policy that exists"),
    Check("has_groups", "true", "info", "every policy lists a group; nobody may read what has one without"),
    Check("is_reached", "true", "critical", "no rule stands behind one that takes all that it matches"),
    Check("is_as_named", "true", "critical", "no rule misses a document by a mistyped name, its case or its look"),
    Check("decides", "true", "warning", "every rule decides about a document, or says allow_empty: true"),
    Check("is_alone", "true", "warning", "no folder that a wider rule decides has nearly the name of a restricted one"),
)
_COLUMN = {"unreached": "is_reached", "mistyped": "is_as_named", "missed": "is_as_named", "close": "is_alone"}
"""The column that a doubt about a rule makes false; of the others, `decides`."""


def policy_rows(file: AccessFile, access: AccessPolicies, doubts: Sequence[Doubt]) -> list[Row]:
    """Policies and rules, in the order of the file."""
    rows = []
    for name, policy in access.policies.items():
        row = Row(str(file.place("policies", name)), name, {"name": name, "kind": "policy"})
        row.columns |= {"groups_exist": True, "has_groups": bool(policy.groups)}
        for group in (g for g in policy.groups if g not in access.groups):
            row.fail("groups_exist", f"policy {name} lists the group {group!r}, which is not declared under groups")
        rows.append(row)
    for number, rule in enumerate(access.documents):
        row = Row(str(file.place("documents", number, "match")), rule.match, {"name": rule.policy, "kind": "rule"})
        row.columns |= dict.fromkeys(("policy_exists", "is_reached", "is_as_named", "decides", "is_alone"), True)
        if rule.policy not in access.policies:
            row.fail("policy_exists", f"rule {rule.match!r} names the policy {rule.policy!r}, which does not exist")
        for doubt in (d for d in doubts if d.number == number):
            row.fail(_COLUMN.get(doubt.kind, "decides"), f"rule {rule.match!r} {doubt.message}")
        rows.append(row)
    return rows


def idle_rules(file: AccessFile, access: AccessPolicies, doubts: Sequence[Doubt]) -> Iterator[dict[str, str]]:
    """The rules that decide about no document, or miss one that was meant, and why: a wider rule has its documents."""
    for doubt in (d for d in doubts if d.kind != "close"):
        rule = access.documents[doubt.number]
        where = str(file.place("documents", doubt.number, "match"))
        yield {"where": where, "match": rule.match, "policy": rule.policy, "why": f"it {doubt.message}"}


def without(access: AccessPolicies, policies: frozenset[str]) -> AccessPolicies:
    """The access file without some policies. All rules stay: where one names a policy that is gone, it denies;
    without it a later, wider rule could decide."""
    return access.model_copy(update={"policies": {k: v for k, v in access.policies.items() if k not in policies}})
