"""Kubernetes resources, checked before a cluster sees them: schemas, what a server refuses beyond them, references,
images and the restricted profile.

It stands beside the pipeline and not in the library: the library writes resources on a cluster and needs no schemas there.
"""

from pipelines.manifests.check import check
from pipelines.manifests.finding import Finding
from pipelines.manifests.read import read
from pipelines.manifests.resource import Resource
from pipelines.manifests.schema import MINORS

__all__ = ["MINORS", "Finding", "Resource", "check", "read"]
