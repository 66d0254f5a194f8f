"""Objects in a real S3 server: whole or absent, checked both ways, no credential in a message."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raftops.errors import StorageError
from raftops.files import sha256_file
from raftops.release.bucket import MIB, TRANSFER, Bucket
from tests.storage import KEYS, Storage, storage_fixture

__all__ = ["storage_fixture"]


def file(folder: Path, size: int) -> Path:
    path = folder / "file"
    path.write_bytes(os.urandom(size))
    return path


@pytest.mark.parametrize("size", [0, 1000, TRANSFER.multipart_threshold + 3 * MIB])
def test_what_is_put_comes_back_byte_for_byte(storage: Storage, tmp_path: Path, size: int) -> None:
    bucket, source = storage.bucket(), file(tmp_path, size)
    digest = sha256_file(source)
    assert bucket.put("a/b", source, digest) and bucket.size("a/b") == size
    bucket.get("a/b", tmp_path / "deep" / "copy", digest)
    assert sha256_file(tmp_path / "deep" / "copy") == digest
    assert storage.names() == ["raftops/main/a/b"]


def test_what_is_there_is_not_sent_again_unless_asked(storage: Storage, tmp_path: Path) -> None:
    bucket, source = storage.bucket(), file(tmp_path, 10)
    digest = sha256_file(source)
    assert [bucket.put("x", source, digest), bucket.put("x", source, digest)] == [True, False]
    assert bucket.put("x", source, digest, again=True)


def test_a_file_that_is_not_what_its_hash_says_is_not_stored(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is not what its hash says"):
        storage.bucket().put("x", file(tmp_path, 10), "0" * 64)
    assert storage.names() == []


def test_what_arrives_altered_is_not_taken_for_stored(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, source = storage.bucket(), file(tmp_path, 10)
    send = storage.client.put_object

    class Wire:
        """Flips the first byte."""

        head_object = storage.client.head_object

        def put_object(self, Body: bytes, ChecksumSHA256: str, **more: object) -> object:
            return send(Body=bytes([Body[0] ^ 1]) + Body[1:], **more)

    monkeypatch.setattr(bucket, "_client", Wire())
    with pytest.raises(StorageError, match="arrived altered"):
        bucket.put("x", source, sha256_file(source))


def test_an_altered_object_is_refused_and_leaves_no_file(storage: Storage, tmp_path: Path) -> None:
    bucket, source = storage.bucket(), file(tmp_path, 10)
    digest = sha256_file(source)
    bucket.put("x", source, digest)
    storage.client.put_object(Bucket="team", Key="raftops/main/x", Body=b"0123456789")
    with pytest.raises(StorageError, match="s3://team/raftops/main/x: is not what its hash says"):
        bucket.get("x", tmp_path / "out" / "copy", digest)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_failed_download_leaves_what_was_there(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("before")
    with pytest.raises(StorageError, match="is not there"):
        storage.bucket().get("nothing", tmp_path / "kept", "0" * 64)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"] and (tmp_path / "kept").read_text() == "before"


def test_absent_objects_are_none_and_names_are_listed_in_order(storage: Storage) -> None:
    bucket = storage.bucket()
    assert bucket.size("n") is None and bucket.get_bytes("n") is None
    for name in ("r/b", "r/a", "s/c"):
        bucket.put_bytes(name, b"{}")
    assert list(bucket.names("r/")) == ["r/a", "r/b"] and bucket.get_bytes("r/a") == b"{}"


def test_a_key_that_is_not_set_is_named_and_never_its_value(storage: Storage) -> None:
    with pytest.raises(StorageError, match="ARTIFACTS_SECRET_KEY is not set") as failed:
        Bucket(storage.artifacts, {"ARTIFACTS_ACCESS_KEY": "very-secret-id"})
    assert "raftops-artifacts" in failed.value.next_step
    assert "very-secret-id" not in f"{failed.value} {failed.value.next_step}"


def test_a_bucket_that_does_not_exist_is_said_to_be_missing(storage: Storage, tmp_path: Path) -> None:
    other = Bucket(storage.artifacts.model_copy(update={"uri": "s3://nobodys/x"}), KEYS)
    source = file(tmp_path, 3)
    with pytest.raises(StorageError, match="NoSuchBucket") as failed:
        other.put("x", source, sha256_file(source))
    assert failed.value.next_step == "make the bucket first"


def test_a_storage_that_does_not_answer_is_an_error_with_its_address(tmp_path: Path, storage: Storage) -> None:
    away = storage.artifacts.model_copy(update={"endpoint": "http://127.0.0.1:1"})
    with pytest.raises(StorageError, match="127.0.0.1:1"):
        Bucket(away, KEYS).get_bytes("x")
