"""The alias of an assistant's index, on Milvus Lite: by a folder, as its aliases work like a server's."""

import pytest
from pymilvus import MilvusClient, MilvusException

from raftops.errors import IndexUnusable
from raftops.files import write_json
from raftops.retrieval import claims
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


DAY = 86_400.0
NOW = 1_800_000_000.0
RELEASE = "0123456789abcdef"
OTHERS = "fedcba9876543210"
FIRST, SECOND, THIRD = (f"hand_book_{n}123456789ab" for n in (0, 1, 2))


class TestDropping:
    """The first collection is the current release's, the second another's or nobody's, the third nobody's."""

    @pytest.fixture
    def alias(self, place):
        current = IndexAlias.of(built(place, FIRST))
        current.point()
        return current

    def used(self, place, collection, days_ago, *releases):
        connection = MilvusConnection(str(place / "m.db"))
        claims.claim(connection.client, collection, releases, NOW - days_ago * DAY)
        connection.close()

    def drop(self, alias, place, kept=None, gone=()):
        return alias.drop_unused({place / FIRST: RELEASE} if kept is None else kept, gone, 7, NOW)

    def test_what_nobody_used_for_long_goes_and_what_is_anothers_stays(self, alias, place):
        for collection in (FIRST, SECOND, THIRD, "other_0123456789ab"):
            self.used(place, collection, 8)
        assert self.drop(alias, place) == [SECOND, THIRD]
        assert found(place)[1] == [FIRST, "other_0123456789ab"]

    def test_what_another_run_built_or_opened_a_while_ago_stays(self, alias, place):
        self.used(place, SECOND, 6.9)
        self.used(place, THIRD, 7.1)
        assert self.drop(alias, place) == [THIRD]

    def test_what_says_nothing_of_its_use_is_used_from_now_on(self, alias, place):
        assert self.drop(alias, place) == []
        assert alias.drop_unused({}, (), 7, NOW + 6 * DAY) == []
        assert alias.drop_unused({}, (), 7, NOW + 8 * DAY) == [SECOND, THIRD]

    def test_what_a_release_of_this_store_refers_to_stays_however_old(self, alias, place):
        self.used(place, SECOND, 900)
        self.used(place, THIRD, 900)
        kept = {place / FIRST: RELEASE, built(place, SECOND): OTHERS}
        assert self.drop(alias, place, kept) == [THIRD]

    def test_what_a_draft_refers_to_stays(self, alias, place):
        self.used(place, SECOND, 900)
        assert self.drop(alias, place, {place / FIRST: RELEASE, built(place, SECOND): ""}) == []

    def test_what_a_release_of_another_store_refers_to_stays_until_that_store_deletes_it(self, alias, place):
        elsewhere = IndexAlias.of(built(place, SECOND))
        elsewhere.drop_unused({place / SECOND: OTHERS}, (), 7, NOW - 900 * DAY)
        assert SECOND not in self.drop(alias, place)
        assert self.drop(alias, place, gone=[OTHERS]) == [SECOND]

    def test_two_releases_of_one_collection_hold_it_each(self, alias, place):
        self.used(place, SECOND, 900, RELEASE, OTHERS)
        assert self.drop(alias, place, gone=[OTHERS]) == []
        assert self.drop(alias, place, gone=[RELEASE]) == [SECOND]

    def test_what_another_alias_names_stays(self, alias, place):
        self.used(place, SECOND, 900)
        connection = MilvusConnection(str(place / "m.db"))
        connection.point("somebodys", SECOND)
        connection.close()
        assert self.drop(alias, place) == []

    def test_where_nothing_can_be_noted_nothing_is_dropped(self, alias, place, monkeypatch, caplog):
        self.used(place, SECOND, 900)

        def refuses(*_):
            raise MilvusException(message="permission deny")

        monkeypatch.setattr(MilvusClient, "alter_collection_properties", refuses)
        assert self.drop(alias, place) == []
        assert "permission deny" in caplog.text


def test_a_missing_token_is_named(place, monkeypatch):
    alias = IndexAlias("http://127.0.0.1:1", "MILVUS_TOKEN", "hand_book", "c")
    monkeypatch.delenv("MILVUS_TOKEN", raising=False)
    with pytest.raises(IndexUnusable, match="no token") as raised:
        alias.point()
    assert "MILVUS_TOKEN" in raised.value.next_step
