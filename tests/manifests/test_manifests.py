"""What we ship: every overlay passes for every minor version, and no account may do more than it needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.images import image
from pipelines.manifests import MINORS, Resource, check
from pipelines.manifests.read import read
from pipelines.manifests.references import Index
from raftops.spec.model.serving import Audit, Signing
from tests.manifests.samples import FOLDER, OVERLAYS, all_kinds, everything, overlay

FOLDERS = [FOLDER / "base", *sorted(FOLDER.glob("components/*")), *sorted(FOLDER.glob("overlays/*"))]
ISSUES_OWN = {"laptop", "gpu", "production"}


def of(kind: str, resources: tuple[Resource, ...] | None = None) -> dict[str, dict[str, Any]]:
    found = {
        r.name: dict(r.body) for r in resources or all_kinds() if r.kind == kind and r.namespace in ("", "raftops")
    }
    assert found
    return found


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_passes(name: str, minor: str) -> None:
    assert check(overlay(name), minor) == []


@pytest.mark.parametrize("minor", MINORS)
def test_production_with_every_option_and_its_digests_passes(minor: str) -> None:
    assert check(everything(), minor, production=True) == []


def test_production_as_shipped_lacks_the_digests_and_nothing_else() -> None:
    found = {(f.resource, f.path) for f in check(overlay("production"), production=True)}
    assert found == {
        ("Deployment raftops/raftops-service", "spec.template.spec.containers[0].image"),
        ("Milvus raftops-milvus/milvus", "spec.components.image"),
    }


def test_the_overlays_are_there() -> None:
    assert set(OVERLAYS) == ISSUES_OWN


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_kustomization_uses_every_file_beside_it(folder: Path) -> None:
    content = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    used = [*content.get("resources", []), *content.get("configurations", [])]
    used += [patch["path"] for patch in content.get("patches", [])]
    used += [file for generator in content.get("configMapGenerator", []) for file in generator["files"]]
    assert {path.name for path in folder.iterdir()} - {"kustomization.yaml"} == {
        name for name in used if "/" not in name
    }


@pytest.mark.parametrize("name", OVERLAYS)
def test_everything_says_whose_it_is(name: str) -> None:
    for resource in overlay(name):
        assert resource.body["metadata"]["labels"]["app.kubernetes.io/part-of"] == "raftops"


class TestAccounts:
    """Least privilege."""

    def test_a_step_hands_in_results_and_finds_its_store_and_trains(self) -> None:
        assert rights("raftops-runner") == {
            ("create", "workflowtaskresults"), ("patch", "workflowtaskresults"), ("get", "pods"),
            ("get", "configmaps/kfp-launcher"), ("get", "secrets/mlpipeline-minio-artifact"),
            ("get", "secrets/raftops-artifacts"),
            *((verb, "trainjobs") for verb in ("get", "list", "watch", "create", "patch")),
            *((verb, what) for verb in ("get", "list", "watch") for what in ("pods", "events")), ("get", "pods/log"),
        }  # fmt: skip

    def test_on_a_laptop_it_does_not_train_on_many_nodes(self) -> None:
        assert not any(what == "trainjobs" for _, what in rights("raftops-runner", overlay("laptop")))

    def test_without_a_bucket_of_ours_it_reads_no_keys_of_one(self) -> None:
        assert ("get", "secrets/raftops-artifacts") not in rights("raftops-runner", overlay("laptop"))

    def test_a_run_that_deploys_may_write_the_service_beside_that_and_delete_nothing(self) -> None:
        found = rights("raftops-deployer")
        assert rights("raftops-runner") < found
        assert {what for verb, what in found - rights("raftops-runner") if verb in ("create", "patch")} == {
            "deployments", "services", "configmaps",
        }  # fmt: skip
        assert {what for _, what in found if what.startswith("secrets")} == {
            "secrets/mlpipeline-minio-artifact", "secrets/raftops-artifacts",
        }  # fmt: skip
        assert not {verb for verb, _ in found} & {"delete", "deletecollection", "update", "escalate", "bind"}
        assert not any(what.startswith(("pods/exec", "pods/attach", "pods/portforward")) for _, what in found)

    def test_the_service_has_no_rights_and_no_token(self) -> None:
        assert rights("raftops-service") == set()
        assert of("ServiceAccount")["raftops-service"]["automountServiceAccountToken"] is False

    def test_no_right_reaches_beyond_the_namespace(self) -> None:
        assert not {"ClusterRole", "ClusterRoleBinding"} & {resource.kind for resource in all_kinds()}


def rights(account: str, resources: tuple[Resource, ...] | None = None) -> set[tuple[str, str]]:
    """(verb, resource or resource/name) of an account."""
    roles, bindings = of("Role", resources), of("RoleBinding", resources)
    bound = [
        roles[binding["roleRef"]["name"]]
        for binding in bindings.values()
        if account in [subject["name"] for subject in binding["subjects"]]
    ]
    return {right for role in bound for rule in role["rules"] for right in _of_rule(rule)}


def _of_rule(rule: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for verb in rule["verbs"]:
        for resource in rule["resources"]:
            yield from ((verb, f"{resource}/{name}") for name in rule.get("resourceNames", []))
            if not rule.get("resourceNames"):
                yield verb, resource


class TestTraffic:
    """Nothing in, nothing out, but for what is named."""

    def test_every_opening_names_its_ports(self) -> None:
        for policy in of("NetworkPolicy").values():
            for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
                assert rule["ports"]

    def test_nothing_comes_in_from_just_anywhere(self) -> None:
        for policy in of("NetworkPolicy").values():
            for rule in policy["spec"].get("ingress", []):
                assert rule["from"] and {} not in rule["from"]

    def test_nobody_outside_is_reached_but_by_https_and_no_cloud_hands_out_its_credentials(self) -> None:
        for policy in of("NetworkPolicy").values():
            for rule in policy["spec"].get("egress", []):
                wide = [
                    peer["ipBlock"] for peer in rule["to"] if peer.get("ipBlock", {}).get("cidr", "").endswith("/0")
                ]
                assert not wide or {port["port"] for port in rule["ports"]} <= {443, 6443}
                assert all("169.254.0.0/16" in block["except"] or ":" in block["cidr"] for block in wide)

    def test_what_is_open_to_the_world_is_open_in_both_families_of_addresses(self) -> None:
        for policy in of("NetworkPolicy").values():
            for rule in policy["spec"].get("egress", []):
                networks = {peer.get("ipBlock", {}).get("cidr") for peer in rule["to"]}
                assert ("0.0.0.0/0" in networks) == ("::/0" in networks)

    @pytest.mark.parametrize("name", OVERLAYS)
    def test_steps_and_service_reach_milvus_in_every_overlay(self, name: str) -> None:
        index = Index(overlay(name))
        address = index.get("Service", "raftops", "milvus")
        assert address is not None
        outside = address.body["spec"].get("externalName", "").split(".")[1:2]
        there = [r for r in index.resources if r.namespace == (outside or ["raftops"])[0]]
        assert [r for r in there if r.kind == "Milvus" or r.pod_labels.get("app.kubernetes.io/name") == "milvus"]


class TestService:
    """The BentoML deployment."""

    def test_an_answer_that_is_being_streamed_is_finished(self) -> None:
        pod = of("Deployment")["raftops-service"]["spec"]["template"]["spec"]
        container = pod["containers"][0]
        words, seconds = container["args"], container["lifecycle"]["preStop"]["sleep"]["seconds"]
        graceful = int(words[words.index("--timeout-graceful-shutdown") + 1])
        longest = int(of("ConfigMap")["raftops-service"]["data"]["RAFTOPS_TIMEOUT"])
        assert longest < graceful < graceful + seconds < pod["terminationGracePeriodSeconds"]

    def test_it_serves_what_the_library_names(self) -> None:
        from raftops.service.launch import SERVICE

        container = of("Deployment")["raftops-service"]["spec"]["template"]["spec"]["containers"][0]
        assert container["command"][-1] == SERVICE

    def test_its_image_is_of_this_version(self) -> None:
        container = of("Deployment", overlay("laptop"))["raftops-service"]["spec"]["template"]["spec"]["containers"][0]
        assert container["image"] == image("deploy")

    def test_it_writes_nothing_but_its_temporary_folder(self) -> None:
        container = of("Deployment")["raftops-service"]["spec"]["template"]["spec"]["containers"][0]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        writes = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
        assert set(writes) == {"/tmp", "/dev/shm"}  # noqa: S108  inside the container

    def test_in_production_it_serves_signed_releases_alone_and_has_no_private_key(self) -> None:
        settings = of("ConfigMap", overlay("production"))["raftops-service"]["data"]
        wanted = Signing.model_validate_json(settings["RAFTOPS_SIGNING"])
        assert wanted.required
        spec = of("Deployment", overlay("production"))["raftops-service"]["spec"]["template"]["spec"]
        [mount] = [m for m in spec["containers"][0]["volumeMounts"] if wanted.public_key.startswith(m["mountPath"])]
        [volume] = [v for v in spec["volumes"] if v["name"] == mount["name"]]
        key = of("ConfigMap", overlay("production"))[volume["configMap"]["name"]]["data"]
        assert mount["readOnly"] and Path(wanted.public_key).name in key
        assert "raftops-signing" not in {v.get("secret", {}).get("secretName") for v in spec["volumes"]}
        assert not [e for e in spec["containers"][0]["env"] if "SIGNING" in e["name"]]

    @pytest.mark.parametrize("name", OVERLAYS)
    def test_who_was_shown_what_goes_to_its_output(self, name: str) -> None:
        settings = of("ConfigMap", overlay(name))["raftops-service"]["data"]
        assert Audit.model_validate_json(settings["RAFTOPS_AUDIT"]).to == "stdout"

    def test_replicas_are_spread_and_scaled_and_never_all_away(self) -> None:
        spec = of("Deployment", overlay("production"))["raftops-service"]["spec"]
        spread = {row["topologyKey"] for row in spec["template"]["spec"]["topologySpreadConstraints"]}
        assert spread == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert of("HorizontalPodAutoscaler")["raftops-service"]["spec"]["minReplicas"] >= 2
        assert of("PodDisruptionBudget")["raftops-service"]["spec"]["maxUnavailable"] == 1


def test_argo_cd_keeps_an_overlay_that_there_is() -> None:
    spec = read(FOLDER / "argo-cd")[0].body["spec"]
    assert (FOLDER.parent / spec["source"]["path"] / "kustomization.yaml").is_file()


def test_the_api_server_of_a_laptop_is_reached_at_minikubes_port() -> None:
    rules = of("NetworkPolicy", overlay("laptop"))["allow-steps"]["spec"]["egress"]
    wide = [rule for rule in rules if any("ipBlock" in peer for peer in rule["to"])]
    assert [{port["port"] for port in rule["ports"]} for rule in wide] == [{443, 6443, 8443}]


def test_kubeflow_and_the_specs_mean_the_same_bucket() -> None:
    data = of("ConfigMap", overlay("production"))["kfp-launcher"]["data"]
    place = yaml.safe_load(data["providers"])["s3"]["default"]
    said = yaml.safe_load((FOLDER.parent / "specs" / "env" / "bucket.yaml").read_text(encoding="utf-8"))
    for storage in (said["spec"]["platform"]["artifacts"], said["spec"]["platform"]["dvc"]):
        keys = [storage[name] for name in ("access_key", "secret_key")]
        assert (place["endpoint"], place["region"]) == (storage["endpoint"], storage["region"])
        ref = place["credentials"]["secretRef"]
        assert {key["secret"] for key in keys} == {ref["secretName"]}
        assert [key["key"] for key in keys] == [ref["accessKeyKey"], ref["secretKeyKey"]]
    bucket = said["spec"]["platform"]["artifacts"]["uri"].split("/")[2]
    assert data["defaultPipelineRoot"].startswith(f"s3://{bucket}/")


def test_secrets_carry_no_values_and_name_their_keys() -> None:
    for name, secret in of("Secret", overlay("production")).items():
        assert "data" not in secret and "stringData" not in secret
        assert secret["metadata"]["annotations"]["raftops.io/keys"], name
