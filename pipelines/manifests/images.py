"""Images: named so that the same bytes run tomorrow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.resource import Resource, select

_REFERENCE = re.compile(
    r"(?P<name>(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?(?::\d+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
UNSET = "sha256:" + "0" * 64
"""Stands in an overlay until the digest of a registry is put there; no image has it."""
_MOVING = ("latest", "main", "master", "nightly", "edge", "dev", "stable")
_OTHERS = {"Milvus": "spec.components.image", "TrainJob": "spec.trainer.image"}


def images(resource: Resource, production: bool) -> Iterator[Finding]:
    """Images without a version or, for production, without a digest."""
    for pod in resource.pods:
        for container in pod.containers():
            if "image" in container.body:
                yield from _pinned(resource, (*container.path, "image"), container.body["image"], production)
    if resource.kind in _OTHERS:
        for path, image in select(resource.body, _OTHERS[resource.kind]):
            yield from _pinned(resource, path, image, production)


def _pinned(resource: Resource, path: Path, image: Any, production: bool) -> Iterator[Finding]:
    match = _REFERENCE.fullmatch(str(image))
    if not match:
        yield resource.finding(
            path, f"{image!r:.80} is not an image", "registry/name:version or registry/name@sha256:…"
        )
        return
    tag, digest = match["tag"], match["digest"]
    if not tag and not digest:
        yield resource.finding(path, f"{image} has no version", "add its tag, better its digest")
    elif tag in _MOVING and not digest:
        yield resource.finding(path, f"{image} moves", "a tag that stays, better a digest")
    elif production and not digest:
        yield resource.finding(path, f"{image} has no digest", "name@sha256:…: a tag can be moved")
    elif production and digest == UNSET:
        mend = f"set the digest of {match['name']} in your registry (images: in kustomization.yaml)"
        yield resource.finding(path, "the digest is not set yet", mend)
