"""A claim that denies what its source says, or the other way round, is told apart, in several languages."""

import pytest

from raftops.answer.claims.polarity import flipped
from raftops.answer.claims.verdicts import misanswered, yes_or_no

FLIPPED = [
    ("english", "Employees may not take the laptop abroad.", "Employees may take the laptop abroad."),
    ("english", "Employees can't take the laptop abroad.", "Employees can take the laptop abroad."),
    ("english", "Visitors must register.", "Visitors may register."),
    ("english", "All visitors must register.", "Some visitors must register."),
    ("english", "Travel is allowed with a permit.", "Travel is forbidden with a permit."),
    ("english", "The leave is paid for two weeks.", "The leave is unpaid for two weeks."),
    ("english", "Registration closes before the event.", "Registration closes after the event."),
    ("english", "If you are ill, the office will call.", "The office will not call if you are ill."),
    ("german", "Mitarbeiter dürfen den Laptop nicht mitnehmen.", "Mitarbeiter dürfen den Laptop mitnehmen."),
    ("german", "Es gibt keine Gebühr für Gäste.", "Es gibt eine Gebühr für Gäste."),
    ("french", "Les salariés ne peuvent pas emporter le matériel.", "Les salariés peuvent emporter le matériel."),
    ("spanish", "Los empleados no pueden llevar el equipo.", "Los empleados pueden llevar el equipo."),
    ("italian", "I dipendenti non possono portare il computer.", "I dipendenti possono portare il computer."),
    ("dutch", "Medewerkers mogen de laptop niet meenemen.", "Medewerkers mogen de laptop meenemen."),
    ("portuguese", "Os funcionários não podem levar o computador.", "Os funcionários podem levar o computador."),
]


@pytest.mark.parametrize(("language", "source", "claim"), FLIPPED)
def test_a_flipped_claim_is_found_in_both_directions(language, source, claim):
    assert flipped(claim, source, language)
    assert flipped(source, claim, language)
    assert not flipped(source, source, language) and not flipped(claim, claim, language)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("Gifts may never be taken without approval.", "Only with approval."),
        ("No more than 3 guests are allowed.", "At most 3 guests are allowed."),
        ("The firm does not pay claims older than 90 days.", "Claims older than 90 days are not paid."),
        ("You cannot park here.", "You can't park here."),
        ("Snacks are free and are not deducted.", "Snacks are free."),
    ],
)
def test_the_same_in_other_words_is_not_flipped(source, claim):
    assert not flipped(claim, source, "english")


ABROAD = "May employees take the laptop abroad?"


@pytest.mark.parametrize(
    ("claim", "source", "wrong"),
    [
        ("Yes.", "Employees may not take the laptop abroad.", True),
        ("No.", "Employees may not take the laptop abroad.", False),
        ("Yes.", "Employees may take the laptop abroad.", False),
        ("No.", "Employees may take the laptop abroad.", True),
        ("No, employees may not take it.", "The laptop stays in the country.", False),
        ("Yes, it may never be taken abroad.", "The laptop may never be taken abroad.", True),
        ("Yes, but not to Russia.", "Employees may take the laptop abroad, but not to Russia.", False),
    ],
)
def test_yes_and_no_are_judged_against_the_question(claim, source, wrong):
    verdict, rest = yes_or_no(claim, "english")
    assert bool(misanswered(verdict, rest, source, ABROAD, "english")) == wrong


@pytest.mark.parametrize(
    ("language", "claim", "verdict"),
    [("english", "No employee may smoke.", ""), ("english", "No, it is.", "no"), ("german", "Ja, bis 17.", "yes"),
     ("german", "Nein.", "no"), ("french", "Oui, deux.", "yes"), ("english", "Yes it is.", "yes"), ("english", "", "")],
)  # fmt: skip
def test_only_an_answer_is_a_yes_or_a_no(language, claim, verdict):
    assert yes_or_no(claim, language)[0] == verdict
