import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftops.data.records import Locator, Unit
from raftops.raftdata.golden import Proof
from raftops.raftdata.order import Shown, arranged, golden_first
from raftops.spec.model.learning import Augment

PROOF = Proof("a.md", 0, 5, "gold.")


def shown(name, golden_at, count=5, **more):
    """Units of which the one at `golden_at` (from 1; 0 for none) is golden."""
    made = [
        Unit(n, "gold." if n == golden_at else f"no {n}", "a.md" if n == golden_at else f"{n}.md", "v", "", "", "all",
             0, 5, Locator(), 1.0)
        for n in range(1, count + 1)
    ]  # fmt: skip
    return Shown(name, tuple(made), (PROOF,) if golden_at else (), **more)


def served(first=78, others=22):
    """As a retriever serves them: mostly the golden one first."""
    return [shown(f"e{n}", 1) for n in range(first)] + [shown(f"f{n}", 3) for n in range(others)]


@pytest.mark.parametrize("config", [{}, {"shuffle": 0}, {"shuffle": 1}, {"golden_first": 0.1}, {"golden_first": 0}])
def test_golden_first_is_capped_over_all_conversations(config):
    config = Augment(**config)
    before, after = served(), arranged(served(), config)
    assert golden_first(before) == 0.78 and golden_first(after) <= config.golden_first
    assert [set(u.text for u in s.units) for s in after] == [set(u.text for u in s.units) for s in before]


def test_without_shuffle_and_cap_all_stands_as_served():
    config = Augment(shuffle=0, golden_first=1)
    assert arranged(served(), config) == served()


def test_half_keep_the_order_served_and_the_golden_unit_gets_to_every_place():
    after = arranged(served(), Augment(golden_first=1))
    kept = sum(a.units == b.units for a, b in zip(after, served(), strict=True))
    assert 35 <= kept <= 65  # binomial, n = 100: beyond 3 standard deviations
    assert {number for one in arranged(served(), Augment(shuffle=1)) for number in one.golden} == {1, 2, 3, 4, 5}


def test_a_choice_has_an_order_of_its_own_whatever_the_share():
    choices = [shown(f"e{n}#rank", 1, always=True) for n in range(60)]
    after = arranged(choices, Augment(shuffle=0, golden_first=1))
    assert golden_first(after) < 0.45 and {n for one in after for n in one.golden} == {1, 2, 3, 4, 5}


def test_one_that_shows_nothing_else_stays_as_it_is():
    alone = [shown(f"e{n}", 1, count=1) for n in range(3)]
    assert arranged(alone, Augment()) == alone


def test_the_order_goes_with_the_seed():
    assert arranged(served(), Augment()) == arranged(served(), Augment())
    assert arranged(served(), Augment()) != arranged(served(), Augment(seed=8))


@given(st.lists(st.integers(0, 5), max_size=30), st.floats(0, 1), st.floats(0, 1), st.integers(0, 9))
def test_no_unit_is_lost_and_numbers_run_from_one(places, shuffle, cap, seed):
    before = [shown(f"e{n}", place) for n, place in enumerate(places)]
    after = arranged(before, Augment(shuffle=shuffle, golden_first=cap, seed=seed))
    assert golden_first(after) <= cap
    for a, b in zip(after, before, strict=True):
        assert [u.number for u in a.units] == [1, 2, 3, 4, 5] and {u.text for u in a.units} == {u.text for u in b.units}
        assert len(a.golden) == len(b.golden)
