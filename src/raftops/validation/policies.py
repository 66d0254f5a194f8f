"""The access file as rows: a row for each policy and each rule, with what makes it unusable."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from raftops.access import AccessPolicies, glob_pattern
from raftops.validation.rows import Check, Row

POLICY_CHECKS = (
    Check("name", "not_null", "critical", "every policy and every rule names a policy"),
    Check("kind", "in_set", "critical", "a row is a policy or a rule", ("policy", "rule")),
    Check("groups_exist", "true", "critical", "every group of a policy is declared under groups"),
    Check("policy_exists", "true", "critical", "every rule names a policy that exists"),
    Check("has_groups", "true", "warning", "every policy lists a group; nobody may read what has one without"),
    Check("is_reached", "true", "info", "no rule repeats the pattern of an earlier one, which would decide"),
)


def policy_rows(access: AccessPolicies, file: str) -> list[Row]:
    """Policies and rules, in the order of the file."""
    rows = []
    for name, policy in access.policies.items():
        row = Row(f"{file}: policies.{name}", name, {"name": name, "kind": "policy"})
        row.columns |= {"groups_exist": True, "has_groups": bool(policy.groups)}
        for group in (g for g in policy.groups if g not in access.groups):
            row.fail("groups_exist", f"policy {name} lists the group {group!r}, which is not declared under groups")
        rows.append(row)
    seen: set[str] = set()
    for number, rule in enumerate(access.documents):
        row = Row(f"{file}: documents.{number}", rule.match, {"name": rule.policy, "kind": "rule"})
        row.columns |= {"policy_exists": True, "is_reached": rule.match not in seen}
        if rule.policy not in access.policies:
            row.fail("policy_exists", f"rule {rule.match!r} names the policy {rule.policy!r}, which does not exist")
        seen.add(rule.match)
        rows.append(row)
    return rows


def idle_rules(access: AccessPolicies, file: str, documents: Collection[str]) -> Iterator[dict[str, str]]:
    """The rules that decide about no document, and why: a typo in one leaves its documents to a wider rule."""
    left = set(documents)
    for number, rule in enumerate(access.documents):
        pattern = glob_pattern(rule.match)
        decided = {doc_id for doc_id in left if pattern.fullmatch(doc_id)}
        left -= decided
        if not decided:
            matched = sum(bool(pattern.fullmatch(doc_id)) for doc_id in documents)
            why = f"earlier rules decide about the {matched} that it matches" if matched else "it matches none"
            yield {"where": f"{file}: documents.{number}", "match": rule.match, "policy": rule.policy, "why": why}


def without(access: AccessPolicies, policies: frozenset[str]) -> AccessPolicies:
    """The access file without some policies. All rules stay: where one names a policy that is gone, it denies;
    without it a later, wider rule could decide."""
    return access.model_copy(update={"policies": {k: v for k, v in access.policies.items() if k not in policies}})
