"""The exact index: what it answers hangs on readable passages alone, and nothing of ours listens while it answers."""

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raftops.errors import IndexUnusable
from raftops.retrieval.exact import Postings, in_memory
from raftops.retrieval.exact_files import open_exact_index
from raftops.retrieval.hybrid import open_index
from raftops.retrieval.memory import MemoryRetriever
from raftops.retrieval.rows import searched_text
from raftops.retrieval.scope import Scope
from raftops.spec.model.knowledge import Bm25, Index
from raftops.spec.model.platform import Milvus
from raftops.steps.index import index
from tests.retrieval.tiny import TOPICS, HashEmbedder, corpus, passage, tiny_encoder, write_passages

SEEN = frozenset({"policy0", "policy1"})
QUESTIONS = ("leave rule", "ask about the visa", "number 7", "salary and bonus for all", "rule")
HIDDEN = [
    passage(100 + n, f"The {TOPICS[n]} {'salary visa rule ' * 3**n} is secret.", "boards-own", headings=("Pay",))
    for n in range(6)
]


def shown(retriever, top_k=9):
    return [retriever.search(question, SEEN, top_k) for question in QUESTIONS]


def mixed(order):
    """The corpus with the hidden passages before, within or behind it."""
    whole = corpus()
    return {"before": HIDDEN + whole, "within": whole[:5] + HIDDEN + whole[5:], "behind": whole + HIDDEN}[order]


@pytest.mark.parametrize("order", ["before", "within", "behind"])
def test_hidden_documents_change_no_hit_and_no_score_in_memory(order):
    alone, beside = (MemoryRetriever(p, HashEmbedder(), 0.5) for p in (corpus(), mixed(order)))
    assert shown(beside) == shown(alone)
    assert any(hit.sparse for hits in shown(alone) for hit in hits)


def test_hidden_documents_change_no_hit_and_no_score_of_a_built_index(built, tmp_path):
    source = tiny_encoder(tmp_path, tmp_path / "cache")
    passages = write_passages(tmp_path / "passages", mixed("within"))
    places = passages, tmp_path / "built", tmp_path / "cache"
    index(Index(engine="onnxruntime"), source, Milvus(), "tiny-book", *places)
    with open_index(built, 0.5) as alone, open_index(tmp_path / "built", 0.5) as beside:
        assert shown(beside) == shown(alone)
        assert len(beside.search("secret", frozenset({"boards-own"}), 9)) == 6


def test_a_row_scores_the_same_wherever_it_stands():
    """BLAS would add it up in another order: what differs in the last digit tells how many rows there are."""
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(301, 384)).astype(np.float32)
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    many = [passage(n, f"word{n}", f"policy{n % 2}") for n in range(301)]

    def scores(rows):
        held = in_memory([many[n] for n in rows], [many[n].text for n in rows], dense[rows], Bm25())
        return held.by_vector(dense[7], Scope(frozenset({"policy0"})), 500)

    readable = [n for n in range(301) if n % 2 == 0]
    assert scores(list(range(301))) == scores(readable)
    assert len(scores(readable)) == 151


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    policies=st.frozensets(st.sampled_from(["policy0", "policy1", "policy2", "none", ""])),
    without=st.frozensets(st.integers(0, 15).map("doc{}.md".format), max_size=4),
    also=st.frozensets(st.integers(0, 15).map("doc{}.md".format), max_size=4),
    question=st.lists(st.sampled_from(TOPICS), min_size=1, max_size=4).map(" ".join),
)
def test_both_sides_find_what_the_scope_admits_and_nothing_else(built, policies, without, also, question):
    scope = Scope(policies, without, also)
    admitted = [p for p in corpus() if scope.admits(p.doc_id, p.policy_id)]
    held = open_exact_index(built, 14, 32, Bm25())
    near = held.by_vector(np.asarray(held.dense[3]), scope, 50)
    assert {p.passage_id for p, _ in near} == {p.passage_id for p in admitted}
    words = held.by_terms(question, scope, 50)
    asked = set(question.split())
    assert {p.passage_id for p, _ in words} == {p.passage_id for p in admitted if asked & topics(p)}
    alone = in_memory(admitted, [searched_text(p) for p in admitted], np.zeros((len(admitted), 32)), Bm25())
    everybody = Scope(frozenset(p.policy_id for p in admitted))
    assert words == alone.by_terms(question, everybody, 50), "as if there were no other passages"


def topics(found):
    return {word.strip(".").lower() for word in found.text.split()} & set(TOPICS)


