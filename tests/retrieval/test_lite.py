"""Milvus Lite is behind a socket that nobody else can open, and leaves nothing behind."""

import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from raftops.errors import IndexUnusable
from raftops.retrieval.lite import Lite
from raftops.retrieval.milvus import MilvusConnection, PassageCollection


def test_the_socket_is_in_a_folder_of_this_user_alone_and_goes_with_the_server(tmp_path):
    lite = Lite(tmp_path / "m.db")
    path = Path(lite.uri.removeprefix("unix:"))
    about = path.parent.stat()
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert (stat.S_IMODE(about.st_mode), about.st_uid) == (0o700, os.getuid())
    lite.close()
    assert not path.parent.exists()


def test_a_folder_holds_what_was_written_and_one_writer_at_a_time(tmp_path):
    folder = str(tmp_path / "m.db")
    with closing(MilvusConnection(folder)) as connection:
        PassageCollection(connection, "one").create(4, "flat")
        with pytest.raises(IndexUnusable, match=r"m\.db: cannot be opened"):
            MilvusConnection(folder)
    with closing(MilvusConnection(folder)) as connection:
        assert connection.collections() == ["one"]


def test_a_deep_folder_for_temporary_files_is_passed_by(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    lite = Lite(tmp_path / "m.db")
    folder = Path(lite.uri.removeprefix("unix:")).parent
    assert not list(deep.iterdir()) and stat.S_IMODE(folder.stat().st_mode) == 0o700
    lite.close()
