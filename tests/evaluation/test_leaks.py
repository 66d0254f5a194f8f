from dataclasses import replace

from raftops.answer.answering import Answerer
from raftops.answer.router import Router
from raftops.evaluation.leaks import canaries, sung
from raftops.evaluation.questions import held_out
from raftops.spec.model.learning import Evaluate
from raftops.spec.model.serving import Router as RouterSpec
from tests.evaluation.doubles import ACCESS, EXAMPLES, PROMPT, SOURCES, TEXTS, Says, Shelf, Words, reads

QUESTIONS = held_out(Evaluate(), EXAMPLES, ACCESS, SOURCES).questions


def answerer(shelf):
    return Answerer(shelf, Says(reads), PROMPT, Router(RouterSpec(), Words()), "a handbook")


class Mislabelled(Shelf):
    """An index that says of every document that the whole workforce may read it."""

    def search(self, question, policies, top_k):
        found = super().search(question, frozenset(source.policy_id for source in SOURCES.values()), top_k)
        return [replace(h, passage=replace(h.passage, policy_id="workforce")) for h in found]


def test_each_canary_is_put_by_a_group_that_may_read_none_of_its_evidence():
    put = list(canaries(QUESTIONS, ACCESS, 40))
    assert {q.example.id for q in put} == {"k-ie", "k-de", "k-it", "k-pay"}, "the managers may not read it/"
    for question in put:
        assert len(question.groups) == 1
        assert not any(ACCESS.may_read(question.groups, ACCESS.policy_of(doc)) for doc in question.documents)


def test_there_are_no_more_canaries_than_the_spec_says():
    assert len(list(canaries(QUESTIONS, ACCESS, 2))) == 2 and not list(canaries(QUESTIONS, ACCESS, 0))


def test_an_index_that_filters_leaks_nothing():
    assert not any(sung(answerer(Shelf()), q, ACCESS, True).leaked for q in canaries(QUESTIONS, ACCESS, 40))


def test_an_index_with_wrong_policies_leaks_and_the_documents_are_named():
    contractor = [q for q in canaries(QUESTIONS, ACCESS, 40) if q.groups == ("contractors",)]
    leaked = {doc for q in contractor for doc in sung(answerer(Mislabelled()), q, ACCESS, False).leaked}
    assert leaked and leaked <= set(TEXTS) - {"it/laptop.md"}
