"""All rules over all resources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pipelines.manifests.bounds import bounds
from pipelines.manifests.choices import choices
from pipelines.manifests.dashboards import dashboards
from pipelines.manifests.finding import Finding
from pipelines.manifests.images import images
from pipelines.manifests.index import Index
from pipelines.manifests.ingress import ingress
from pipelines.manifests.launcher import launcher
from pipelines.manifests.links import links
from pipelines.manifests.names import names
from pipelines.manifests.plumbing import plumbing
from pipelines.manifests.quantities import quantities
from pipelines.manifests.references import references
from pipelines.manifests.resource import Resource
from pipelines.manifests.rights import rights
from pipelines.manifests.schema import MINORS, definitions, shapes
from pipelines.manifests.security import security
from pipelines.manifests.workloads import workloads
from raftops.errors import ManifestError

DEFAULT_MINOR = "1.33"
_ALONE: tuple[Callable[[Resource], Iterator[Finding]], ...] = (
    names, choices, quantities, workloads, plumbing, ingress, rights, bounds, dashboards,
)  # fmt: skip
"""Rules that need one resource only."""


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
    published, index = definitions(resources), Index(resources)
    for resource in resources:
        yield from shapes(resource, kubernetes, published)
        for rule in _ALONE:
            yield from rule(resource)
        yield from images(resource, production)
    yield from security(resources)
    yield from references(index)
    yield from links(index)
    yield from launcher(index)
