"""The coverage-risk curve, by hand and for any pairs."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftops.evaluation.coverage import curve, mean_risk, standing, summary

FOUR = [(0.9, True), (0.8, False), (0.6, True), (0.1, False)]
PAIRS = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), st.booleans()), min_size=1, max_size=30)


def test_the_curve_counts_right_and_wrong_of_all_questions():
    rows = [(p.threshold, p.coverage, p.right, p.wrong) for p in curve(FOUR)]
    assert rows == [(0.9, 0.25, 0.25, 0.0), (0.8, 0.5, 0.25, 0.25), (0.6, 0.75, 0.5, 0.25), (0.1, 1.0, 0.5, 0.5)]
    assert [round(p.risk, 3) for p in curve(FOUR)] == [0.0, 0.5, 0.333, 0.5]


def test_questions_of_one_probability_are_answered_together():
    assert [p.coverage for p in curve([(0.5, True), (0.5, False), (0.4, True)])] == [2 / 3, 1.0]


def test_mean_risk_of_an_order_by_hand():
    assert mean_risk(FOUR) == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    assert mean_risk([(0.5, True), (0.5, False)]) == 0.5


@given(PAIRS)
def test_each_point_is_where_its_threshold_stands_and_the_last_answers_all(pairs):
    points = curve(pairs)
    assert points == [standing(pairs, point.threshold) for point in points]
    assert points[-1].coverage == 1 and points[-1].right + points[-1].wrong == pytest.approx(1)
    assert all(a.coverage < b.coverage and a.threshold > b.threshold for a, b in zip(points, points[1:], strict=False))


@given(PAIRS, st.floats(0, 1))
def test_what_is_shown_stands_between_no_judgement_and_a_perfect_one(pairs, threshold):
    shown = json.loads(json.dumps(summary(pairs, threshold)))
    perfect = [(float(right), right) for _, right in pairs]
    assert mean_risk(perfect) <= mean_risk(pairs) + 1e-9
    assert shown["mean_risk_perfect"] <= shown["mean_risk_by_lot"] + 1e-4
    assert shown["always"]["coverage"] == 1 and shown["release"]["coverage"] <= 1
    assert mean_risk([(0.5, right) for _, right in pairs]) == pytest.approx(shown["mean_risk_by_lot"], abs=1e-4)
