"""Manifests: well-formed, all listed, references resolve, and no account may do more than it needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "manifests"
BASE = FOLDER / "base"
LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def documents(folder: Path) -> list[dict[str, Any]]:
    files = [path for path in sorted(folder.glob("*.yaml")) if path.name != "kustomization.yaml"]
    return [document for path in files for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def kustomization(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8")))


ALL = documents(BASE)
OVERLAYS = sorted(path.parent for path in FOLDER.glob("overlays/*/kustomization.yaml"))


def of(kind: str) -> dict[str, dict[str, Any]]:
    found = {document["metadata"]["name"]: document for document in ALL if document["kind"] == kind}
    assert found
    return found


@pytest.mark.parametrize("folder", [BASE, *OVERLAYS], ids=lambda path: path.name)
def test_a_kustomization_lists_every_file_beside_it_and_nothing_that_is_not_there(folder: Path) -> None:
    listed = kustomization(folder)
    paths = [*listed.get("resources", []), *(patch["path"] for patch in listed.get("patches", []))]
    assert all((folder / path).exists() for path in paths)
    assert {p.name for p in folder.glob("*.yaml")} - {"kustomization.yaml"} == {p for p in paths if "/" not in p}


@pytest.mark.parametrize("document", ALL, ids=lambda d: f"{d['kind']}-{d['metadata']['name']}")
def test_names_are_labels_and_everything_lies_in_our_namespace(document: dict[str, Any]) -> None:
    assert re.fullmatch(LABEL, document["metadata"]["name"])
    if document["kind"] != "Namespace":
        assert document["metadata"]["namespace"] in of("Namespace")


def test_no_two_documents_have_the_same_name() -> None:
    names = [(document["kind"], document["metadata"]["name"]) for document in ALL]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_an_overlay_changes_what_the_base_has(overlay: Path) -> None:
    base = {(document["kind"], document["metadata"]["name"]) for document in ALL}
    patched = [(document["kind"], document["metadata"]["name"]) for document in documents(overlay)]
    assert patched and set(patched) <= base


def test_pods_are_restricted() -> None:
    labels = of("Namespace")["raftops"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_binding_joins_an_account_and_a_role_that_exist() -> None:
    for binding in of("RoleBinding").values():
        assert binding["roleRef"]["name"] in of("Role")
        for subject in binding["subjects"]:
            assert subject["name"] in of("ServiceAccount")
            assert subject["namespace"] == binding["metadata"]["namespace"]


def test_no_role_reaches_beyond_the_namespace_or_uses_a_wildcard() -> None:
    assert not {"ClusterRole", "ClusterRoleBinding"} & {document["kind"] for document in ALL}
    for role in of("Role").values():
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_secrets_are_read_by_name_or_not_at_all() -> None:
    for role in of("Role").values():
        for rule in role["rules"]:
            if "secrets" in rule["resources"]:
                assert rule["verbs"] == ["get"] and rule["resourceNames"]


def test_nobody_may_delete_or_run_commands_in_pods() -> None:
    verbs = {(verb, resource) for role in of("Role").values() for rule in role["rules"]
             for verb in rule["verbs"] for resource in rule["resources"]}  # fmt: skip
    assert not any(verb in ("delete", "deletecollection", "escalate", "bind") for verb, _ in verbs)
    assert not any(resource.startswith(("pods/exec", "pods/attach")) for _, resource in verbs)


def test_secrets_carry_no_values() -> None:
    assert all("data" not in secret and "stringData" not in secret for secret in of("Secret").values())


def test_traffic_is_denied_unless_it_is_allowed() -> None:
    deny = of("NetworkPolicy")["default-deny"]["spec"]
    assert deny["podSelector"] == {} and set(deny["policyTypes"]) == {"Ingress", "Egress"}
    assert "ingress" not in deny and "egress" not in deny


def test_every_opening_names_its_ports() -> None:
    for policy in of("NetworkPolicy").values():
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            assert rule["ports"] and all(0 < port["port"] < 65536 for port in rule["ports"])


def test_nothing_comes_in_from_just_anywhere() -> None:
    for policy in of("NetworkPolicy").values():
        assert all(rule.get("from") for rule in policy["spec"].get("ingress", []))
