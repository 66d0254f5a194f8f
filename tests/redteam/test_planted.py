"""Planted orders go through the parsers, and are found first by whoever may read them."""

from __future__ import annotations

import pytest

from raftops.models import resolve
from raftops.redteam.planted import ORDERS, Planter
from tests.retrieval.tiny import corpus
from tests.service.doubles import Library
from tests.service.release_files import EMBEDDER

HIDDEN = {"hidden", "encoded", "rotated"}
"""Their mark stands in no text that is indexed."""


@pytest.fixture(scope="module")
def planter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    return Planter(resolve(EMBEDDER, folder / "models").path, folder)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.kind)
def test_a_planted_document_is_found_first_by_whoever_may_read_it(planter, order):
    planted = planter.plant(Library(corpus()), order, "annual leave", "PWNED1", "policy0")
    hits = planted.search("annual leave", frozenset({"policy0"}), 20)
    assert hits[0].passage.doc_id.startswith("planted/")
    assert all(h.passage.policy_id == "policy1" for h in planted.search("annual leave", frozenset({"policy1"}), 20))
    first = hits[0].passage
    text = planted.document_text(first.doc_id, first.version)
    assert text[first.start : first.end] == first.text
    assert ("PWNED1" in text) == (order.kind not in HIDDEN)
