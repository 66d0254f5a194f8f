"""The alias of an assistant's index, on Milvus Lite: by a folder, as its aliases work like a server's."""

import pytest

from raftops.errors import IndexUnusable
from raftops.files import write_json
from raftops.retrieval.alias import IndexAlias
from raftops.retrieval.milvus import MilvusConnection, PassageCollection


@pytest.fixture
def place(tmp_path):
    """A folder of Milvus Lite with three collections of one assistant and one of another."""
    connection = MilvusConnection(str(tmp_path / "m.db"))
    for name in ("hand_book_0123456789ab", "hand_book_1123456789ab", "hand_book_2123456789ab", "other_0123456789ab"):
        PassageCollection(connection, name).create(4, "flat")
    connection.close()
    return tmp_path


def built(place, collection, uri=""):
    folder = place / collection
    about = {"uri": uri or str(place / "m.db"), "token_env": "", "name": "hand-book", "collection": collection}
    write_json(folder / "index.json", about)
    return folder


def found(place):
    connection = MilvusConnection(str(place / "m.db"))
    try:
        return connection.alias_target("hand_book"), sorted(connection.collections())
    finally:
        connection.close()


def test_an_index_in_its_own_folder_has_no_alias(place):
    assert IndexAlias.of(built(place, "c", uri="embedded")) is None


def test_the_alias_moves_and_says_where_it_was(place):
    first, second = (IndexAlias.of(built(place, f"hand_book_{n}123456789ab")) for n in (0, 1))
    assert first.point() is None and found(place)[0] == "hand_book_0123456789ab"
    assert second.point() == "hand_book_0123456789ab" == second.collection.replace("_1", "_0")
    assert second.point() == second.collection and found(place)[0] == second.collection
    assert len(found(place)[1]) == 4, "moving drops nothing"


def test_what_no_release_uses_is_dropped_and_what_is_anothers_stays(place):
    kept = [built(place, f"hand_book_{n}123456789ab") for n in (0, 1)]
    alias = IndexAlias.of(kept[1])
    alias.point()
    assert alias.drop_unused(kept) == ["hand_book_2123456789ab"]
    assert found(place)[1] == ["hand_book_0123456789ab", "hand_book_1123456789ab", "other_0123456789ab"]
    assert alias.drop_unused([kept[1]]) == ["hand_book_0123456789ab"]


def test_a_missing_token_is_named(place, monkeypatch):
    alias = IndexAlias("http://127.0.0.1:1", "MILVUS_TOKEN", "hand_book", "c")
    monkeypatch.delenv("MILVUS_TOKEN", raising=False)
    with pytest.raises(IndexUnusable, match="no token") as raised:
        alias.point()
    assert "MILVUS_TOKEN" in raised.value.next_step
