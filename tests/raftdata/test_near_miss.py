"""Near misses over a small collection: what is put in stands where the other stood, and nothing shown answers it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftops.raftdata.golden import Source
from raftops.raftdata.near_miss import Vocabulary, answering, near_misses, search_without
from raftops.retrieval.fusion import fuse
from raftops.retrieval.memory import MemoryRetriever
from raftops.spec.model.knowledge import Bm25
from raftops.spec.model.learning import Prompt
from tests.retrieval.tiny import passage

KINDS = {"norway": 0, "spain": 0, "italy": 0, "malta": 0, "cars": 1, "bikes": 1, "trains": 1}
TEXTS = {
    "norway.md": "Employees in Norway get 27 days of leave. It is 3 euros for cars.",
    "spain.md": "Employees in Spain get 22 days of leave. Ask the lead in Spain.",
    "italy.md": "The office in Italy opened in 2019. Nothing is paid for bikes.",
    "malta.md": "Lunch in Malta begins at noon. There is no plan for trains.",
    "cash.md": "Cash is counted on Fridays.",
}


class Kinds:
    """An embedder that knows two kinds of words: those of one kind are alike by 0.5."""

    name = "kinds"

    def tokens(self, text):
        return len(text.split())

    def embed(self, texts):
        rows = np.full((len(texts), 128), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().replace("?", "").replace(".", "").split():
                rows[row, 2 + hash_of(word)] += 1
                if word in KINDS:
                    rows[row, KINDS[word]] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def hash_of(word):
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(word)) % 126


class Library(MemoryRetriever):
    def tokens(self, text):
        return len(text.split())

    def document_text(self, doc_id, version):
        return TEXTS[doc_id]


SOURCES = {doc_id: Source(doc_id, "1", "", "", "everyone", text) for doc_id, text in TEXTS.items()}
QUESTION = "How many days of leave do employees in Norway get?"


@pytest.fixture(scope="module")
def library():
    passages = [passage(n, text, title="", doc_id=doc_id) for n, (doc_id, text) in enumerate(TEXTS.items())]
    return Library(passages, Kinds())


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.of(SOURCES, Kinds())


def made(vocabulary, question=QUESTION, quote=TEXTS["norway.md"], seed="7"):
    return {m.kind: m for m in near_misses(question, frozenset({"norway.md"}), [quote], vocabulary, seed)}


def test_a_place_becomes_one_that_stands_behind_the_same_word(vocabulary):
    seen = {made(vocabulary, seed=str(n))["name"].question for n in range(20)}
    assert seen == {QUESTION.replace("Norway", place) for place in ("Spain", "Italy", "Malta")}


def test_a_word_of_the_proof_becomes_another_of_its_kind(vocabulary):
    seen = {made(vocabulary, "What is paid for cars?", seed=str(n))["word"].new for n in range(20)}
    assert seen == {"bikes", "trains"}


def test_a_year_becomes_one_that_the_golden_document_does_not_write(vocabulary):
    miss = made(vocabulary, "How was leave in 2021?", "Leave in 2021")["year"]
    assert miss.old == "2021" and miss.new.isdigit() and miss.new != "2021"


def test_every_place_of_the_old_word_is_swapped(vocabulary):
    assert "Norway" not in made(vocabulary, f"{QUESTION} And who leads in Norway?")["name"].question


@given(st.integers(0, 10_000))
def test_the_same_seed_makes_the_same_question_and_no_golden_document_holds_the_new_word(seed):
    words = Vocabulary.of(SOURCES, Kinds())
    first = near_misses(QUESTION, frozenset({"norway.md"}), [TEXTS["norway.md"]], words, str(seed))
    assert first == near_misses(QUESTION, frozenset({"norway.md"}), [TEXTS["norway.md"]], words, str(seed))
    assert first and all(m.new.lower() not in TEXTS["norway.md"].lower() for m in first)


def test_a_document_that_answers_after_all_is_hidden_and_one_that_only_names_the_place_is_not(library, vocabulary):
    everyone, hidden = frozenset({"everyone"}), {}
    for seed in range(20):
        miss = made(vocabulary, seed=str(seed))["name"]
        hidden[miss.new] = answering(miss, library, everyone, vocabulary)
    assert hidden == {"Spain": {"spain.md"}, "Italy": frozenset(), "Malta": frozenset()}
    found = search_without(library, QUESTION, everyone, Prompt(passages=3), hidden["Spain"])
    assert len(found) == 3 and "spain.md" not in {hit.passage.doc_id for hit in found}


def test_a_hidden_document_leaves_no_trace_in_the_scores(library):
    rest = [passage(n, text, title="", doc_id=doc_id) for n, (doc_id, text) in enumerate(TEXTS.items())]
    without = MemoryRetriever([p for p in rest if p.doc_id != "norway.md"], Kinds(), bm25=Bm25(b=0))
    prompt, everyone = Prompt(passages=3, dense_share=1.0), frozenset({"everyone"})
    found = search_without(library, QUESTION, everyone, prompt, frozenset({"norway.md"}))
    there = fuse(*_sides(without, everyone), 1.0, 3)
    assert [(h.passage.doc_id, round(h.score, 5)) for h in found] == [
        (h.passage.doc_id, round(h.score, 5)) for h in there
    ]
    assert found[0].score == 1.0


def _sides(retriever, policies):
    hits = retriever.search(QUESTION, policies, 10)
    return {h.passage.passage_id: (h.passage, h.dense) for h in hits}, {}


def test_a_question_without_anything_to_swap_is_left_alone(vocabulary):
    assert made(vocabulary, "Why?") == {}
