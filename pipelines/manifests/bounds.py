"""What we ask for beyond a server: every container says what it needs, and how much memory it takes at most."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.manifests.finding import Finding
from pipelines.manifests.resource import Resource, at, mapping


def bounds(resource: Resource) -> Iterator[Finding]:
    """Containers that may take a whole node, or that the scheduler knows nothing about."""
    for pod in resource.pods:
        for container in pod.containers("initContainers", "containers"):
            asked, path = mapping(container.body.get("resources")), (*container.path, "resources")
            if at(asked, "limits", "memory") is None:
                yield resource.finding((*path, "limits", "memory"), "missing", "say how much at most")
            for name in ("cpu", "memory"):
                if at(asked, "requests", name) is None and at(asked, "limits", name) is None:
                    yield resource.finding((*path, "requests", name), "missing", "say how much it needs")
