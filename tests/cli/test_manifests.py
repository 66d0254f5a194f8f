"""`raftops manifests check` and `pin`: what a person reads, what a machine reads, the exit code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
OVERLAYS = Path(__file__).parents[2] / "manifests" / "overlays"
SPECS = Path(__file__).parents[2] / "specs"
BROKEN = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 70000}]}\n"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN, encoding="utf-8")
    return path


def test_an_overlay_in_order_ends_with_0(raftops: Run) -> None:
    ended = raftops("manifests", "check", OVERLAYS / "laptop", "--kubernetes", "1.36")
    assert ended.code == 0
    assert "Kubernetes 1.36: nothing found; the server knows more: --server" in ended.out


def test_a_finding_says_which_where_what_and_what_next(raftops: Run, broken: Path) -> None:
    ended = raftops("manifests", "check", broken)
    assert ended.code == 1
    assert "Service default/web: spec.ports[0].port: 70000 is not a port" in ended.out
    assert "next: from 1 to 65535" in ended.out


def test_a_machine_reads_json(raftops: Run, broken: Path) -> None:
    ended = raftops("--output", "json", "manifests", "check", OVERLAYS / "laptop", broken)
    assert ended.code == 1
    overlay, files = json.loads(ended.out)["checked"]
    assert overlay["findings"] == [] and overlay["resources"] > 10
    assert files["findings"] == [
        {
            "resource": "Service default/web",
            "path": "spec.ports[0].port",
            "what": "70000 is not a port",
            "next_step": "from 1 to 65535",
        }
    ]


def test_production_wants_digests(raftops: Run) -> None:
    ended = raftops("manifests", "check", OVERLAYS / "production", "--production")
    assert ended.code == 1
    assert "has a digest that is not set yet" in ended.out


def test_files_are_checked_together_and_folders_by_themselves(raftops: Run, tmp_path: Path) -> None:
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: team}\n"
    binding = (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b, namespace: team}\n"
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\n"
        "subjects: [{kind: ServiceAccount, name: a, namespace: team}]\n"
    )
    (tmp_path / "a.yaml").write_text(account, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(binding, encoding="utf-8")
    assert raftops("manifests", "check", tmp_path / "a.yaml", tmp_path / "b.yaml").code == 0
    assert raftops("manifests", "check", tmp_path / "b.yaml").code == 1
    assert raftops("manifests", "check", tmp_path).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"), [(["none.yaml"], "no such file"), ([OVERLAYS / "laptop", "--kubernetes", "1.20"], "1.20")]
)
def test_what_cannot_be_checked_ends_with_1_and_one_line(raftops: Run, arguments: list[Any], message: str) -> None:
    ended = raftops("manifests", "check", *arguments)
    assert ended.code == 1
    assert message in ended.err and "next:" in ended.err


def test_recorded_digests_are_written_into_an_overlay(raftops: Run, tmp_path: Path) -> None:
    shutil.copytree(OVERLAYS.parent, tmp_path / "manifests")
    overlay, digest = tmp_path / "manifests" / "overlays" / "production", "sha256:" + "7" * 64
    record = tmp_path / "images.yaml"
    record.write_text(f"spec: {{platform: {{images: {{deploy: mine/deploy@{digest}}}}}}}\n", encoding="utf-8")
    ended = raftops("manifests", "pin", overlay, "--from", record)
    assert ended.code == 0 and f"ghcr.io/raftops/deploy is mine/deploy@{digest}" in ended.out
    assert "next: --image docker.io/milvusdb/milvus@sha256:..." in ended.out
    ended = raftops("manifests", "pin", overlay, "--from", record, "--image", f"docker.io/milvusdb/milvus@{digest}")
    assert ended.code == 0
    assert raftops("manifests", "check", overlay, "--production").code == 0


def test_without_a_record_the_user_is_told_how_to_get_one(raftops: Run, tmp_path: Path) -> None:
    ended = raftops("manifests", "pin", OVERLAYS / "production", "--from", tmp_path / "none.yaml")
    assert ended.code == 1 and "next: make images PUSH=1" in ended.err
    assert "Errno" not in ended.err and "none.yaml: not there; `make images PUSH=1` records" in ended.err


def test_kinds_without_a_schema_are_named_and_fail_nothing(raftops: Run) -> None:
    ended = raftops("manifests", "check", OVERLAYS / "production")
    assert ended.code == 0
    assert "not checked, for want of a schema: Milvus (milvus.io/v1beta1)" in ended.err and "--server" in ended.err


def test_a_spec_that_means_another_claim_is_found(raftops: Run, tmp_path: Path) -> None:
    spec, bucket = SPECS / "handbook.yaml", SPECS / "env" / "bucket.yaml"
    assert raftops("manifests", "check", OVERLAYS / "production", "--spec", spec, "-f", bucket).code == 0
    mine = tmp_path / "mine.yaml"
    mine.write_text("spec: {platform: {workspace: raftops-shop}}\n", encoding="utf-8")
    ended = raftops("manifests", "check", OVERLAYS / "production", "--spec", spec, "-f", mine)
    assert (
        ended.code == 1 and "handbook.yaml: spec.platform.workspace: no PersistentVolumeClaim raftops-shop" in ended.out
    )
    assert "next: did you mean raftops-store?" in ended.out


def test_the_server_is_asked_where_the_user_wants_it(
    raftops: Run, broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = 'The Service "web" is invalid: spec.type: Unsupported value: "x"'
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl").write_text(f"#!/bin/sh\necho '{refusal}' >&2\nexit 1\n", encoding="utf-8")
    (tmp_path / "bin" / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    ended = raftops("manifests", "check", broken, "--server")
    assert ended.code == 1 and "Service default/web: spec.type: Unsupported value" in ended.out
    assert "and the server: 2 findings" in ended.out
