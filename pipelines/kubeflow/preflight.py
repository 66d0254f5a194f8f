"""Before a spec is submitted: what no server refuses and yet goes wrong on a cluster (files that no pod sees, a release
that nothing keeps, GPUs that nothing uses, a server with published vulnerabilities). These are notes, not errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipelines.kubeflow.client import Server
from pipelines.wiring.data_source import brought
from pipelines.wiring.server_rules import FIXED, SERVERS, is_vulnerable
from raftops.data.plain import is_in_a_folder
from raftops.errors import ClusterError
from raftops.spec.check_pods import PROJECT
from raftops.spec.model.assistant import Assistant

SHOWN = 3
"""Paths that a note names."""
_FILE = "file://"


@dataclass(frozen=True)
class Note:
    """Something to know before a run is submitted, and what to do about it."""

    message: str
    next_step: str


def notes(assistant: Assistant, root: Path) -> Iterator[Note]:
    """Everything to know about a spec before it runs on a cluster."""
    spec, platform = assistant.spec, assistant.spec.platform
    if paths := unseen(assistant, root):
        shown = ", ".join(paths[:SHOWN]) + (f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else "")
        advice = "name a bucket in the spec, platform: {dvc: {uri: s3://bucket/data}}, and fill it by raftops data push"
        if platform.dvc:
            advice = "put them into a folder of the project (the one that data.dvc names, where it names one)"
        advice += "; or mount a claim by platform.volumes"
        yield Note(f"the pods of a cluster do not see {shown}", advice)
    if models := unseen_models(assistant):
        advice = "name them as hf://org/name@revision or package://module/file, or mount a claim by platform.volumes"
        yield Note(f"the pods of a cluster do not see the models {', '.join(models)}", advice)
    if not platform.workspace and not (platform.artifacts and platform.artifacts.push):
        advice = "platform.artifacts with push: true keeps it in a bucket, platform.workspace on a claim"
        yield Note("on a cluster the release ends with the pod that made it", advice)
    for step, resources in platform.resources.items():
        if (asked := resources.accelerator) and asked.count > 1 and not (step == "train" and spec.train.nodes > 1):
            advice = "count: 1; more GPUs train as a TrainJob, by train.nodes" if step == "train" else "count: 1"
            yield Note(f"{step} asks for {asked.count} {asked.type} and uses one of them", advice)


def old_server(server: Server) -> Iterator[Note]:
    """A server with published vulnerabilities. One that does not say its version, or cannot be asked, is not noted."""
    with suppress(ClusterError):
        version = server.version()
        if is_vulnerable(version):
            newest = ".".join(map(str, FIXED))
            yield Note(f"Kubeflow Pipelines {version} at {server.endpoint.url} has {SERVERS}", f"upgrade to {newest}")


def unseen(assistant: Assistant, root: Path) -> list[str]:
    """Paths of a spec that no pod would see: neither in a bucket's data nor on a claim.

    The nodes of a TrainJob fetch nothing from a bucket: an adapter that they continue from lies on a claim.
    """
    spec = assistant.spec
    claimed = [PurePosixPath(volume.path) for volume in spec.platform.volumes]
    held = [*claimed, *(PROJECT / out.path for out in brought(assistant, root))]
    read = [spec.data.documents.path, spec.data.access, *spec.data.examples]
    lost = [path for path in read if not _lies_in(path, held)]
    start = spec.train.init_from or ""
    # `raftops data push` stores an adapter below the project without a pointer file, too.
    if spec.platform.dvc is not None and not spec.data.dvc and is_in_a_folder(root / start / "raft", root):
        held.append(PROJECT / start)
    if start and not _lies_in(start, claimed if spec.train.nodes > 1 else held):
        lost.append(start)
    return lost


def unseen_models(assistant: Assistant) -> list[str]:
    """Paths of models that no pod would see: pods fetch none from a bucket, so each lies on a claim."""
    models, claims = assistant.spec.models, [PurePosixPath(v.path) for v in assistant.spec.platform.volumes]
    paths = [m.removeprefix(_FILE) for m in (models.base, models.embedder) if m.startswith(_FILE)]
    return [path for path in paths if not _lies_in(path, claims)]


def _lies_in(path: str, places: Sequence[PurePosixPath]) -> bool:
    return any((PROJECT / path).is_relative_to(place) for place in places)
