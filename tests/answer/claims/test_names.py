"""Names and places of a claim stand in its source; a source about another country is told."""

import pytest

from raftops.answer.claims.names import elsewhere, strange


@pytest.mark.parametrize(
    ("claim", "source", "name"),
    [
        ("The fee in Spain is 9 euros.", "The fee is 9 euros in Italy.", "Spain"),
        ("The Spanish fee is 9 euros.", "The fee in Spain is 9 euros.", ""),
        ("Ask Orla Keane for approval.", "Ask Orla Byrne for approval.", "Keane"),
        ("Ask the NDA team.", "The non-disclosure agreement team is there.", ""),
        ("Portugal's limit is 5.", "In Portugal the limit is 5.", ""),
        ("On Monday the office opens.", "The office opens on Monday.", ""),
    ],
)
def test_a_name_must_stand_in_the_source(claim, source, name):
    assert strange(claim, source, "english") == name


def test_german_nouns_are_no_names_but_places_are():
    source = "Die Gebühr beträgt in Italien 9 Euro."
    assert strange("Die Höhe der Gebühr in Spanien ist 9 Euro.", source, "german") == "Spanien"
    assert not strange("Die Höhe der Gebühr beträgt 9 Euro.", source, "german")


def test_a_pronoun_may_stand_for_a_name_beside_it_but_for_no_country():
    assert not strange("The poet Anna Kern was born here.", "She was born here.", "english", "Anna Kern is a poet.")
    assert strange("It is free in Spain.", "It is free.", "english", "Spain is large.") == "Spain"


def test_a_source_about_another_country_is_told():
    assert elsewhere("What is the fee in Spain?", "The Italian fee is 9 euros.", "english") == "Italy"
    assert not elsewhere("What is the fee in Cork?", "The Irish fee is 9 euros.", "english")
    assert not elsewhere("What is the fee in Spain?", "The fee is 9 euros in Italy and Spain.", "english")
