from raftops.answer.router import Route
from raftops.evaluation.routing import routed
from tests.evaluation.doubles import EXAMPLES


class Decides:
    def __init__(self, name):
        self.name = name

    def decide(self, request):
        return Route("behaviour" if "JSON" in request else self.name, 0.5, fallback=self.name == "both")


def test_knowledge_needs_documents_and_form_does_not():
    found = routed(Decides("knowledge"), EXAMPLES)
    assert found.confusion["behaviour"] == {"knowledge": 1, "both": 0, "behaviour": 1}
    assert found.confusion["unanswerable"]["knowledge"] == 2
    assert sum(found.right) == len(EXAMPLES) - 1


def test_both_fetches_evidence_and_so_is_right_for_knowledge():
    found = routed(Decides("both"), [e for e in EXAMPLES if e.kind == "knowledge"])
    assert set(found.right) == {1.0} and found.fallbacks == len(found.right)
