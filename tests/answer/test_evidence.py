"""Evidence units: the best sentences of the retrieved passages, exact, numbered, within the budget."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.answer.evidence import LEAST_WORDS, select_units
from raftops.answer.prompt import evidence_block
from raftops.data.records import Hit, Locator, Span
from raftops.spec.model.learning import Prompt
from tests.retrieval.tiny import HashEmbedder, passage

LEAVE = passage(1, "The office has plants. Parental leave lasts 26 weeks. Ask Anna about plants.", headings=("Family",))
TRAVEL = passage(2, "Flights are booked by the desk. Parental visits by train are paid. Hotels cost 120.")


def words(text):
    return len(text.split())


def chosen(question, hits, **prompt):
    return select_units(question, hits, HashEmbedder(), Prompt(**prompt), words)


def test_the_sentence_that_answers_comes_first_and_is_number_one():
    units = chosen("How many weeks of parental leave?", [Hit(TRAVEL, 1.0), Hit(LEAVE, 0.8)])
    assert (units[0].number, units[0].text) == (1, "Parental leave lasts 26 weeks.")
    assert [u.number for u in units] == [1, 2, 3, 4, 5]
    assert [u.score for u in units] == sorted((u.score for u in units), reverse=True)


def test_a_unit_is_the_text_at_its_place_in_the_document():
    document = "Front matter. " + LEAVE.text
    moved = replace(
        LEAVE,
        start=14,
        end=14 + LEAVE.end,
        spans=tuple(Span(s.start + 14, s.end + 14, s.locator) for s in LEAVE.spans),
    )
    units = chosen("parental leave", [Hit(moved, 1.0)])
    assert len(units) == 3
    for unit in units:
        assert document[unit.start : unit.end] == unit.text
        assert (unit.doc_id, unit.version, unit.policy_id, unit.passage_id) == ("doc1.md", "v1", "everyone", "p001")
        assert unit.locator.headings == ("Family",)


def test_at_most_so_many_units():
    assert len(chosen("leave", [Hit(LEAVE, 1.0), Hit(TRAVEL, 0.5)], units=2)) == 2


def test_the_budget_holds_and_a_smaller_unit_takes_the_place_of_one_too_long():
    long = passage(3, "Parental leave " + "parental leave " * 40 + "ends. Leave is paid in full.")
    units = chosen("parental leave", [Hit(long, 1.0)], evidence_tokens=32)
    assert [u.text for u in units] == ["Leave is paid in full."]
    assert words(evidence_block(units)) <= 32


def test_what_reads_the_same_is_shown_once_and_what_only_differs_in_heading_twice():
    text = "Leave is 20 days a year."
    twins = [Hit(passage(n, text, title="Germany"), 1.0) for n in (1, 2)]
    assert len(chosen("leave days", [*twins, Hit(passage(3, text, title="Ireland"), 0.5)])) == 2


def test_a_very_short_span_never_stands_alone():
    short = passage(4, "Note. Leave is paid in full. Bring ID. Yes.")
    texts = [u.text for u in chosen("note yes leave id", [Hit(short, 1.0)])]
    assert sorted(texts) == ["Bring ID. Yes.", "Note. Leave is paid in full."]


def test_a_passage_without_spans_is_one_unit():
    assert [u.text for u in chosen("leave", [Hit(replace(LEAVE, spans=()), 1.0)])] == [LEAVE.text]


def test_whole_passages_come_in_the_order_of_retrieval():
    units = chosen("leave", [Hit(TRAVEL, 0.9), Hit(LEAVE, 0.8)], evidence="passages")
    assert [(u.number, u.text) for u in units] == [(1, TRAVEL.text), (2, LEAVE.text)]


@pytest.mark.parametrize("evidence", ["units", "passages"])
def test_no_hits_give_no_units(evidence):
    assert chosen("leave", [], evidence=evidence) == []


def test_all_candidates_are_embedded_in_one_batch_and_the_question_alone():
    class Counting(HashEmbedder):
        def embed(self, texts):
            sizes.append(len(texts))
            return super().embed(texts)

    sizes = []
    select_units("leave", [Hit(LEAVE, 1.0), Hit(TRAVEL, 0.9)], Counting(), Prompt(), words)
    assert sizes[0] == 1 and sizes[1] > 2 and len(sizes) == 2


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=8), min_size=0, max_size=4),
    limit=st.integers(1, 8),
    budget=st.integers(32, 120),
    evidence=st.sampled_from(["units", "passages"]),
)
def test_number_budget_and_place_hold_for_any_passages(sizes, limit, budget, evidence):
    hits = []
    for n, lengths in enumerate(sizes):
        sentences = [" ".join(f"w{(n * 7 + i * 3 + j) % 19}" for j in range(size)) for i, size in enumerate(lengths)]
        spans, start = [], 100
        for sentence in sentences:
            spans.append(Span(start, start + len(sentence), Locator()))
            start += len(sentence) + 1
        text = " ".join(sentences)
        p = replace(passage(n, text), start=100, end=100 + len(text), spans=tuple(spans))
        hits.append(Hit(p, 1 / (n + 1)))
    units = chosen("w1 w2 w3", hits, units=limit, evidence_tokens=budget, evidence=evidence)
    by_id = {h.passage.passage_id: h.passage for h in hits}
    assert [u.number for u in units] == list(range(1, len(units) + 1)) and len(units) <= limit
    assert not units or words(evidence_block(units)) <= budget
    for unit in units:
        whole = by_id[unit.passage_id]
        assert whole.text[unit.start - 100 : unit.end - 100] == unit.text
        assert words(unit.text) >= LEAST_WORDS or unit.text == whole.text
