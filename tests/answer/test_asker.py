"""Claims of the token: a boost that says so, and never a permission."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.answer.asker import NOBODY, asker_of, assume, siblings
from raftops.retrieval.memory import MemoryRetriever
from raftops.spec.model.serving import BoostClaim, Identity
from tests.retrieval.tiny import HashEmbedder, passage

KINDS = Identity().boost_claims
SITES = {"country": BoostClaim(values={"DE": ("Germany", "Leipzig"), "IE": ("Ireland", "Cork")})}
LEAVE = "How long is parental leave?"


def about(number, place, policy="open"):
    text = f"Parental leave in {place} takes {number} weeks."
    return passage(number, text, policy, f"Parental leave in {place}", f"leave-{place.lower()}.md")


PLACES = ["Germany", "Ireland", "Portugal", "Canada"]
PASSAGES = [about(number, place) for number, place in enumerate(PLACES, 10)]
PASSAGES += [passage(1, "Gifts over 50 euros are given back.", "open", "Gifts", "gifts.md")]
PASSAGES += [about(90, "Norway", "secret")]
LIBRARY = MemoryRetriever(PASSAGES, HashEmbedder())
OPEN = frozenset({"open"})


def said(country):
    return asker_of({"country": country}, KINDS)


@pytest.mark.parametrize("country", PLACES)
def test_the_askers_own_country_is_found_where_the_question_leaves_it_open(country):
    assumed = assume(LEAVE, said(country), LIBRARY, OPEN)
    assert assumed.values == {"country": country}
    assert LIBRARY.search(assumed.question, OPEN, 1)[0].passage.title.endswith(country)
    untouched = {LIBRARY.search(LEAVE, OPEN, 1)[0].passage.title for _ in PLACES}
    assert len(untouched) == 1, "without the claim everybody gets the same"


@pytest.mark.parametrize("country", PLACES)
@pytest.mark.parametrize("named", PLACES)
def test_a_country_that_the_question_names_is_kept(country, named):
    asked = f"How long is parental leave in {named}?"
    assert assume(asked, said(country), LIBRARY, OPEN).question == asked


@pytest.mark.parametrize(
    "asked",
    [
        "How long is German parental leave?",  # an adjective
        "How long is parental leave in Norway?",  # one that the caller may not read
        "Which countries have parental leave?",  # the kind itself
        "Are gifts given back?",  # nothing that differs by country
        "How long is parental leave in Atlantis and in Canada?",
    ],
)
def test_a_question_that_is_not_open_is_left_as_it_is(asked):
    assert assume(asked, said("Ireland"), LIBRARY, OPEN) == replace(assume(asked, NOBODY, LIBRARY, OPEN))


def test_a_claim_is_known_by_code_name_or_site():
    for value in ("DE", "de", "Germany", "DEUTSCHLAND"):
        assert [claim.shown for claim in asker_of({"country": value}, KINDS).claims] == ["Germany"]
    assert [claim.shown for claim in asker_of({"country": "Leipzig"}, SITES).claims] == ["Germany"]
    here = asker_of({"country": "DE"}, SITES)
    assert assume("How long is parental leave in Cork?", here, LIBRARY, OPEN).values == {}
    assert "it" not in {name.lower() for name in asker_of({"country": "DE"}, KINDS).claims[0].others}, (
        "a code is no word"
    )


def test_values_that_no_table_knows_are_told_apart_by_their_titles():
    floors = [passage(n, f"Lockers of {name}: row {n}.", "open", f"Lockers for {name}", f"{n}.md") for n, name in
              enumerate(["Finance", "Research", "Sales"], 20)]  # fmt: skip
    library = MemoryRetriever(floors, HashEmbedder())
    asker = asker_of({"department": "Research"}, KINDS)
    assert siblings(floors, ("Research",)) == {"finance", "sales"}
    assert assume("Where are the lockers?", asker, library, OPEN).values == {"department": "Research"}
    assert assume("Where are the lockers of Sales?", asker, library, OPEN).values == {}


def test_a_country_without_a_document_is_not_assumed():
    assert assume(LEAVE, said("Japan"), LIBRARY, OPEN).values == {}
    assert assume(LEAVE, said("Norway"), LIBRARY, OPEN).values == {}, "its document is not theirs to read"


questions = st.sampled_from([LEAVE, "gifts?", "parental leave", "How long is it in Norway?", "weeks", "Norway"])
countries = st.sampled_from([*PLACES, "Norway", "NO", "Atlantis", "secret", "open"])
policies = st.frozensets(st.sampled_from(["open", "secret", "other"]))


@settings(max_examples=200, deadline=None)
@given(questions, countries, policies)
def test_a_claim_never_adds_a_passage_that_the_policies_forbid(question, country, may):
    assumed = assume(question, said(country), LIBRARY, may)
    for hit in LIBRARY.search(assumed.question, may, 20):
        assert hit.passage.policy_id in may
    visible = [p for p in PASSAGES if p.policy_id in may]
    alone = assume(question, said(country), MemoryRetriever(visible, HashEmbedder()), may)
    assert alone == assumed, "what is assumed does not depend on what the caller may not read"
