"""One bucket of S3-compatible storage: put, get, by name below a prefix. Every byte is checked by SHA-256 both ways.

An object appears whole or not at all (the protocol's own promise); a file likewise. Knows nothing of releases.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from raftops.errors import StorageError
from raftops.spec.model.base import SecretRef
from raftops.spec.model.platform import Storage

MIB = 1 << 20
TRANSFER = TransferConfig(multipart_threshold=64 * MIB, multipart_chunksize=16 * MIB, max_concurrency=4)
_AGAIN = "raftops release push --again, from a machine that has it whole"
ABSENT = ("404", "NoSuchKey", "NotFound")


class Bucket:
    """The objects below a storage's `uri`."""

    def __init__(
        self, artifacts: Storage, environment: Mapping[str, str] = os.environ, setting: str = "platform.artifacts"
    ) -> None:
        """`setting` is where a spec names the storage: messages say so."""
        self._setting = setting
        self.uri = artifacts.uri.rstrip("/")
        self._bucket, _, prefix = self.uri.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = _client(artifacts, environment, setting)

    def put(self, name: str, path: Path, digest: str, again: bool = False) -> bool:
        """Store a file whose SHA-256 is `digest`; the storage checks it. Returns False where it is there already.

        Raises:
            StorageError: the storage refuses, or what arrived is not what was sent.
        """
        size = path.stat().st_size
        if not again and self.size(name) == size:
            return False
        with self._named(name):
            if size <= TRANSFER.multipart_threshold:
                self._put_small(name, path, digest)
                return True
            extra = {"ChecksumAlgorithm": "SHA256", "Metadata": {"sha256": digest}}  # of every part
            self._client.upload_file(str(path), self._bucket, self._key(name), ExtraArgs=extra, Config=TRANSFER)
        if self.size(name) != size:
            raise StorageError(f"{self._shown(name)}: arrived incomplete", next_step="run the same command again")
        return True

    def _put_small(self, name: str, path: Path, digest: str) -> None:
        """One request. The storage checks the SHA-256; where its tag is the MD5 of what it kept, we check that, too."""
        body = path.read_bytes()
        whole = hashlib.sha256(body)
        if whole.hexdigest() != digest:
            raise StorageError(
                f"{path}: is not what its hash says", next_step="raftops run SPEC makes the release anew"
            )
        kept = self._client.put_object(
            Bucket=self._bucket, Key=self._key(name), Body=body, Metadata={"sha256": digest},
            ChecksumSHA256=base64.b64encode(whole.digest()).decode("ascii"),
        )  # fmt: skip
        tag = kept.get("ETag", "").strip('"')
        plain = re.fullmatch(r"[0-9a-f]{32}", tag) and not kept.get("SSEKMSKeyId") and not kept.get("SSECustomerKeyMD5")
        if plain and tag != hashlib.md5(body, usedforsecurity=False).hexdigest():
            raise StorageError(f"{self._shown(name)}: arrived altered", next_step="run the same command again")

    def put_bytes(self, name: str, body: bytes, media_type: str = "application/json") -> None:
        """Store a few bytes."""
        with self._named(name):
            self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=body, ContentType=media_type)

    def get(self, name: str, target: Path, digest: str, algorithm: str = "sha256", advice: str = _AGAIN) -> None:
        """Fetch an object to a file, which appears only when its hash is `digest`; `advice` says what mends it.

        Raises:
            StorageError: it is not there, or is not what it should be.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.part")
        try:
            with self._named(name):
                self._client.download_file(self._bucket, self._key(name), str(draft), Config=TRANSFER)
            with draft.open("rb") as file:
                found = hashlib.file_digest(file, partial(hashlib.new, algorithm, usedforsecurity=False)).hexdigest()
            if found != digest:
                raise StorageError(f"{self._shown(name)}: is not what its hash says", next_step=advice)
            with draft.open("rb") as file:
                os.fsync(file.fileno())  # before the rename: after a power loss the name stands for the whole file
            os.replace(draft, target)
        except _Absent as error:
            raise _Absent(str(error), next_step=advice) from error
        finally:
            draft.unlink(missing_ok=True)

    def get_bytes(self, name: str) -> bytes | None:
        """A small object; None where there is none."""
        try:
            with self._named(name):
                body: bytes = self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"].read()
                return body
        except _Absent:
            return None

    def delete(self, name: str) -> None:
        """Delete an object; one that is not there is no error."""
        with self._named(name):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name))

    def size(self, name: str) -> int | None:
        """Bytes of an object; None where there is none."""
        try:
            with self._named(name):
                return int(self._client.head_object(Bucket=self._bucket, Key=self._key(name))["ContentLength"])
        except _Absent:
            return None

    def names(self, start: str) -> Iterator[str]:
        """Names of the objects that begin so, in order."""
        with self._named(start):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._key(start)
            )  # fmt: skip
            for page in pages:
                yield from (row["Key"].removeprefix(self._prefix) for row in page.get("Contents", []))

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _shown(self, name: str) -> str:
        return f"{self.uri}/{name}"

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Failures as ours, with the object's address and never a credential."""
        try:
            yield
        except NoCredentialsError as error:
            advice = f"name {self._setting}.access_key and secret_key, or give the process a role or a profile"
            raise StorageError(f"{self.uri}: no credentials were found", next_step=advice) from error
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ABSENT:
                raise _Absent(f"{self._shown(name)}: is not there", next_step=f"check {self.uri}") from error
            raise StorageError(f"{self._shown(name)}: the storage says {code}", next_step=self._advice(code)) from error
        except (BotoCoreError, Boto3Error) as error:
            advice = f"check {self._setting}.endpoint and the network; the same command goes on where it stopped"
            raise StorageError(f"{self._shown(name)}: {error}", next_step=advice) from error

    def _advice(self, code: str) -> str:
        if code in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403"):
            return f"check {self._setting}.access_key, secret_key and what they may do"
        return "make the bucket first" if code == "NoSuchBucket" else "run the same command again"


class _Absent(StorageError):
    """There is no object of this name."""


def _client(artifacts: Storage, environment: Mapping[str, str], setting: str) -> Any:
    keys: dict[str, str] = {}
    if artifacts.access_key and artifacts.secret_key:
        keys["aws_access_key_id"] = secret_value(artifacts.access_key, environment)
        keys["aws_secret_access_key"] = secret_value(artifacts.secret_key, environment)
    config = Config(
        retries={"max_attempts": 3, "mode": "standard"}, connect_timeout=5, read_timeout=60,
        s3={"addressing_style": "path" if artifacts.endpoint else "auto"},
        request_checksum_calculation="when_required", response_checksum_validation="when_required",
    )  # fmt: skip
    place = {"endpoint_url": artifacts.endpoint or None, "region_name": artifacts.region or None}
    try:
        return boto3.session.Session().client("s3", config=config, **place, **keys)
    except (BotoCoreError, ValueError) as error:
        raise StorageError(f"{artifacts.uri}: {error}", next_step=f"check {setting}") from error


def secret_value(reference: SecretRef, environment: Mapping[str, str] = os.environ) -> str:
    """What a reference stands for, from the environment.

    Raises:
        StorageError: the variable is not set.
    """
    value = environment.get(reference.env, "")
    if not value:
        advice = f"export {reference.env}; on a cluster the secret {reference.secret} carries it"
        raise StorageError(f"{reference.env} is not set", next_step=advice)
    return value
