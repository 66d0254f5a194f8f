"""The rules of docs/ARCHITECTURE.md on access, each over thousands of generated access files, callers and documents."""

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.access import AccessPolicies, Policy, Rule
from raftops.globs import matches

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
    first = next((r.policy for r in access.documents if matches(r.match, doc_id)), None)
    assert access.policy_of(doc_id) == (first if first in access.policies else None)


@thousands
@given(files, paths, rules)
def test_a_rule_added_at_the_end_changes_no_document_that_had_a_rule(
    access: AccessPolicies, doc_id: str, rule: Rule
) -> None:
    longer = access.model_copy(update={"documents": (*access.documents, rule)})
    if any(matches(r.match, doc_id) for r in access.documents):
        assert longer.policy_of(doc_id) == access.policy_of(doc_id)


@thousands
@given(files, st.sampled_from(GROUPS))
def test_a_bare_string_is_not_a_list_of_groups(access: AccessPolicies, group: str) -> None:
    assert access.readable(group) == frozenset() == access.readable_by_all(group)


def test_group_claims_that_are_not_strings_count_for_nothing() -> None:
    access = AccessPolicies(groups={"1": ""}, policies={"p": Policy(groups=("1",))})
    assert access.readable([1, None, ["1"], {"1": 1}]) == frozenset()


def test_names_compare_in_one_unicode_form_whatever_the_disk_the_file_and_the_token_keep() -> None:
    nfd = unicodedata.normalize("NFD", "Geschäftsführung")
    written = {"groups": {nfd: ""}, "policies": {"p": {"groups": ["Geschäftsführung"]}}}
    access = AccessPolicies.model_validate({**written, "documents": [{"match": "Geschäftsführung/**", "policy": "p"}]})
    assert access.policy_of(f"{nfd}/plan.md") == access.policy_of("Geschäftsführung/plan.md") == "p"
    assert access.readable([nfd]) == access.readable(["Geschäftsführung"]) == {"p"}


def test_a_name_with_a_letter_that_nobody_sees_has_no_policy() -> None:
    access = AccessPolicies.model_validate(
        {"groups": {"a": ""}, "policies": {"p": {"groups": ["a"]}}, "documents": [{"match": "**", "policy": "p"}]}
    )
    for letter in ("\u200b", "\u202e", "\u2066", "\ufeff", "\u00ad", "\u3164", "\U000e0041", "\ufe01"):
        assert access.policy_of(f"managers{letter}/x.md") is None, ascii(letter)
    assert access.policy_of("Gehälter/工资.md") == access.policy_of("👩\u200d💻 ✈\ufe0f.md") == "p"


@thousands
@given(files, st.lists(st.sampled_from([*POLICIES, "not-there"]), min_size=1, max_size=3), callers)
def test_whoever_reads_by_the_strictest_policy_reads_by_every_other(
    access: AccessPolicies, policy_ids: list[str], caller: list[str]
) -> None:
    if access.may_read(caller, access.strictest(policy_ids)):
        assert all(access.may_read(caller, policy_id) for policy_id in policy_ids)


def test_policies_of_which_none_is_within_the_other_and_no_policy_let_nobody_read() -> None:
    access = AccessPolicies.model_validate(
        {
            "groups": {"a": "", "b": ""},
            "policies": {"p": {"groups": ["a"]}, "q": {"groups": ["b"]}, "r": {"groups": ["a", "b"]}},
        }
    )
    assert (access.strictest(["p", "r"]), access.strictest(["p", "p"])) == ("p", "p")
    assert access.strictest(["p", "q"]) is access.strictest(["p", None]) is access.strictest([]) is None
