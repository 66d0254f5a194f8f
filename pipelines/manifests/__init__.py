"""Kubernetes resources, checked before a cluster sees them: schemas, what a server refuses beyond them, references,
images and the restricted profile.

It stands beside the pipeline, not in the library: what runs on a cluster needs no schemas there.
"""

from pipelines.manifests.check import check
from pipelines.manifests.finding import Finding
from pipelines.manifests.pin import pin, recorded
from pipelines.manifests.read import read
from pipelines.manifests.resource import Resource
from pipelines.manifests.schema import MINORS

__all__ = ["MINORS", "Finding", "Resource", "check", "pin", "read", "recorded"]
