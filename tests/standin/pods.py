"""The pods that come of a compiled pipeline: what Argo's template of KFP has, and what KFP's driver patches into it.

Written after backend/src/v2/compiler/argocompiler/container.go and backend/src/v2/driver/k8s.go of KFP 2.x. A pod
stands here as Kubernetes is asked for it, so that our own validator can say whether Kubernetes would take it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

_HARDENED = {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip
"""What KFP's server gives every container beside what the task says."""
_OWN = {
    "kfp-launcher": "/kfp-launcher", "gcs-scratch": "/gcs", "s3-scratch": "/s3", "minio-scratch": "/minio",
    "dot-local-scratch": "/.local", "dot-cache-scratch": "/.cache", "dot-config-scratch": "/.config",
    "var-run-argo": "/var/run/argo", "tmp-dir-argo": "",
}  # fmt: skip
"""Volumes that KFP and Argo give every pod, and where the main container has them."""


def pods(text: str, namespace: str = "team") -> dict[str, dict[str, Any]]:
    """A pod for every executor of a compiled file, by the executor's name without `exec-`."""
    pipeline, platform = yaml.safe_load_all(text)
    executors = pipeline["deploymentSpec"]["executors"]
    patches = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    names = {label: label.removeprefix("exec-") for label in executors}
    return {
        name: _pod(name, executors[label]["container"], patches.get(label, {}), namespace)
        for label, name in names.items()
    }  # fmt: skip


def _pod(name: str, container: dict[str, Any], patch: dict[str, Any], namespace: str) -> dict[str, Any]:
    volumes, mounts = _volumes(patch)
    main = {
        "name": "main", "image": container["image"], "command": ["/kfp-launcher/launch"],
        "resources": _resources(container["resources"]), "env": list(_variables(patch)), "volumeMounts": mounts,
        "securityContext": _HARDENED | _numbers(patch.get("securityContext", {})),
    }  # fmt: skip
    main |= {"imagePullPolicy": patch["imagePullPolicy"]} if patch.get("imagePullPolicy") else {}
    spec: dict[str, Any] = {
        "restartPolicy": "Never", "containers": [main], "volumes": volumes, "automountServiceAccountToken": True,
        "activeDeadlineSeconds": int(patch["activeDeadlineSeconds"]), "tolerations": patch.get("tolerations", []),
        "imagePullSecrets": [{"name": _constant(row, "secretName")} for row in patch.get("imagePullSecret", ())],
    }  # fmt: skip
    selector = patch.get("nodeSelector", {}).get("nodeSelectorJson")
    spec |= {"nodeSelector": selector["runtimeValue"]["constant"]} if selector else {}
    spec |= {"affinity": {"nodeAffinity": affinity}} if (affinity := _affinity(patch.get("nodeAffinity", ()))) else {}
    metadata = {"name": f"run-{name}", "namespace": namespace} | patch.get("podMetadata", {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _resources(asked: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The accelerator is a limit only; Kubernetes takes its request from there."""
    requests = {"cpu": asked["resourceCpuRequest"], "memory": asked["resourceMemoryRequest"]}
    limits = {"cpu": asked["resourceCpuLimit"], "memory": asked["resourceMemoryLimit"]}
    device = asked.get("accelerator")
    return {
        "requests": requests,
        "limits": limits | ({device["resourceType"]: device["resourceCount"]} if device else {}),
    }


def _variables(patch: dict[str, Any]) -> Iterable[dict[str, Any]]:
    kinds = (("secretAsEnv", "secretName", "secretKey", "secretKeyRef"),
             ("configMapAsEnv", "configMapName", "configMapKey", "configMapKeyRef"))  # fmt: skip
    for field, named, key, ref in kinds:
        for source in patch.get(field, ()):
            for given in source["keyToEnv"]:
                where = {"name": _constant(source, named), "key": given[key], "optional": source["optional"]}
                yield {"name": given["envVar"], "valueFrom": {ref: where}}


def _volumes(patch: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Argo merges the patch by names: a volume named twice is one, with the sources of both."""
    volumes: dict[str, dict[str, Any]] = {name: {"name": name, "emptyDir": {}} for name in _OWN}
    mounts: list[dict[str, Any]] = [{"name": name, "mountPath": place} for name, place in _OWN.items() if place]
    for row in patch.get("pvcMount", ()):
        claim = _constant(row, "pvcName", "constant")
        source = {"persistentVolumeClaim": {"claimName": claim}}
        mounts.append(_mounted(volumes, claim, source, row["mountPath"], row.get("subPath", "")))
    for row in patch.get("configMapAsVolume", ()):
        name = _constant(row, "configMapName")
        source = {"configMap": {"name": name, "optional": row["optional"]}}
        mounts.append(_mounted(volumes, name, source, row["mountPath"]))
    for row in patch.get("emptyDirMounts", ()):
        source = {"emptyDir": {name: row[name] for name in ("medium", "sizeLimit") if row.get(name)}}
        mounts.append(_mounted(volumes, row["volumeName"], source, row["mountPath"]))
    return list(volumes.values()), mounts


def _mounted(
    volumes: dict[str, dict[str, Any]], name: str, source: dict[str, Any], path: str, below: str = ""
) -> dict[str, Any]:
    volumes[name] = volumes.get(name, {"name": name}) | source
    return {"name": name, "mountPath": path} | ({"subPath": below} if below else {})


def _affinity(terms: Iterable[dict[str, Any]]) -> dict[str, Any]:
    weighed = [(term.get("weight"), {"matchExpressions": term["matchExpressions"]}) for term in terms]
    required = [term for weight, term in weighed if weight is None]
    preferred = [{"weight": weight, "preference": term} for weight, term in weighed if weight is not None]
    told: dict[str, Any] = {}
    if required:
        told["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": required}
    return told | ({"preferredDuringSchedulingIgnoredDuringExecution": preferred} if preferred else {})


def _constant(row: dict[str, Any], name: str, older: str = "") -> str:
    """A name as the newer field says it; the older one says the same."""
    value = row[f"{name}Parameter"]["runtimeValue"]["constant"]
    assert value == row[older or name]
    return str(value)


def _numbers(context: dict[str, Any]) -> dict[str, Any]:
    """64-bit numbers are texts in protojson."""
    return {name: int(value) if isinstance(value, str) else value for name, value in context.items()}