def test_the_best_come_first_and_the_first_of_equals(built):
    held = open_exact_index(built, 14, 32, Bm25())
    everybody = Scope(frozenset({"policy0", "policy1", "policy2"}))
    found = held.by_terms("rule", everybody, 50)
    assert [p.passage_id for p, _ in held.by_terms("rule", everybody, 5)] == [p.passage_id for p, _ in found[:5]]
    assert [p.passage_id for p, _ in found] == [f"p{n:03}" for n in range(14)], "all alike: in the index's order"


def test_postings_give_each_term_its_rows_and_counts():
    def row(**counts):
        ids = np.array(sorted(int(name[1:]) for name in counts), dtype=np.uint32)
        return ids, np.array([counts[f"t{i}"] for i in ids], dtype=np.uint16)

    held = Postings.of([row(t5=2, t9=1), row(), row(t5=1, t2=7)])
    assert [[v.tolist() for v in held.of_term(t)] for t in (2, 5, 9)] == [[[2], [7]], [[0, 2], [2, 1]], [[0], [1]]]
    assert [v.tolist() for v in held.of_term(4)] == [[], []] == [v.tolist() for v in Postings.of([]).of_term(4)]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda e: shutil.rmtree(e), "made before searches ran in this process"),
        (lambda e: (e / "dense.npy").unlink(), "not readable"),
        (lambda e: (e / "dense.npy").write_bytes(b""), "not readable"),
        (lambda e: (e / "passages.arrow").write_bytes(b"no arrow"), "not readable"),
        (lambda e: shutil.copy(e / "passages.arrow", e / "terms.arrow"), "not readable"),
        (lambda e: np.save(e / "dense.npy", np.array([{"a": 1}], dtype=object)), "not readable"),
        (lambda e: np.save(e / "dense.npy", np.zeros((13, 32), np.float32)), "14 passages stored"),
    ],
)
def test_a_damaged_index_or_one_of_an_earlier_version_is_refused(built, tmp_path, damage, message):
    copy = tmp_path / "index"
    shutil.copytree(built, copy)
    damage(copy / "exact")
    with pytest.raises(IndexUnusable, match=message) as caught:
        open_index(copy, 0.5)
    assert caught.value.next_step == "run the index step again"


def test_terms_of_another_index_are_refused(built, tmp_path):
    copy, source = tmp_path / "index", tiny_encoder(tmp_path, tmp_path / "cache")
    shutil.copytree(built, copy)
    more = [*corpus(), replace(passage(40, "One more rule."), passage_id="p040")]
    passages = write_passages(tmp_path / "passages", more)
    index(Index(engine="onnxruntime"), source, Milvus(), "tiny-book", passages, tmp_path / "other", tmp_path / "cache")
    shutil.copy(tmp_path / "other" / "exact" / "terms.arrow", copy / "exact" / "terms.arrow")
    with pytest.raises(IndexUnusable, match="of other passages"):
        open_index(copy, 0.5)


LISTENS = """
import os, sys
from pathlib import Path

def listening():
    rows = [line.split() for name in ("tcp", "tcp6") for line in open(f"/proc/self/net/{name}").read().splitlines()[1:]]
    inodes, mine = {row[9] for row in rows if row[3] == "0A"}, set()
    for handle in os.listdir("/proc/self/fd"):
        try:
            mine.add(os.readlink(f"/proc/self/fd/{handle}").removeprefix("socket:[").rstrip("]"))
        except OSError:
            pass
    return len(inodes & mine)
"""
SEARCHES = """
from raftops.retrieval.hybrid import open_index
with open_index(Path(sys.argv[1]), 0.5) as retriever:
    hits = retriever.search("leave", frozenset({"policy0"}), 3)
    print(len(hits), listening(), "pymilvus" in sys.modules, "milvus_lite" in sys.modules)
"""
BUILDS = """
from raftops.spec.model.knowledge import Index
from raftops.spec.model.platform import Milvus
from raftops.steps import index as step
seen, upsert = [], step.PassageCollection.upsert
step.PassageCollection.upsert = lambda *given: (upsert(*given), seen.append(listening()))
passages, built, cache = map(Path, sys.argv[2:])
step.index(Index(engine="onnxruntime"), sys.argv[1], Milvus(), "tiny-book", passages, built, cache)
print(seen)
"""


def run(code, *arguments):
    command = [sys.executable, "-c", LISTENS + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who listens")
def test_no_process_listens_while_an_index_is_searched_or_made(built, tmp_path):
    assert run(SEARCHES, built) == "3 0 False False"
    source = tiny_encoder(tmp_path, tmp_path / "cache")
    passages = write_passages(tmp_path / "passages", corpus())
    assert run(BUILDS, source, passages, tmp_path / "built", tmp_path / "cache") == "[0]"
