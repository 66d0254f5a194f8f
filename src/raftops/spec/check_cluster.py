"""Checks on what a cluster is asked to do: serve a release, hold to signatures, train on several nodes."""

from __future__ import annotations

from collections.abc import Iterator

from raftops.spec.project import Check, Problem, Project

PEM = "-----BEGIN "
PUBLIC = "-----BEGIN PUBLIC KEY-----"


def cluster_can_serve(project: Project) -> Iterator[Problem]:
    """Pods can verify callers, can be asked before they get traffic, and share an index."""
    deploy, milvus = project.spec.deploy, project.spec.platform.milvus
    if deploy.target != "kubernetes":
        return
    others = ("spec.deploy.target",)
    if not deploy.identity.jwks.startswith("https://"):
        message = "must be an https address where spec.deploy.target is kubernetes: pods have no file of this project"
        yield Problem("spec.deploy.identity.jwks", message, others)
    if deploy.kubernetes.smoke_token is None:
        message = "is needed where spec.deploy.target is kubernetes: nobody else could ask the new pods"
        yield Problem("spec.deploy.kubernetes.smoke_token", message, others)
    if project.spec.platform.workspace is None:
        message = "is needed where spec.deploy.target is kubernetes: pods read the release from that claim"
        yield Problem("spec.platform.workspace", message, others)
    if milvus.uri == "embedded":
        message = "must be a Milvus server where spec.deploy.target is kubernetes: one process alone opens embedded"
        yield Problem("spec.platform.milvus.uri", message, others)


def signatures_can_be_verified(project: Project) -> Iterator[Problem]:
    """Whoever asks for signatures says by whom, with a public key that is there and is public."""
    signing, path = project.spec.deploy.signing, "spec.deploy.signing.public_key"
    key = signing.public_key.strip()
    if not key:
        if signing.required:
            message = "is needed where spec.deploy.signing.required is true: nothing could be verified"
            yield Problem(path, message, ("spec.deploy.signing.required",))
        return
    if not key.startswith(PEM):
        if not project.at(key).is_file():
            yield Problem(path, f"no such file: {project.shown(key)}; give PEM text or the path of a PEM file")
            return
        key = project.at(key).read_text(encoding="utf-8", errors="replace").strip()
    if not key.startswith(PUBLIC):
        yield Problem(path, "is not a public key; it begins with -----BEGIN PUBLIC KEY-----")


def nodes_share_the_work(project: Project) -> Iterator[Problem]:
    """Every process of every node gets as many conversations of a step."""
    train, resources = project.spec.train, project.spec.platform.resources.get("train")
    if train.nodes == 1:
        return
    if project.spec.platform.workspace is None:
        message = "is needed where spec.train.nodes is more than 1: nodes share adapters and checkpoints on that claim"
        yield Problem("spec.platform.workspace", message, ("spec.train.nodes",))
    each = resources.accelerator.count if resources and resources.accelerator else 1
    processes = train.nodes * each
    if train.batch_size % processes:
        message = f"{train.batch_size} does not divide among {train.nodes} nodes of {each}: take a multiple"
        yield Problem("spec.train.batch_size", f"{message} of {processes}", ("spec.train.nodes",))


_DEPLOY = "spec.deploy.target"
CLUSTER_CHECKS: dict[Check, tuple[str, ...]] = {
    cluster_can_serve: (
        _DEPLOY, "spec.deploy.identity", "spec.deploy.kubernetes", "spec.platform.milvus", "spec.platform.workspace",
    ),
    signatures_can_be_verified: ("spec.deploy.signing",),
    nodes_share_the_work: (
        "spec.train.nodes", "spec.train.batch_size", "spec.platform.resources", "spec.platform.workspace",
    ),
}  # fmt: skip
"""Each check with the parts of the spec that it reads."""
