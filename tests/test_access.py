"""The rules of docs/ARCHITECTURE.md on access, each over thousands of generated access files, callers and documents."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.access import AccessPolicies, Policy, Rule, glob_pattern, load_access
from raftops.errors import AccessError

GROUPS = ["employees", "managers", "finance", "it", "e", "m"]
STRANGERS = ["everyone", "", "Employees", "employees ", "*", "finance\n"]
POLICIES = ["all-staff", "managers-only", "finance-only", "open"]
NAMES = ["a", "b.md", "finance", "leave", "x.pdf", ".hidden", "na me", "a\nb"]

groups = st.lists(st.sampled_from(GROUPS), unique=True, max_size=5)
callers = st.lists(st.sampled_from(GROUPS + STRANGERS), max_size=6)
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)
globs = st.lists(
    st.sampled_from(["*", "**", "?", "a", "*.md", "finance", "leave", "b.*", "**a"]), min_size=1, max_size=4
)
rules = st.builds(Rule, match=globs.map("/".join), policy=st.sampled_from([*POLICIES, "not-there"]))
policies = st.dictionaries(
    st.sampled_from(POLICIES),
    st.builds(Policy, groups=st.lists(st.sampled_from(GROUPS + STRANGERS), max_size=4).map(tuple)),
)
files = st.builds(
    AccessPolicies,
    groups=groups.map(lambda names: dict.fromkeys(names, "")),
    policies=policies,
    documents=st.lists(rules, max_size=5).map(tuple),
)
thousands = settings(max_examples=5 * settings.default.max_examples, deadline=None)


@thousands
@given(files, callers, paths)
def test_a_document_is_readable_exactly_when_a_known_group_of_the_caller_is_listed(
    access: AccessPolicies, caller: list[str], doc_id: str
) -> None:
    policy_id = access.policy_of(doc_id)
    listed = set(access.policies[policy_id].groups) if policy_id else set()
    assert access.may_read(caller, policy_id) == bool(set(caller) & listed & set(access.groups))


@thousands
@given(files, st.lists(st.sampled_from(STRANGERS), max_size=5))
def test_unknown_groups_read_nothing(access: AccessPolicies, caller: list[str]) -> None:
    assert access.readable(caller) == frozenset()


@thousands
@given(files)
def test_a_caller_without_groups_reads_nothing_and_an_empty_audience_shares_nothing(access: AccessPolicies) -> None:
    assert access.readable([]) == frozenset() == access.readable_by_all([])


@thousands
@given(files, callers)
def test_no_policy_and_unknown_policies_are_denied(access: AccessPolicies, caller: list[str]) -> None:
    assert not access.may_read(caller, None)
    assert not access.may_read(caller, "not-there")
    assert not access.may_read(caller, "")


@thousands
@given(files, callers, st.sampled_from(GROUPS + STRANGERS))
def test_one_more_group_never_takes_a_permission_away(access: AccessPolicies, caller: list[str], group: str) -> None:
    assert access.readable(caller) <= access.readable([*caller, group])


@thousands
@given(files, callers)
def test_what_an_audience_shares_is_what_each_of_its_groups_reads(access: AccessPolicies, audience: list[str]) -> None:
    shared = access.readable_by_all(audience)
    each = [access.readable([group]) for group in audience]
    assert shared == (frozenset.intersection(*each) if each else frozenset())
    assert all(shared <= share for share in each)


@thousands
@given(files, callers, st.sampled_from(GROUPS + STRANGERS))
def test_a_larger_audience_never_shares_more(access: AccessPolicies, audience: list[str], group: str) -> None:
    if audience:
        assert access.readable_by_all([*audience, group]) <= access.readable_by_all(audience)


@thousands
@given(files, groups)
def test_an_audience_with_one_unknown_group_shares_nothing(access: AccessPolicies, audience: list[str]) -> None:
    assert access.readable_by_all([*audience, "everyone"]) == frozenset()


@thousands
@given(files, groups, st.sampled_from(POLICIES))
def test_taking_a_group_out_of_a_policy_denies_at_once(
    access: AccessPolicies, caller: list[str], policy_id: str
) -> None:
    access.readable(caller)
    left = Policy(groups=())
    changed = access.model_copy(update={"policies": {**access.policies, policy_id: left}})
    assert policy_id not in changed.readable(caller)
    assert changed.readable(caller) - {policy_id} == access.readable(caller) - {policy_id}


@thousands
@given(files, paths)
def test_the_first_rule_that_matches_decides_even_when_its_policy_does_not_exist(
    access: AccessPolicies, doc_id: str
) -> None:
    first = next((r.policy for r in access.documents if glob_pattern(r.match).fullmatch(doc_id)), None)
    assert access.policy_of(doc_id) == (first if first in access.policies else None)


@thousands
@given(files, paths, rules)
def test_a_rule_added_at_the_end_changes_no_document_that_had_a_rule(
    access: AccessPolicies, doc_id: str, rule: Rule
) -> None:
    longer = access.model_copy(update={"documents": (*access.documents, rule)})
    if any(glob_pattern(r.match).fullmatch(doc_id) for r in access.documents):
        assert longer.policy_of(doc_id) == access.policy_of(doc_id)


@thousands
@given(files, st.sampled_from(GROUPS))
def test_a_bare_string_is_not_a_list_of_groups(access: AccessPolicies, group: str) -> None:
    assert access.readable(group) == frozenset() == access.readable_by_all(group)


def test_group_claims_that_are_not_strings_count_for_nothing() -> None:
    access = AccessPolicies(groups={"1": ""}, policies={"p": Policy(groups=("1",))})
    assert access.readable([1, None, ["1"], {"1": 1}]) == frozenset()


def matches_by_parts(glob: list[str], path: list[str]) -> bool:
    """An independent statement of a glob whose parts are `**`, or names with `*` and `?`."""
    if not glob:
        return not path
    if glob[0] == "**":
        if len(glob) == 1:
            return bool(path)
        return any(matches_by_parts(glob[1:], path[n:]) for n in range(len(path)))
    return bool(path) and name_matches(glob[0], path[0]) and matches_by_parts(glob[1:], path[1:])


def name_matches(glob: str, name: str) -> bool:
    if not glob:
        return not name
    if glob[0] == "*":
        return any(name_matches(glob[1:], name[n:]) for n in range(len(name) + 1))
    return bool(name) and glob[0] in ("?", name[0]) and name_matches(glob[1:], name[1:])


parts = st.one_of(st.just("**"), st.text("ab*?.", min_size=1, max_size=4).filter(lambda p: "**" not in p))


@thousands
@given(
    st.lists(parts, min_size=1, max_size=4), st.lists(st.text("ab.\n", min_size=1, max_size=4), min_size=1, max_size=4)
)
def test_a_glob_matches_part_by_part(glob: list[str], path: list[str]) -> None:
    assert bool(glob_pattern("/".join(glob)).fullmatch("/".join(path))) == matches_by_parts(glob, path)


@thousands
@given(st.text("ab*?.[](){}|^$+\\-", max_size=8).filter(lambda g: "**" not in g), paths)
def test_one_star_and_a_question_mark_never_cross_a_slash(glob: str, path: str) -> None:
    assert not glob_pattern(glob).fullmatch(f"{path}/{path}")


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("finance/**", "finance/a/b.md", True),
        ("finance/**", "finance", False),
        ("finance/**", "finance-public/a.md", False),
        ("**/*.md", "a.md", True),
        ("**/*.md", "a/b/c.md", True),
        ("**/*.md", "a/b/c.mdx", False),
        ("a/**/b", "a/b", True),
        ("a/**/**/b", "a/x/y/b", True),
        ("finance**/secret", "financesecret", False),
        ("finance**/secret", "finance-x/y/secret", True),
        ("*.md", "a/b.md", False),
        ("a.md", "axmd", False),
        ("[ab].md", "a.md", False),
        ("a", "a\n", False),
    ],
)
def test_globs(glob: str, path: str, matches: bool) -> None:
    assert bool(glob_pattern(glob).fullmatch(path)) == matches


def test_many_double_stars_do_not_take_long() -> None:
    assert not glob_pattern("**/" * 40 + "x").fullmatch("a/" * 400 + "y")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("policies: {a: {groups: [x]}, a: {groups: [everyone]}}", "'a' stands twice"),
        ("groups: {}\ngroups: {x: y}", "'groups' stands twice"),
        ("policies: {a: {group: [x]}}", "policies.a.group"),
        ("documents: [{match: '', policy: a}]", "documents.0.match"),
        ("policies: [", "not valid YAML"),
        ("just text", "valid dictionary"),
        ("policies: {a: {groups: everyone}}", "policies.a.groups"),
    ],
)
def test_a_wrong_access_file_is_refused_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "access.yaml"
    path.write_text(text)
    with pytest.raises(AccessError) as refused:
        load_access(path)
    assert problem in str(refused.value)
    assert str(path) in str(refused.value)


def test_an_empty_access_file_lets_nobody_read_anything(tmp_path: Path) -> None:
    path = tmp_path / "access.yaml"
    path.write_text("")
    access = load_access(path)
    assert access.policy_of("a.md") is None
    assert not access.readable(GROUPS)


def test_a_missing_access_file_says_which(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match=r"gone\.yaml: cannot be read"):
        load_access(tmp_path / "gone.yaml")
