"""All rules over all resources."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.manifests.forms import forms, images
from pipelines.manifests.launcher import launcher
from pipelines.manifests.links import links
from pipelines.manifests.references import Index, references
from pipelines.manifests.resource import Finding, Resource
from pipelines.manifests.schema import MINORS, shapes
from pipelines.manifests.security import security
from raftops.errors import ManifestError


def check(resources: Sequence[Resource], kubernetes: str = "1.33", production: bool = False) -> list[Finding]:
    """Everything that is wrong with resources that are applied together, each mistake once.

    `kubernetes` is one of `MINORS`, else ManifestError; for production every image needs a digest that is set.
    """
    if kubernetes not in MINORS:
        raise ManifestError(f"Kubernetes {kubernetes}: no schemas", next_step=f"one of {', '.join(MINORS)}")
    found: list[Finding] = []
    for resource in resources:
        found += [*shapes(resource, kubernetes), *forms(resource), *images(resource, production)]
    index = Index(resources)
    for rule in (security, references, links, launcher):
        found += rule(index)
    return list(dict.fromkeys(found))
