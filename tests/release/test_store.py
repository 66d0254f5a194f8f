"""Releases in a bucket: the same release on the other side, or none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from raftops.errors import RaftopsError, StorageError
from raftops.release.bucket import Bucket
from raftops.release.release import Release, write_release
from raftops.release.store import keep, list_remote, pull_release, pull_report, push_record, push_release
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Router
from tests.service.release_files import fake_parts, tree_digest
from tests.storage import KEYS, Storage, storage_fixture

__all__ = ["storage_fixture"]


def made(folder: Path, **more: Any) -> Release:
    parts = fake_parts(folder, **more)
    (parts.report / "report.html").write_text("<h1>report</h1>")
    return write_release(Deploy(), Prompt(), Router(), parts, folder / "releases")


def test_a_pulled_release_is_the_pushed_one(storage: Storage, tmp_path: Path) -> None:
    release = made(tmp_path / "a")
    pushed = push_release(release, storage.bucket())
    again = pull_release(release.name, "", tmp_path / "b", storage.bucket())
    assert again.hash == release.hash == pushed.hash + release.hash[16:]
    assert tree_digest(again.path) == tree_digest(release.path)
    assert pushed.uploaded > 0 and pushed.bytes > 0
    assert [path.name for path in (tmp_path / "b").iterdir()] == [release.short]


def test_a_second_push_sends_nothing_and_another_release_only_what_differs(storage: Storage, tmp_path: Path) -> None:
    one, two = made(tmp_path / "a"), made(tmp_path / "b", weights="tuned further")
    first = push_release(one, storage.bucket())
    assert push_release(one, storage.bucket()).uploaded == 0
    second = push_release(two, storage.bucket())
    assert 0 < second.uploaded < first.uploaded
    assert {row["hash"]: row["current"] for row in list_remote(one.name, storage.bucket())} == {
        one.short: False, two.short: True,
    }  # fmt: skip
    assert pull_release(one.name, one.short[:6], tmp_path / "c", storage.bucket()).hash == one.hash


class Breaks(Bucket):
    """A bucket whose connection is lost after a few objects."""

    left = 3

    def put(self, name: str, path: Path, digest: str, again: bool = False) -> bool:
        self.left -= 1
        if self.left < 0:
            raise StorageError("the connection is lost")
        return super().put(name, path, digest, again)

    def get(self, name: str, target: Path, digest: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise StorageError("the connection is lost")
        super().get(name, target, digest)


def test_half_a_push_is_not_seen_and_goes_on_where_it_stopped(storage: Storage, tmp_path: Path) -> None:
    release = made(tmp_path / "a")
    with pytest.raises(StorageError, match="lost"):
        push_release(release, Breaks(storage.artifacts, KEYS))
    assert list_remote(release.name, storage.bucket()) == []
    with pytest.raises(StorageError, match="no release of"):
        pull_release(release.name, "", tmp_path / "b", storage.bucket())
    assert push_release(release, storage.bucket()).reused >= 3


def test_half_a_pull_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    release = made(tmp_path / "a")
    push_release(release, storage.bucket())
    with pytest.raises(StorageError, match="lost"):
        pull_release(release.name, "", tmp_path / "b", Breaks(storage.artifacts, KEYS))
    assert list((tmp_path / "b").iterdir()) == []


class Overtaken(Bucket):
    """A bucket from which somebody else pulls the same release meanwhile."""

    other: Bucket
    releases: Path

    def get(self, name: str, target: Path, digest: str) -> None:
        if not list(self.releases.glob("[!.]*")):
            pull_release("handbook", "", self.releases, self.other)
        super().get(name, target, digest)


@pytest.mark.slow
def test_two_pulls_at_once_leave_one_release_and_no_draft(storage: Storage, tmp_path: Path) -> None:
    release = made(tmp_path / "a")
    push_release(release, storage.bucket())
    bucket = Overtaken(storage.artifacts, KEYS)
    bucket.other, bucket.releases = storage.bucket(), tmp_path / "b"
    assert pull_release(release.name, "", tmp_path / "b", bucket).hash == release.hash
    assert [path.name for path in (tmp_path / "b").iterdir()] == [release.short]


def test_a_release_with_one_altered_byte_is_refused(storage: Storage, tmp_path: Path) -> None:
    release = made(tmp_path / "a")
    push_release(release, storage.bucket())
    key = next(key for key in storage.names() if "/objects/" in key)
    storage.client.put_object(Bucket="team", Key=key, Body=b"altered")
    with pytest.raises(StorageError, match="is not what its hash says") as failed:
        pull_release(release.name, "", tmp_path / "b", storage.bucket())
    assert "--again" in failed.value.next_step and list((tmp_path / "b").iterdir()) == []
    push_release(release, storage.bucket(), again=True)
    assert pull_release(release.name, "", tmp_path / "b", storage.bucket()).hash == release.hash


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b"])
def test_a_list_of_files_cannot_lead_out_of_the_folder(storage: Storage, tmp_path: Path, name: str) -> None:
    release = made(tmp_path / "a")
    push_release(release, storage.bucket())
    key = f"raftops/main/releases/{release.name}/{release.short}.json"
    body = json.loads(storage.client.get_object(Bucket="team", Key=key)["Body"].read())
    body["files"][name] = next(iter(body["files"].values()))
    storage.client.put_object(Bucket="team", Key=key, Body=json.dumps(body).encode())
    with pytest.raises(StorageError, match="not a list of a release's files"):
        pull_release(release.name, "", tmp_path / "b" / "c", storage.bucket())
    assert not (tmp_path / "b").exists()


def test_a_file_less_in_the_list_is_not_a_release(storage: Storage, tmp_path: Path) -> None:
    release = made(tmp_path / "a")
    push_release(release, storage.bucket())
    key = f"raftops/main/releases/{release.name}/{release.short}.json"
    body = json.loads(storage.client.get_object(Bucket="team", Key=key)["Body"].read())
    del body["files"]["prompt.json"]
    storage.client.put_object(Bucket="team", Key=key, Body=json.dumps(body).encode())
    with pytest.raises(RaftopsError, match=r"prompt\.json: missing"):
        pull_release(release.name, "", tmp_path / "b", storage.bucket())
    assert list((tmp_path / "b").iterdir()) == []


def test_what_is_here_already_is_linked_and_not_fetched(storage: Storage, tmp_path: Path) -> None:
    one, two = made(tmp_path / "a"), made(tmp_path / "b", weights="tuned further")
    push_release(one, storage.bucket())
    push_release(two, storage.bucket())
    pull_release(one.name, one.short, tmp_path / "c", storage.bucket())
    few = Breaks(storage.artifacts, KEYS)
    few.left = 5  # fewer than the files of a release
    assert len([p for p in two.path.rglob("*") if p.is_file()]) > 5
    assert tree_digest(pull_release(two.name, two.short, tmp_path / "c", few).path) == tree_digest(two.path)


def test_report_and_record_alone_are_fetched_without_the_weights(storage: Storage, tmp_path: Path) -> None:
    release = made(tmp_path / "a")
    push_release(release, storage.bucket())
    push_record(release.name, release.short, {"run_id": "1"}, storage.bucket())
    assert pull_report(release.name, "", tmp_path / "base", storage.bucket()) == release.short
    assert json.loads((tmp_path / "base" / "run.json").read_text()) == {"run_id": "1"}
    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == ["report.html", "report.json", "run.json"]
    key = f"raftops/main/runs/{release.name}/{release.short}.json"
    storage.client.put_object(Bucket="team", Key=key, Body=b'{"sha256": "", "record": {"run_id": "2"}}')
    shutil.rmtree(tmp_path / "base")
    with pytest.raises(StorageError, match="is not what its hash says"):
        pull_report(release.name, "", tmp_path / "base", storage.bucket())


def test_the_deploy_step_keeps_its_release_in_the_bucket_of_the_spec_and_without_one_does_nothing(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    release = made(tmp_path / "a")
    (tmp_path / "pointer").mkdir()
    pointer = {"hash": release.hash, "path": str(release.path)}
    (tmp_path / "pointer" / "release.json").write_text(json.dumps(pointer))
    keep(None, tmp_path / "pointer")
    assert storage.names() == []
    keep(storage.section(), tmp_path / "pointer")
    assert f"raftops/main/reports/{release.name}/{release.short}/report.html" in storage.names()
    assert pull_release(release.name, "", tmp_path / "b", storage.bucket()).hash == release.hash
