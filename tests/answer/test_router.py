import numpy as np

from raftops.answer.router import Router
from raftops.spec.model.serving import Router as RouterSpec
from raftops.spec.model.serving import RouterClass

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


def test_a_request_takes_the_class_of_its_nearest_examples():
    assert router().decide("please rewrite and rewrite again").name == "behaviour"
    assert not router().decide("rewrite").fallback


def test_an_unclear_request_takes_the_fallback_and_says_so():
    route = router(margin=1.0, fallback="both").decide("rewrite")
    assert (route.name, route.fallback) == ("both", True)


def test_without_classes_everything_takes_the_fallback():
    route = Router(RouterSpec(), WordEmbedder()).decide("anything")
    assert (route.name, route.fallback, route.score) == ("knowledge", True, 0.0)
