"""Which passages a scope admits, in Python and as Milvus' filter."""

from __future__ import annotations

from raftops.retrieval.scope import Scope, policy_key


def test_nothing_is_admitted_by_an_empty_scope():
    assert not Scope()
    assert not Scope(without=frozenset({"a.md"}))
    assert not Scope().admits("a.md", "staff")


def test_a_document_that_left_is_hidden_and_one_that_came_is_shown():
    scope = Scope(frozenset({"staff"}), frozenset({"left.md"}), frozenset({"came.md"}))
    assert scope.admits("stays.md", "staff")
    assert not scope.admits("left.md", "staff")
    assert scope.admits("came.md", "managers")
    assert not scope.admits("other.md", "managers")


def test_names_of_documents_cannot_change_the_filter():
    scope = Scope(frozenset({"staff"}), frozenset({'a"] or true or doc_id in ["'}))
    staff = policy_key("staff")
    assert scope.expression() == f'(policy_key in ["{staff}"] and doc_id not in ["a\\"] or true or doc_id in [\\""])'
