"""BM25 vectors: the score is an inner product, terms are stemmed, ids are stable."""

import math
import sys
import threading

import pytest
import snowballstemmer

from raftops.errors import IndexUnusable, StepError
from raftops.retrieval.bm25 import EMPTY, LAST_ID, Bm25Encoder, check_language, dot, load_bm25, stem, term_ids, terms
from raftops.spec.model.knowledge import Bm25

TEXTS = ["The leave policy covers parental leave.", "Travel must be booked early.", "Policies on travelling", "!!! 。"]


@pytest.fixture
def bm25():
    encoder = Bm25Encoder(Bm25())
    encoder.count(TEXTS)
    return encoder


def test_terms_are_lower_case_stemmed_and_without_stop_words():
    assert terms("The Employees' policies aren’t TRAVELLING", "english") == ["employe", "polici", "aren't", "travel"]


def test_other_languages_have_their_own_stemmer_and_stop_words():
    assert terms("Die Häuser und die Reisekosten", "german") == ["haus", "reisekost"]
    assert terms("The policies", "none") == ["the", "policies"]


def test_the_inner_product_is_the_textbook_score(bm25):
    counts = [5, 4, 2, 0]
    mean = sum(counts) / 4
    assert (bm25.rows, bm25.length) == (4, sum(counts))
    idf = math.log(1 + (4 - 2 + 0.5) / 2.5)
    tf = 1 * 1.9 / (1 + 0.9 * (1 - 0.4 + 0.4 * 5 / mean))
    assert dot(bm25.query("policy"), bm25.document(TEXTS[0])) == pytest.approx(idf * tf)


def test_an_inflected_question_finds_the_word(bm25):
    assert dot(bm25.query("who travels?"), bm25.document(TEXTS[1])) > 0


def test_a_question_without_known_words_asks_for_nothing(bm25):
    assert bm25.query("zebra the") == {}


def test_a_text_without_words_has_a_vector_that_no_question_meets(bm25):
    assert bm25.document(TEXTS[3]) == {EMPTY: 1.0}


def test_ids_are_stable_and_within_what_milvus_takes():
    assert term_ids("leave", "none") == term_ids("LEAVE", "none") == [2556232203]
    assert all(EMPTY < i < LAST_ID for i in term_ids(" ".join(f"w{n}" for n in range(5000)), "none"))


def test_statistics_come_back_from_disk(bm25, tmp_path):
    bm25.save(tmp_path / "bm25.json")
    assert load_bm25(tmp_path / "bm25.json") == bm25
    with pytest.raises(IndexUnusable, match="missing"):
        load_bm25(tmp_path / "none.json")


def test_an_unknown_language_is_refused_with_the_known_ones():
    with pytest.raises(StepError, match="klingon") as caught:
        check_language("klingon")
    assert "english" in caught.value.next_step


ENDINGS = (
    "ional", "ization", "ations", "fulness", "ousness", "iveness", "alities", "ingly", "edly", "ements", "ability",
    "icate", "alize", "iciti", "ical", "ness", "ance", "ence", "able", "ible", "ment", "ism", "ate", "iti", "ous",
)  # fmt: skip


def test_threads_do_not_stem_each_others_words():
    """The stemmer keeps its word in itself: under load questions failed, and wrong stems stayed in the cache."""
    words = [f"{head}{tail}" for head in ("relat", "organiz", "hop", "national", "form") for tail in ENDINGS]
    wanted = {word: snowballstemmer.stemmer("english").stemWord(word) for word in words}
    found = [{} for _ in range(8)]
    together = threading.Barrier(len(found))

    def stems(number):
        together.wait()
        for word in [*words[number * 11 :], *words[: number * 11]]:  # each begins elsewhere: no word waits in the cache
            found[number][word] = stem(word, "english")

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(5):
            stem.cache_clear()
            threads = [threading.Thread(target=stems, args=(number,)) for number in range(len(found))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert all(got == wanted for got in found)
    finally:
        sys.setswitchinterval(before)
