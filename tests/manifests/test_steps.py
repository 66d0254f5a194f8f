"""Pods of a run, as Kubeflow and Argo make them from a compiled pipeline, in every overlay."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pipelines.manifests import Resource, check
from pipelines.manifests.resource import at
from pipelines.wiring.compile import compile_spec
from raftops.spec.model.platform import USUAL
from raftops.spec.model.serving import Kubernetes
from tests.manifests.samples import DIGEST, FOLDER, OVERLAYS, overlay

HARDENED = {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip
"""What Kubeflow's compiler (argocompiler, applyUserContainerSecurityContext) adds to a task's container."""
SYSTEM = HARDENED | {"runAsNonRoot": True}
"""And to its own launcher; Argo's containers have as much."""


@pytest.fixture
def run(project: Any) -> list[Resource]:
    """Pods of a run that uses what the overlays offer: Milvus, a bucket, the store, several shards."""
    bucket = yaml.safe_load((FOLDER.parent / "specs" / "env" / "bucket.yaml").read_text(encoding="utf-8"))
    token = {"secret": "raftops-milvus", "key": "token", "env": "MILVUS_TOKEN"}
    project.spec["spec"]["platform"] = bucket["spec"]["platform"] | {
        "milvus": {"uri": "http://milvus:19530", "token": token}, "workspace": "raftops-store", "shards": 2,
        "resources": {"train": {"shared_memory": "1Gi"}},
    }  # fmt: skip
    pipeline, platform = yaml.safe_load_all(compile_spec(project.load()).text)
    told = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return [_pod(name, row["container"], told[name]) for name, row in pipeline["deploymentSpec"]["executors"].items()]


def _pod(name: str, container: dict[str, Any], told: dict[str, Any]) -> Resource:
    """The pod of one task: main container, launcher, Argo's `wait`."""
    asked = container["resources"]
    cpu, memory = ({"request": asked[f"resource{n}Request"], "limit": asked[f"resource{n}Limit"]}
                   for n in ("Cpu", "Memory"))  # fmt: skip
    claims = {f"claim-{n}": mount for n, mount in enumerate(told.get("pvcMount", []))}
    empty = {row["volumeName"]: row for row in told.get("emptyDirMounts", [])}
    ours = {k: int(v) if isinstance(v, str) else v for k, v in told["securityContext"].items()}
    mounts = [{"name": n, "mountPath": mount["mountPath"]} for n, mount in (claims | empty).items()]
    volumes = [{"name": n, "persistentVolumeClaim": {"claimName": m["constant"]}} for n, m in claims.items()]
    told_of = ("medium", "sizeLimit")
    volumes += [{"name": n, "emptyDir": {key: m[key] for key in told_of if key in m}} for n, m in empty.items()]
    main = {
        "name": "main", "image": f"ghcr.io/raftops/step@{DIGEST}", "volumeMounts": mounts,
        "env": [_variable(row) for row in told.get("secretAsEnv", [])],
        "resources": {"requests": {"cpu": cpu["request"], "memory": memory["request"]},
                      "limits": {"cpu": cpu["limit"], "memory": memory["limit"]}},
        "securityContext": HARDENED | ours,
    }  # fmt: skip
    small = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}  # the LimitRange's
    system = {"image": f"ghcr.io/kubeflow/kfp-launcher@{DIGEST}", "securityContext": SYSTEM, "resources": small}
    spec = {
        "restartPolicy": "Never", "serviceAccountName": "raftops-deployer",
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "activeDeadlineSeconds": int(told["activeDeadlineSeconds"]), "volumes": volumes,
        "initContainers": [{"name": "kfp-launcher", **system}], "containers": [main, {"name": "wait", **system}],
    }  # fmt: skip
    labels = told["podMetadata"]["labels"] | {"pipelines.kubeflow.org/v2_component": "true"}
    metadata = {"name": name, "namespace": "raftops", "labels": labels}
    return Resource({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, name)


def _variable(row: dict[str, Any]) -> dict[str, Any]:
    [key] = row["keyToEnv"]
    return {
        "name": key["envVar"],
        "valueFrom": {"secretKeyRef": {"name": row["secretName"], "key": key["secretKey"]}},
    }


def _of(resources: tuple[Resource, ...], kind: str) -> dict[str, Any]:
    return next(dict(r.body["spec"]) for r in resources if (r.kind, r.name) == (kind, "raftops"))


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_pod_of_a_run_passes_in_every_overlay(name: str, run: list[Resource]) -> None:
    assert len(run) > len(USUAL)
    assert check([*overlay(name), *run]) == []


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_namespace_of_runs_takes_restricted_pods_only(name: str) -> None:
    [namespace] = [r for r in overlay(name) if (r.kind, r.name) == ("Namespace", "raftops")]
    assert at(namespace.body, "metadata", "labels", "pod-security.kubernetes.io/enforce") == "restricted"


def test_a_step_as_root_is_found(run: list[Resource]) -> None:
    """The check above can fail."""
    [container, *_] = run[0].body["spec"]["containers"]
    container["securityContext"] |= {"runAsUser": 0}
    assert [f.path for f in check([*overlay("laptop"), *run])] == ["spec.containers[0].securityContext.runAsUser"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_quota_asks_for_nothing_that_a_pod_may_lack(name: str, run: list[Resource]) -> None:
    hard = {key for key in _of(overlay(name), "ResourceQuota")["hard"] if key.startswith(("requests.", "limits."))}
    compute = hard - {"requests.storage", "requests.nvidia.com/gpu"}
    [container, *_] = run[0].body["spec"]["containers"]
    said = {f"{way}.{resource}" for way, row in container["resources"].items() for resource in row}
    [default] = [row for row in _of(overlay(name), "LimitRange")["limits"] if row["type"] == "Container"]
    given = {f"requests.{r}" for r in default["defaultRequest"]} | {f"limits.{r}" for r in default["default"]}
    assert compute <= said
    assert compute <= given, "Kubeflow's own containers say nothing"


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_quota_holds_the_service_and_the_largest_step(name: str, run: list[Resource]) -> None:
    """The slots of an assistant count where autoscalers for them are there, both of them at their most."""
    resources = overlay(name)
    hard = _of(resources, "ResourceQuota")["hard"]
    for resource in ("cpu", "memory"):
        steady = sum(_of_workload(r, resources, resource) for r in resources if r.pod_path)
        scalers = [r for r in resources if r.kind == "HorizontalPodAutoscaler" and r.name != "raftops-service"]
        slots = sum(r.body["spec"]["maxReplicas"] * _number(getattr(Kubernetes(), resource)) for r in scalers)
        largest = max(_number(pod.body["spec"]["containers"][0]["resources"]["requests"][resource]) for pod in run)
        assert steady + slots + largest <= _number(hard[f"requests.{resource}"]), resource


def _of_workload(workload: Resource, resources: tuple[Resource, ...], resource: str) -> float:
    """What its pods ask for at their most, one on top while they roll; nothing in another namespace."""
    if workload.namespace != "raftops":
        return 0.0
    scaler = [r for r in resources if r.kind == "HorizontalPodAutoscaler" and r.name == workload.name]
    pods = scaler[0].body["spec"]["maxReplicas"] + 1 if scaler else 1
    asked = (amount for _, amount in workload.pod(f"containers[].resources.requests.{resource}"))
    return pods * sum(_number(amount) for amount in asked)


def _number(text: str) -> float:
    """An amount of Kubernetes: 500m, 2, 16Gi."""
    number = text.rstrip("miGMK")
    return float(number) * {"": 1, "m": 1e-3, "Mi": 2**20, "Gi": 2**30}[text.removeprefix(number)]
