"""A cluster on loopback: the stand-in of the API server, and what makes deployments live behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from raftops.cluster.api import Cluster
from tests.cluster.apiserver import ApiServer
from tests.cluster.kubelet import Kubelet


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """The API server, configured as a user's client finds it: by KUBECONFIG."""
    with ApiServer() as server:
        monkeypatch.setenv("KUBECONFIG", server.kubeconfig(tmp_path / "kubeconfig"))
        yield server


@pytest.fixture
def cluster(api: ApiServer) -> Cluster:
    """Our client of it."""
    return Cluster("raftops")


@pytest.fixture
def kubelet(api: ApiServer) -> Iterator[Kubelet]:
    """Pods run."""
    with Kubelet(api) as running:
        yield running
