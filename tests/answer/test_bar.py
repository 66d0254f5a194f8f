"""The bar of the checker, held without any data beside the repository: swapped claims over sentences written here.

The swaps are the generators of `benchmarks/_claim_swaps.py`; `python -m benchmarks.checker` holds the same bar over
handbooks and question sets that nobody here wrote.
"""

import random
from itertools import product

import pytest

from benchmarks._claim_swaps import SWAPS, Claim, restated
from raftops.answer.support import contradiction, supports, terms
from raftops.data.records import Locator, Unit

WHO = ("employee", "visitor", "contractor", "supervisor", "tenant")
PLACE = ("Norway", "Chile", "Utrecht", "Ghent", "Nairobi")
SENTENCES = [
    *(f"Every {who} in {place} must hand in the report within {n} days after the trip."
      for (who, place), n in zip(product(WHO, PLACE), range(3, 28), strict=True)),
    *(f"The cafeteria in {place} may not charge more than {n} euros for a warm meal."
      for place, n in zip(PLACE, (6, 8, 11, 14, 17), strict=True)),
    *(f"The {who} is paid at least {n} percent of the regular wage during a strike."
      for who, n in zip(WHO, (55, 60, 65, 70, 80), strict=True)),
    *(f"The storehouse in {place} closes at {n} pm and opens again on {day}day."
      for place, n, day in zip(PLACE, (4, 5, 6, 7, 8), ("Mon", "Tues", "Fri", "Sun", "Satur"), strict=True)),
    *(f"The {who} should keep all receipts until March {n}, 2024."
      for who, n in zip(WHO, (3, 9, 14, 20, 28), strict=True)),
    *(f"The {who} may borrow the projector for {n} weeks without a deposit."
      for who, n in zip(WHO, (2, 3, 4, 5, 6), strict=True)),
    *(f"Your {who} will send the invoice to Marta Olsen before June {n}."
      for who, n in zip(WHO, (2, 8, 12, 19, 23), strict=True)),
]  # fmt: skip


def unit(text):
    return Unit(1, text, "d", "v", "House rules", "", "all", 0, len(text), Locator(), 1.0)


TRUE = [Claim((unit(text),), "", said, "copy") for text in SENTENCES for said in (text, *restated(text))]
DRAW = random.Random(5)
FALSE = [
    (kind, swapped)
    for kind, swap in SWAPS.items() for claim in TRUE for _ in range(2)
    if (swapped := swap(claim, TRUE, DRAW)) and swapped.said != claim.said
]  # fmt: skip


def refused(claims, judge=supports):
    return sum(not judge(c.units, c.said, c.question) for c in claims) / len(claims)


def overlap(units, said, question):
    return len(terms(said) & terms(units[0].text)) >= 0.6 * len(terms(said))


def test_what_contradicts_its_evidence_is_refused_and_what_is_true_is_not():
    swapped = [claim for _, claim in FALSE]
    assert len(swapped) >= 400 and len(TRUE) >= 60
    assert refused(swapped) >= 0.95 and refused(TRUE) <= 0.05
    assert refused(swapped, overlap) < 0.5  # the words alone do not tell


@pytest.mark.parametrize(
    "kind", ["number", "sign", "unit of measure", "date", "polarity", "bound", "entity", "who does it"]
)
def test_each_kind_of_swap_is_refused(kind):
    claims = [claim for name, claim in FALSE if name == kind]
    assert len(claims) >= 10 and refused(claims) >= 0.9  # 0.95 in all: single kinds vary


def test_every_refusal_says_why():
    assert all(
        contradiction(c.units[0], c.said, c.question) for _, c in FALSE if not supports(c.units, c.said, c.question)
    )
