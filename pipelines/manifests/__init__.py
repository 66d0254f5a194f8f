"""Kubernetes resources, checked before a cluster sees them. What a server alone knows, `check --server` asks it."""

from pipelines.manifests.check import check
from pipelines.manifests.launcher import agreement
from pipelines.manifests.pin import pin, recorded
from pipelines.manifests.read import read
from pipelines.manifests.references import Index
from pipelines.manifests.resource import Finding, Resource
from pipelines.manifests.schema import MINORS, unchecked
from pipelines.manifests.server import ask

__all__ = ["MINORS", "Finding", "Index", "Resource", "agreement", "ask", "check", "pin", "read", "recorded",
           "unchecked"]  # fmt: skip
