"""Every rule about a pod and its containers, for a minor version of the server."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.manifests.containers import containers
from pipelines.manifests.contexts import contexts
from pipelines.manifests.finding import Finding
from pipelines.manifests.hosts import hosts
from pipelines.manifests.mounts import mounts
from pipelines.manifests.probes import probes
from pipelines.manifests.resource import Resource
from pipelines.manifests.scheduling import scheduling
from pipelines.manifests.shares import shares
from pipelines.manifests.variables import variables
from pipelines.manifests.volumes import volumes


def pods(resource: Resource, minor: int) -> Iterator[Finding]:
    """Mistakes in the pods that a resource makes."""
    for pod in resource.pods:
        yield from volumes(pod)
        yield from scheduling(pod)
        yield from hosts(pod, minor)
        yield from contexts(pod)
        yield from shares(pod, minor)
        for container in pod.containers():
            yield from containers(container, minor)
            yield from probes(container, minor)
            yield from variables(container, minor)
            yield from mounts(container)
