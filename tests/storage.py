"""A bucket of one's own on a real S3 server (moto's) that listens on loopback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipelines.cli.data import push
from raftops.release.bucket import Bucket
from raftops.spec.load import LoadedSpec
from raftops.spec.model.base import SecretRef
from raftops.spec.model.platform import Artifacts

KEYS = {"ARTIFACTS_ACCESS_KEY": "test-id", "ARTIFACTS_SECRET_KEY": "test-secret"}
"""Environment that carries the credentials of the test server."""
DVC = [sys.executable, "-m", "dvc"]


@dataclass(frozen=True)
class Storage:
    """A server, and the section of a spec that names a bucket on it."""

    artifacts: Artifacts
    client: Any

    def bucket(self) -> Bucket:
        """The bucket as our code opens it."""
        return self._opened

    @cached_property
    def _opened(self) -> Bucket:
        return Bucket(self.artifacts, KEYS)

    def names(self) -> list[str]:
        """Names of all objects."""
        found = self.client.list_objects_v2(Bucket="team")
        return [row["Key"] for row in found.get("Contents", [])]

    def section(self) -> dict[str, Any]:
        """`platform.artifacts` as it stands in a YAML file."""
        return self.artifacts.model_dump(mode="json", exclude_none=True)


def storage() -> Iterator[Storage]:
    """A fresh server with the bucket `team`, ended with the test."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id=KEYS["ARTIFACTS_ACCESS_KEY"], aws_secret_access_key=KEYS["ARTIFACTS_SECRET_KEY"],
    )  # fmt: skip
    client.create_bucket(Bucket="team")
    artifacts = Artifacts(
        uri="s3://team/raftops/main", endpoint=endpoint, region="us-east-1",
        access_key=SecretRef(secret="raftops-artifacts", key="access-key", env="ARTIFACTS_ACCESS_KEY"),
        secret_key=SecretRef(secret="raftops-artifacts", key="secret-key", env="ARTIFACTS_SECRET_KEY"),
    )  # fmt: skip
    try:
        yield Storage(artifacts, client)
    finally:
        for row in client.list_objects_v2(Bucket="team").get("Contents", []):
            client.delete_object(Bucket="team", Key=row["Key"])
        client.delete_bucket(Bucket="team")  # the server's memory is the process's: the next test starts empty
        server.stop()


def pushed(project: Any, storage: Storage) -> LoadedSpec:
    """A project whose data DVC tracks, pushed to the bucket of its spec. Needs `KEYS` in the environment."""
    for command in (["git", "init", "-q"], [*DVC, "init", "-q"], [*DVC, "add", "-q", "data"]):
        subprocess.run(command, cwd=project.root, check=True)
    loaded = in_bucket(project, storage)
    assert push(loaded) > 0
    return loaded


def in_bucket(project: Any, storage: Storage) -> LoadedSpec:
    """The project's spec, with its data in the bucket."""
    section = {name: value for name, value in storage.section().items() if name != "push"} | {"uri": "s3://team/dvc"}
    project.spec["spec"]["data"]["dvc"] = "data.dvc"
    project.spec["spec"].setdefault("platform", {})["dvc"] = section
    loaded: LoadedSpec = project.load()
    return loaded


storage_fixture = pytest.fixture(name="storage")(storage)
