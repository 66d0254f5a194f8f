"""The judgement: features by name, a probability that follows them, and a file that gives the same one back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftops.answer.judgement import Judgement, Shown, features, judgement_in, read_judgement
from raftops.errors import ModelError
from raftops.files import write_json

NORWAY = Shown("Leave in Norway: Employees in Norway get 27 days of leave.", "Leave in Norway", "a.md", 1.4, 2.0)
SPAIN = Shown("Leave in Spain: Employees in Spain get 22 days of leave.", "Leave in Spain", "b.md", 1.1, -1.0)
QUESTION = "How many days of leave do employees in Norway get?"


def judgement(**weights):
    ones = dict.fromkeys(weights, 1.0)
    return Judgement(weights, dict.fromkeys(weights, 0.0), ones, 0.0, 0.6)


def test_a_place_that_the_first_unit_lacks_is_seen():
    asked = features(QUESTION, [NORWAY, SPAIN])
    swapped = features(QUESTION, [SPAIN, NORWAY])
    assert (asked["names_missing_first"], swapped["names_missing_first"]) == (0, 1)
    assert asked["names_missing_all"] == swapped["names_missing_all"] == 0
    assert features(QUESTION, [SPAIN])["names_missing_all"] == 1
    assert asked["cover_first"] > swapped["cover_first"] and asked["cover_named"] == asked["cover_first"]


def test_a_number_that_no_unit_has_is_seen():
    assert features("Who gets 27 days?", [NORWAY])["numbers_missing_all"] == 0
    assert features("Who gets 99 days?", [NORWAY])["numbers_missing_all"] == 1


def test_scores_are_compared_with_the_best_of_them():
    found = features(QUESTION, [SPAIN, NORWAY])
    assert (found["score_first"], found["score_best"]) == (1.1, 1.4)
    assert found["score_second"] == pytest.approx(0.3) and found["rerank_best"] == 2.0
    plain = features(QUESTION, [Shown(NORWAY.line, NORWAY.heading, "a.md", 1.4)])
    assert not any(name.startswith("rerank") for name in plain)


def test_without_units_nothing_is_answerable():
    assert judgement(score_best=5.0).of(QUESTION, []) == 0.0
    assert features(QUESTION, [])["units"] == 0


def test_what_is_not_known_counts_as_on_average():
    made = Judgement({"rerank_best": 2.0}, {"rerank_best": 1.0}, {"rerank_best": 1.0}, 0.5, 0.5)
    unread = Shown(NORWAY.line, NORWAY.heading, "a.md", 1.4)
    average = Shown(NORWAY.line, NORWAY.heading, "a.md", 1.4, 1.0)
    assert made.of(QUESTION, [unread]) == made.of(QUESTION, [average])
    assert made.of(QUESTION, [NORWAY]) > made.of(QUESTION, [average]) > made.of(QUESTION, [SPAIN])


WORDS = st.text(alphabet="abc ABC 019 äÄ .,?", max_size=40)
UNITS = st.lists(
    st.builds(Shown, WORDS, WORDS, st.sampled_from("xyz"), st.floats(0, 2), st.none() | st.floats(-20, 20)), max_size=7
)


@given(WORDS, UNITS)
def test_any_question_has_finite_features_and_a_probability_that_a_file_keeps(tmp_path_factory, question, units):
    found = features(question, units)
    made = Judgement(found, dict.fromkeys(found, 0.5), dict.fromkeys(found, 2.0), -0.25, 0.4, about={"fitted_on": {}})
    path = tmp_path_factory.mktemp("judgement") / "evidence" / "judgement.json"
    write_json(path, made.as_json())
    again = judgement_in(path.parent)
    assert again == made and 0 <= made.of(question, units) <= 1
    assert again.of(question, units) == made.of(question, units)


def test_a_folder_without_one_has_none(tmp_path):
    assert judgement_in(tmp_path) is None


@pytest.mark.parametrize("damage", [{"format": 99}, {"bias": None, "extra": 1}, {"weights": {"other": 1.0}}])
def test_a_file_that_is_no_judgement_is_refused_with_a_next_step(tmp_path, damage):
    path = tmp_path / "judgement.json"
    path.write_text(json.dumps(judgement(score_best=1.0).as_json() | damage))
    with pytest.raises(ModelError, match="not a judgement"):
        read_judgement(path)
