"""A built index is a Retriever, and keeps nothing from one caller to the next; a damaged one is refused."""

import json
import shutil
import subprocess
import sys

import pytest

from raftops.answer.evidence import rank_units, unit_texts
from raftops.errors import IndexUnusable
from raftops.retrieval.embedder import open_embedder
from raftops.retrieval.hybrid import open_index
from raftops.retrieval.memo import one_turn
from raftops.retrieval.memory import MemoryRetriever
from raftops.retrieval.scope import Scope
from tests.retrieval.contract import ALL, RetrieverContract
from tests.retrieval.tiny import corpus


class TestHybridRetriever(RetrieverContract):
    @pytest.fixture(scope="class")
    def retriever(self, built):
        with open_index(built, dense_share=0.5) as opened:
            yield opened

    def test_it_scores_as_the_exact_retriever_in_memory(self, retriever, built):
        exact = MemoryRetriever(corpus(), open_embedder(built / "embedder", "onnxruntime"), 0.5)
        for question in ("leave rule", "ask about the visa", "number 7"):
            left, right = retriever.search(question, ALL, 6), exact.search(question, ALL, 6)
            assert [h.score for h in left] == pytest.approx([h.score for h in right], abs=1e-4)
            assert [h.dense for h in left] == pytest.approx([h.dense for h in right], abs=1e-4)
            assert [h.sparse for h in left] == pytest.approx([h.sparse for h in right], abs=1e-4)

    def test_it_gives_the_text_of_a_document_in_one_version_only(self, retriever):
        first = corpus()[0]
        assert retriever.document_text(first.doc_id, first.version) == first.text
        with pytest.raises(IndexUnusable, match=r"no document doc0.md in version v9"):
            retriever.document_text(first.doc_id, "v9")

    @pytest.mark.slow
    def test_many_readers_open_one_index_at_once(self, retriever, built):
        code = "import sys; from pathlib import Path; from raftops.retrieval.hybrid import open_index\n"
        code += "with open_index(Path(sys.argv[1]), 0.5) as r: print(len(r.search('leave', frozenset({'policy0'}), 3)))"
        other = subprocess.run([sys.executable, "-c", code, str(built)], capture_output=True, text=True, timeout=120)
        assert other.stdout.strip() == "3", other.stderr
        with open_index(built, 0.5) as second:
            assert second.search("leave", ALL, 2) == retriever.search("leave", ALL, 2)


def test_a_moved_document_is_searched_by_where_it_is_now(built):
    with open_index(built, 0.5) as retriever:
        inside = retriever.search("leave", frozenset({"policy1"}), 1)[0].passage
        outside = retriever.search("leave", frozenset({"policy0"}), 1)[0].passage
        scope = Scope(frozenset({"policy1"}), frozenset({inside.doc_id}), frozenset({outside.doc_id}))
        vector = retriever.embedder.embed(["leave"])[0]
        found = {p.doc_id for p, _ in retriever._searched.by_vector(vector, scope, 50)}
        assert outside.doc_id in found and inside.doc_id not in found
        assert len(found) > 1


class Counting:
    """An embedder that notes what it computes."""

    def __init__(self, inner):
        self.inner, self.name, self.seen = inner, inner.name, []

    def tokens(self, text):
        return self.inner.tokens(text)

    def embed(self, texts):
        self.seen += texts
        return self.inner.embed(texts)


@pytest.fixture
def counted(built):
    counting = Counting(open_embedder(built / "embedder", "onnxruntime"))
    with open_index(built, 0.5, counting) as retriever:
        counting.seen.clear()
        yield retriever, counting.seen


def test_a_question_is_computed_again_for_the_next_caller(counted):
    retriever, seen = counted
    for policies in (frozenset({"policy0"}), frozenset({"policy1"}), frozenset({"policy0"})):
        with one_turn():
            hits = retriever.search("When does leave end?", policies, 3)
            rank_units("When does leave end?", hits, retriever.embedder)
    assert seen == ["When does leave end?"] * 3, "once a turn: units lie beside the index, and nothing else is kept"


def test_a_document_is_read_once_a_turn_and_again_in_the_next(counted, monkeypatch):
    retriever, _ = counted
    first, read = corpus()[0], []
    monkeypatch.setattr(retriever, "_read_text", lambda *document: read.append(document) or "text")
    for _ in range(2):
        with one_turn():
            assert {retriever.document_text(first.doc_id, first.version) for _ in range(3)} == {"text"}
    assert read == [(first.doc_id, first.version)] * 2


def test_a_question_that_is_a_sentence_of_the_index_is_computed_like_any_other(counted):
    """Whoever guesses a sentence of a hidden document must not learn by time that it stands there."""
    retriever, seen = counted
    [sentence, *_] = unit_texts(corpus()[0])
    retriever.search(sentence, frozenset({"policy1"}), 3)
    assert seen == [sentence]


def test_the_sentences_of_found_passages_are_read_and_not_computed(counted):
    retriever, seen = counted
    hits = retriever.search("leave", frozenset({"policy0"}), 3)
    seen.clear()
    rank_units("leave", hits, retriever.embedder)
    assert seen == ["leave"]


def test_reading_leaves_the_index_as_it_was_and_it_can_be_moved(built, tmp_path):
    moved = tmp_path / "elsewhere" / "index"
    shutil.copytree(built, moved)
    before = {p: p.read_bytes() for p in sorted(moved.rglob("*")) if p.is_file()}
    with open_index(moved, 0.5) as retriever:
        assert retriever.search("leave", ALL, 1)
    assert {p: p.read_bytes() for p in sorted(moved.rglob("*")) if p.is_file()} == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 99}, "14 passages stored, 99 expected"),
        ({"embedder": "other-onnxruntime"}, "built by other-onnxruntime, read by"),
        ({"dimension": 31}, "14 passages stored, 14 expected"),
        ({"uri": "http://127.0.0.1:1"}, "cannot be opened"),
    ],
)
def test_an_index_that_is_not_what_it_says_is_refused(built, tmp_path, change, message):
    copy = tmp_path / "index"
    shutil.copytree(built, copy)
    about = json.loads((copy / "index.json").read_text())
    (copy / "index.json").write_text(json.dumps({**about, **change}))
    with pytest.raises(IndexUnusable, match=message):
        open_index(copy, 0.5)


@pytest.mark.parametrize("missing", ["index.json", "bm25.json", "exact"])
def test_an_index_with_a_part_missing_is_refused(built, tmp_path, missing):
    copy = tmp_path / "index"
    shutil.copytree(built, copy, ignore=shutil.ignore_patterns(missing))
    with pytest.raises(IndexUnusable) as caught:
        open_index(copy, 0.5)
    assert caught.value.next_step == "run the index step again"
