import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.evaluation.bootstrap import Sample


def sample(columns, strata=None, resamples=500, seed=3):
    n = len(next(iter(columns.values())))
    return Sample(columns, strata or ["q"] * n, resamples, seed)


def test_the_point_is_the_mean_of_the_questions_that_have_a_score():
    interval = sample({"x": [1.0, 0.0, None, 1.0]}).interval("x")
    assert (interval.value, interval.n) == (pytest.approx(2 / 3), 3)


def test_a_column_without_scores_has_no_interval():
    assert sample({"x": [None, None], "y": [1.0, 0.0]}).interval("x") is None


def test_a_95_percent_interval_covers_the_truth_about_95_times_in_100():
    generator, truth, covered = np.random.default_rng(11), 0.6, 0
    for trial in range(300):
        drawn = (generator.random(60) < truth).astype(float).tolist()
        interval = sample({"x": drawn}, resamples=400, seed=trial).interval("x")
        covered += interval.low <= truth <= interval.high
    assert 0.90 <= covered / 300 <= 0.98


def test_the_paired_interval_is_narrower_than_two_unpaired_ones_where_questions_differ_in_difficulty():
    generator = np.random.default_rng(5)
    hard = generator.random(200)
    worse, better = (hard > 0.5).astype(float), (hard > 0.4).astype(float)
    both = sample({"a": better.tolist(), "b": worse.tolist()})
    found, one, other = both.difference("a", "b"), both.interval("a"), both.interval("b")
    assert found.delta == pytest.approx((better - worse).mean())
    assert found.low > 0 and found.not_better < 0.01
    assert found.high - found.low < 0.7 * ((one.high - one.low) + (other.high - other.low)) / 2


def test_a_difference_of_nothing_is_not_called_better():
    found = sample({"a": [1.0, 0.0, 1.0], "b": [1.0, 0.0, 1.0]}).difference("a", "b")
    assert (found.delta, found.low, found.high, found.not_better) == (0, 0, 0, 1)


def test_strata_keep_their_size():
    both = sample({"kind": [1.0] * 3 + [0.0] * 7}, ["a"] * 3 + ["u"] * 7)
    assert (both.interval("kind").low, both.interval("kind").high) == (pytest.approx(0.3), pytest.approx(0.3))


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    column = {"x": [n**0.5 for n in range(40)]}
    assert sample(column, seed=1).interval("x") == sample(column, seed=1).interval("x")
    assert sample(column, seed=1).interval("x") != sample(column, seed=2).interval("x")


def test_f1_of_two_columns_has_the_point_of_their_means():
    both = sample({"p": [1.0, None, 0.0, 1.0], "r": [1.0, 0.0, 0.0, 1.0]})
    interval = both.harmonic("p", "r")
    assert interval.value == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))
    assert interval.low <= interval.value <= interval.high


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=20))
def test_an_interval_lies_within_the_scores_and_around_none_of_nothing(column):
    interval = sample({"x": column}, resamples=100).interval("x")
    given_scores = [v for v in column if v is not None]
    if not given_scores:
        assert interval is None
    else:
        assert min(given_scores) - 1e-9 <= interval.low <= interval.high <= max(given_scores) + 1e-9
