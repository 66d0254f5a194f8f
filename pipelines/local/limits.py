"""What a compiled pipeline asks for each task: image, cpu, memory, GPUs, time, secrets. Knows no spec.

The cluster reads the same fields. What only Kubernetes can give (nodes, tolerations, volumes by claim) is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.wiring.quantities import quantity

_COMPONENT = "comp-"


@dataclass(frozen=True)
class Limits:
    """What one task may use. Zero means that the file sets no limit."""

    image: str
    cpu: float = 0.0
    """Cores."""
    memory: int = 0
    """Bytes."""
    accelerator: str = ""
    """Resource name, such as nvidia.com/gpu."""
    accelerators: int = 0
    shared_memory: int = 0
    """Bytes of /dev/shm."""
    seconds: int = 0
    """Longest run."""
    secrets: tuple[str, ...] = ()
    """Environment variables that carry secrets."""


def limits(pipeline: Mapping[str, Any], platform: Mapping[str, Any]) -> dict[str, Limits]:
    """The limits of every task of a compiled pipeline, by the name of its component without `comp-`."""
    executors = pipeline["deploymentSpec"]["executors"]
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if platform else {}
    return {
        name.removeprefix(_COMPONENT): _limits(executors[label]["container"], pods.get(label, {}))
        for name, component in pipeline["components"].items()
        if (label := component.get("executorLabel")) and "container" in executors[label]
    }


def _limits(container: Mapping[str, Any], pod: Mapping[str, Any]) -> Limits:
    resources = container.get("resources", {})
    accelerator = resources.get("accelerator", {})
    return Limits(
        image=container["image"],
        cpu=quantity(resources.get("resourceCpuLimit", "0")),
        memory=int(quantity(resources.get("resourceMemoryLimit", "0"))),
        accelerator=accelerator.get("resourceType", ""),
        accelerators=int(accelerator.get("resourceCount", 0)),
        shared_memory=_shared_memory(pod),
        seconds=int(pod.get("activeDeadlineSeconds", 0)),
        secrets=tuple(
            sorted(named["envVar"] for secret in pod.get("secretAsEnv", ()) for named in secret.get("keyToEnv", ()))
        ),
    )


def _shared_memory(pod: Mapping[str, Any]) -> int:
    sizes = (
        mount.get("sizeLimit", "0") for mount in pod.get("emptyDirMounts", ()) if mount.get("mountPath") == "/dev/shm"
    )  # fmt: skip
    return int(quantity(next(sizes, "0")))
