from pathlib import Path

import numpy as np
import pytest
import yaml

from raftops.answer.form import cues, parted, topic
from raftops.answer.router import CLASSES, FEATURES, Router, calibrated, shipped
from raftops.data.records import Example
from raftops.spec.model.serving import Router as RouterSpec
from raftops.spec.model.serving import RouterClass

REQUESTS = yaml.safe_load((Path(__file__).parent / "requests.yaml").read_text(encoding="utf-8"))

WORDS = ("rewrite", "json", "leave", "travel", "email")


class WordEmbedder:
    name = "words"

    def embed(self, texts):
        rows = np.array([[t.lower().count(w) + 1e-3 for w in WORDS] for t in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def tokens(self, text):
        return len(text.split())


def router(**changes):
    classes = {
        "behaviour": RouterClass(questions=("rewrite this", "turn into json")),
        "knowledge": RouterClass(questions=("how much leave", "who books travel")),
        "both": RouterClass(questions=("email about leave", "json of my travel")),
    }
    return Router(RouterSpec(**classes | changes), WordEmbedder())


@pytest.mark.parametrize("half", ["dev", "held"])
@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_is_recalled_by_its_signs_alone(half, kind):
    """A hundred dimensions of nonsense for an embedder: what is measured is the signs; constant `knowledge` has 0."""
    decided = Router(RouterSpec(), WordEmbedder())
    names = [decided.decide(request).name for request in REQUESTS[half][kind]]
    assert names.count(kind) / len(names) >= 0.85, names


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ("Write SQL that lists all suppliers from Cork.", "behaviour"),
        ("as XML: order 12, two lamps", "behaviour"),
        ("Write a discharge summary.\nDoctor: How are you?\nPatient: Better.", "behaviour"),
        ("Draft an e-mail that says how many days of leave new staff get.", "both"),
        ("Who approves travel?", "knowledge"),
    ],
)
def test_what_was_sent_astray_before_reaches_its_class_without_any_question_in_the_spec(request_, name):
    assert Router(RouterSpec(), WordEmbedder()).decide(request_).name == name


def test_an_unclear_request_takes_the_fallback_and_says_so():
    route = router(margin=1.0, fallback="both").decide("rewrite")
    assert (route.name, route.fallback) == ("both", True)


def test_the_questions_of_the_spec_stand_beside_those_that_every_router_knows():
    bare = Router(RouterSpec(), WordEmbedder())
    for name in CLASSES:
        assert len(router().vectors[name]) == len(bare.vectors[name]) + 2


def test_weights_belong_to_their_signs():
    assert shipped().shape == (len(CLASSES), len(FEATURES))
    assert set(cues("Write this as JSON: a, b, c")) < set(FEATURES)


def example(number, kind, text, split):
    if kind == "behaviour":
        return Example(id=f"b{number}", kind=kind, question=text, answer="x", split=split)
    return Example(id=f"k{number}", kind=kind, question=text, unanswerable=True, split=split)


KNOWLEDGE = ["who books travel?", "how much leave do I get?", "when is leave due?", "is travel paid?"]
BEHAVIOUR = ["rewrite this: a b c d", "turn this into json: a b c", "rewrite this: e f g h", "as json: a b c d"]
EXAMPLES = [example(n, "knowledge", t, s) for n, t in enumerate(KNOWLEDGE) for s in ("train", "dev")][::1]
EXAMPLES += [example(n, "behaviour", t, s) for n, t in enumerate(BEHAVIOUR) for s in ("train", "dev")]


def test_calibration_takes_questions_of_the_train_split_and_a_margin_of_the_dev_split():
    grown = calibrated(RouterSpec(), EXAMPLES, WordEmbedder())
    assert set(grown.knowledge.questions) == set(KNOWLEDGE) and set(grown.behaviour.questions) == set(BEHAVIOUR)
    assert grown.margin is not None and not grown.both.questions


def test_a_margin_that_the_spec_sets_stays_and_the_test_split_is_not_read():
    assert calibrated(RouterSpec(margin=0.25), EXAMPLES, WordEmbedder()).margin == 0.25
    held = [example(9, "knowledge", "a secret of the test split?", "test")]
    assert calibrated(RouterSpec(), EXAMPLES + held, WordEmbedder()) == calibrated(
        RouterSpec(), EXAMPLES, WordEmbedder()
    )


def test_calibration_raises_the_recall_of_the_class_that_fares_worst():
    """Where doubtful requests of form would be sent to the documents, no margin is kept; else the fallback may help."""
    grown = calibrated(RouterSpec(fallback="knowledge"), EXAMPLES, WordEmbedder())
    routes = Router(grown, WordEmbedder())
    for kind, texts in (("knowledge", KNOWLEDGE), ("behaviour", BEHAVIOUR)):
        assert all((routes.decide(text).name == "behaviour") == (kind == "behaviour") for text in texts)


def test_the_split_that_is_calibrated_on_has_to_have_both_kinds():
    assert calibrated(RouterSpec(), EXAMPLES[:4], WordEmbedder()).margin is None


@pytest.mark.parametrize(
    ("request_", "about"),
    [
        ("Draft a short notice about the rules for visitors.", "the rules for visitors"),
        ("Answer as JSON: how many days of leave do trainees get?", "how many days of leave do trainees get?"),
        ("Who approves travel? Answer as XML.", "Who approves travel?"),
        ("Give me the notice periods as JSON.", "the notice periods"),
        ("Summarise our travel policy in three sentences.", "our travel policy"),
        ("Write an e-mail to Ann that says when payday is.", "when payday is"),
    ],
)
def test_what_is_searched_for_a_form_is_what_it_is_about(request_, about):
    assert topic(request_) == about


@pytest.mark.parametrize("request_", ["", "?", "as JSON", "write", ":", "\n", "Write a poem"])
def test_a_request_that_is_nothing_but_form_is_its_own_topic(request_):
    assert topic(request_) is not None and parted(request_)[1] == ""
    assert np.isfinite(list(cues(request_).values())).all()
