"""Choices of examples: what the caller may not read, and what is hidden, is never among the candidates."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftops.data.records import Evidence, Example
from raftops.raftdata.choices import Chooser, Known
from raftops.raftdata.golden import Source
from raftops.raftdata.near_miss import Vocabulary
from raftops.retrieval.memory import MemoryRetriever
from raftops.spec.model.learning import Prompt
from tests.raftdata.test_near_miss import QUESTION, TEXTS, Kinds
from tests.retrieval.tiny import passage

POLICIES = {"norway.md": "staff", "spain.md": "staff", "italy.md": "staff", "malta.md": "leads", "cash.md": "staff"}


class Library(MemoryRetriever):
    def tokens(self, text):
        return len(text.split())

    def document_text(self, doc_id, version):
        return TEXTS[doc_id]


SOURCES = {doc_id: Source(doc_id, "1", "", "", POLICIES[doc_id], text) for doc_id, text in TEXTS.items()}
QUOTE = "Employees in Norway get 27 days of leave."
EXAMPLE = Example(
    id="k1", kind="knowledge", question=QUESTION, answer="27 days.", split="train",
    evidence=(Evidence(doc_id="norway.md", quote=QUOTE),),
)  # fmt: skip
NOTHING = Example(id="u1", kind="knowledge", question="Is there a gym?", unanswerable=True, split="dev")


@pytest.fixture(scope="module")
def chooser():
    return made("staff")


def made(*policies, **prompt):
    pool = [passage(n, t, POLICIES[d], title="", doc_id=d) for n, (d, t) in enumerate(TEXTS.items())]
    readable = {name: one for name, one in SOURCES.items() if one.policy_id in policies}
    library = Library(pool, Kinds())
    return Chooser(library, Prompt(**prompt), frozenset(policies), Vocabulary.of(readable, Kinds()), 7)


def rows(chooser, example=EXAMPLE):
    return {row["kind"]: row for row in chooser.rows(Known.of(example, SOURCES))}


def test_an_example_is_asked_as_it_is_with_its_document_hidden_and_nearly_missed(chooser):
    found = rows(chooser)
    assert found.keys() == {"answerable", "hidden", "near_miss"}
    golden = [c for c in found["answerable"]["candidates"] if c["golden"]]
    assert [c["text"] for c in golden] == [f": {QUOTE}"] and golden[0]["doc_id"] == "norway.md"
    assert found["hidden"]["question"] == QUESTION != found["near_miss"]["question"]
    assert {row["split"] for row in found.values()} == {"train"}
    assert all(row["documents"] == ["norway.md"] for row in found.values())


def test_nothing_answers_a_question_without_its_documents(chooser):
    found = rows(chooser)
    assert not any(c["golden"] for kind in ("hidden", "near_miss") for c in found[kind]["candidates"])
    assert found["hidden"]["candidates"] and "norway.md" not in {c["doc_id"] for c in found["hidden"]["candidates"]}


def test_an_unanswerable_example_keeps_its_split(chooser):
    (row,) = chooser.rows(Known.of(NOTHING, SOURCES))
    assert (row["kind"], row["split"], row["documents"]) == ("unanswerable", "dev", [])


@given(st.sets(st.sampled_from(["staff", "leads"]), min_size=1), st.integers(1, 4))
def test_no_candidate_is_of_a_policy_that_the_caller_has_not(policies, passages):
    readable = {doc_id for doc_id, policy in POLICIES.items() if policy in policies}
    if "norway.md" in readable:
        for row in made(*policies, passages=passages).rows(Known.of(EXAMPLE, SOURCES)):
            assert {c["doc_id"] for c in row["candidates"]} <= readable
            assert "leads" in policies or "Malta" not in json.dumps(row)


def test_no_text_stands_twice_and_the_best_stands_first(chooser):
    for row in rows(chooser).values():
        texts = [c["text"] for c in row["candidates"]]
        scores = [c["signals"][0] + 0.4 * c["signals"][1] + 0.3 * c["signals"][2] for c in row["candidates"]]
        assert len(set(texts)) == len(texts) and scores == sorted(scores, reverse=True)


def test_rows_are_the_same_each_time_and_kept_whole_between_runs(chooser, tmp_path):
    first = chooser.all_rows([EXAMPLE, NOTHING], SOURCES, tmp_path, ["index"])
    assert [json.loads(json.dumps(row)) for row in first] == first
    (kept,) = tmp_path.glob("choices-*.jsonl")
    whole = kept.read_text()
    kept.write_text(whole[: len(whole) - 20])
    assert chooser.all_rows([EXAMPLE, NOTHING], SOURCES, tmp_path, ["index"]) == first
    assert kept.read_text() == whole


def test_a_golden_unit_that_the_search_missed_stands_last_and_is_named_as_missed():
    found = rows(made("staff", candidates=1))["answerable"]["candidates"]
    outside = rows(made("staff", passages=1, dense_share=0.0))["answerable"]["candidates"]
    assert sum(c["golden"] is True for c in found) == 1
    assert all(c.get("found", True) or c["golden"] for c in [*found, *outside])
