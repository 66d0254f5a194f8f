"""Fitting on questions that are made up: what separates them is found, what was not seen chooses the threshold."""

from dataclasses import replace

import pytest

from raftops.answer.judgement import Shown
from raftops.training.judgement import Asked, asked, choose_threshold, fit, gain, measure


def question(number, kind, score, split="train", first=True):
    shown = (Shown(f"Rule {number}: the rule says {number}.", "Rule", f"d{number}", score, score),)
    name = f"q{number}-{kind}"
    return Asked(name, split, kind, f"What does rule {number} say?", (f"d{number}",), shown, first)


def questions(split="train", start=0, count=40):
    out = []
    for n in range(start, start + count):
        out.append(question(n, "answerable", 1.2 + n % 7 / 10, split))
        out.append(question(n, "hidden", 0.2 + n % 7 / 10, split))
        out.append(question(n, "near_miss", 0.5 + n % 7 / 10, split))
    return out


def test_what_separates_the_kinds_is_found_and_dev_is_measured_with_unseen_questions():
    made = fit([*questions(), *questions("dev", 100)])
    judged = [(q, made.of(q.question, q.shown)) for q in questions("dev", 100)]
    figures = measure(judged, made.threshold)
    assert figures["hidden_auc"] > 0.99 and figures["over_refusal"] <= 0.05 and figures["hidden_declined"] >= 0.95
    assert made.about["fitted_on"] == {"answerable": 40, "hidden": 40, "near_miss": 40, "unanswerable": 0}
    assert made.about["threshold_by"] == "dev and cross-validation on train"


def test_the_same_questions_give_the_same_judgement():
    assert fit(questions()).as_json() == fit(questions()).as_json()


def test_of_named_features_alone_it_is_made_of_those():
    few = fit(questions(), only=("score_first", "score_last"))
    assert set(few.weights) == {"score_first", "score_last"} < set(fit(questions()).weights)


def test_each_collection_counts_alike():
    many = [replace(q, collection="large") for q in questions(count=200)]
    turned = [
        replace(question(n, kind, score), collection="small")
        for n in range(20) for kind, score in (("answerable", 0.3), ("hidden", 1.8))
    ]  # fmt: skip
    made = fit([*many, *turned], only=("score_first",))
    assert abs(made.weights["score_first"]) < 0.5 < fit(many, only=("score_first",)).weights["score_first"]


def test_the_threshold_is_where_right_less_wrong_is_most():
    judged = [
        (question(1, "answerable", 1.0), 0.9), (question(2, "answerable", 1.0), 0.7), (question(3, "hidden", 1.0), 0.5),
        (question(4, "answerable", 1.0, first=False), 0.3), (question(5, "hidden", 1.0), 0.2),
    ]  # fmt: skip
    threshold, gained = choose_threshold(judged)
    assert threshold == pytest.approx(0.6) and gained == pytest.approx(2 / 3) == pytest.approx(gain(judged, threshold))
    assert gain(judged, 0.0) < gained and gain(judged, 1.0) == 0.0


def test_a_judgement_that_is_always_wrong_answers_nothing():
    other = question(2, "answerable", 1.0, first=False)
    assert choose_threshold([(question(1, "hidden", 1.0), 0.9), (other, 0.1)]) == (1.0, 0.0)


def candidate(text, score, golden=False, tokens=10, **more):
    signals, doc_id = [score, 0.0, 0.0], text.split()[0]
    return {
        "text": text,
        "heading": "H",
        "doc_id": doc_id,
        "signals": signals,
        "tokens": tokens,
        "golden": golden,
    } | more


def test_rows_become_the_units_that_a_prompt_would_show():
    row = {
        "id": "k", "split": "train", "kind": "answerable", "question": "Q?", "documents": ["c"],
        "candidates": [
            candidate("a one", 0.9), candidate("b long", 0.8, tokens=90), candidate("c two", 0.7, True),
            candidate("d three", 0.6), candidate("e missed", 0.0, True, found=False),
        ],
    }  # fmt: skip
    (plain,) = asked([row], units=2, tokens=50)
    assert [unit.line for unit in plain.shown] == ["a one", "c two"] and not plain.first

    def rank(question, texts, scores):
        return [float(text.startswith("c")) for text in texts], [
            3.0 if text.startswith("c") else None for text in texts
        ]

    (ranked,) = asked([row], 2, 50, rank)
    assert [(unit.line, unit.rerank) for unit in ranked.shown] == [("c two", 3.0), ("a one", None)] and ranked.first
