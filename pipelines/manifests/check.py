"""All rules over all resources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pipelines.manifests.autoscalers import autoscalers
from pipelines.manifests.bounds import bounds
from pipelines.manifests.choices import choices
from pipelines.manifests.claims import claims
from pipelines.manifests.dashboards import dashboards
from pipelines.manifests.definitions import kinds
from pipelines.manifests.disks import disks
from pipelines.manifests.extensions import extensions
from pipelines.manifests.finding import Finding
from pipelines.manifests.images import images
from pipelines.manifests.index import Index
from pipelines.manifests.ingress import ingress
from pipelines.manifests.jobs import jobs
from pipelines.manifests.launcher import launcher
from pipelines.manifests.links import links
from pipelines.manifests.metadata import metadata
from pipelines.manifests.names import names
from pipelines.manifests.plumbing import plumbing
from pipelines.manifests.pods import pods
from pipelines.manifests.quantities import quantities
from pipelines.manifests.quotas import quotas
from pipelines.manifests.references import references
from pipelines.manifests.resource import Resource
from pipelines.manifests.rights import rights
from pipelines.manifests.rollouts import rollouts
from pipelines.manifests.schedules import schedules
from pipelines.manifests.schema import MINORS, definitions, shapes
from pipelines.manifests.security import security
from pipelines.manifests.selectors import selectors
from pipelines.manifests.services import services
from pipelines.manifests.stored import stored
from pipelines.manifests.workloads import workloads
from raftops.errors import ManifestError

DEFAULT_MINOR = "1.33"
_ALONE: tuple[Callable[[Resource], Iterator[Finding]], ...] = (
    metadata, choices, selectors, quantities, workloads, jobs, schedules, rights, stored, bounds, dashboards,
    extensions, disks, kinds,
)  # fmt: skip
"""Rules that need one resource only."""
_BY_MINOR: tuple[Callable[[Resource, int], Iterator[Finding]], ...] = (
    names, rollouts, services, plumbing, autoscalers, claims, quotas, ingress, pods,
)  # fmt: skip
"""Rules of which servers of some minor versions have another."""


def check(resources: Sequence[Resource], kubernetes: str = DEFAULT_MINOR, production: bool = False) -> list[Finding]:
    """Everything that is wrong with resources that are applied together, each mistake once, in their order.

    Args:
        kubernetes: minor version of the server, 1.30 to 1.36.
        production: whether every image must have a digest that is set.

    Raises:
        ManifestError: no schemas of that minor version.
    """
    if kubernetes not in MINORS:
        raise ManifestError(f"Kubernetes {kubernetes}: no schemas", next_step=f"one of {', '.join(MINORS)}")
    return list(dict.fromkeys(_all(resources, kubernetes, production)))


def _all(resources: Sequence[Resource], kubernetes: str, production: bool) -> Iterator[Finding]:
    published, index, minor = definitions(resources), Index(resources), int(kubernetes.rpartition(".")[2])
    for resource in resources:
        yield from shapes(resource, kubernetes, published)
        for rule in _ALONE:
            yield from rule(resource)
        for dated in _BY_MINOR:
            yield from dated(resource, minor)
        yield from images(resource, production)
    yield from security(resources, minor)
    yield from references(index)
    yield from links(index)
    yield from launcher(index)
