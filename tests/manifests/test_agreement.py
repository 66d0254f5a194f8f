"""A spec and the manifests mean the same claim, secrets and bucket: neither a server nor a linter knows both."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.manifests import Index, agreement
from tests.manifests.samples import overlay

BUCKET = {"uri": "s3://raftops-artifacts/handbook", "access_key": {"secret": "raftops-artifacts", "key": "access-key"}}


def paths(platform: dict[str, Any], name: str = "production") -> list[str]:
    return [f.path for f in agreement(Index(overlay(name)), {"platform": platform}, "specs/a.yaml")]


@pytest.mark.parametrize(
    ("platform", "path"),
    [
        ({"workspace": "raftops-shop"}, "spec.platform.workspace"),
        ({"volumes": [{"claim": "data", "path": "/data"}]}, "spec.platform.volumes[0].claim"),
        ({"artifacts": BUCKET | {"uri": "s3://elsewhere/x"}}, "spec.platform.artifacts.uri"),
        ({"artifacts": BUCKET | {"access_key": {"secret": "keys", "key": "k"}}},
         "spec.platform.artifacts.access_key.secret"),
        ({"milvus": {"token": {"secret": "raftops-milvus", "key": "tokens"}}}, "spec.platform.milvus.token.secret"),
        ({"resources": {"train": {"config_maps": [{"config_map": "none"}]}}},
         "spec.platform.resources.train.config_maps[0].config_map"),
        ({"kubeflow": {"service_account": "runner"}}, "spec.platform.kubeflow.service_account"),
    ],
)  # fmt: skip
def test_what_a_spec_names_and_no_manifest_has_is_found_at_its_field(platform: dict[str, Any], path: str) -> None:
    assert paths(platform) == [path]


def test_what_agrees_gives_no_finding() -> None:
    token = {"secret": "raftops-milvus", "key": "token", "env": "MILVUS_TOKEN"}
    platform = {"workspace": "raftops-store", "artifacts": BUCKET, "milvus": {"token": token}}
    assert paths(platform | {"kubeflow": {"service_account": "raftops-runner"}}) == []


def test_without_a_bucket_in_the_manifests_none_is_held_against_the_spec() -> None:
    assert paths({"artifacts": {"uri": "s3://raftops-artifacts/handbook"}}, "laptop") == []
