"""What no server refuses and yet would go wrong on a cluster: files that no pod sees, a release that nothing keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipelines.source import tracked
from raftops.spec.check_pods import PROJECT
from raftops.spec.model.assistant import Assistant

SHOWN = 3
"""Paths that a note names."""


@dataclass(frozen=True)
class Note:
    """Something to know before a run is submitted, and what to do about it."""

    message: str
    next_step: str


def notes(assistant: Assistant, root: Path) -> Iterator[Note]:
    """Everything to know about a spec before it runs on a cluster."""
    if paths := unseen(assistant, root):
        shown = ", ".join(paths[:SHOWN]) + (f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else "")
        advice = "dvc add the data and name its bucket in platform.dvc, or mount a claim by platform.volumes"
        yield Note(f"the pods of a cluster do not see {shown}", advice)
    platform = assistant.spec.platform
    if not platform.workspace and not (platform.artifacts and platform.artifacts.push):
        advice = "platform.artifacts with push: true keeps it in a bucket, platform.workspace on a claim"
        yield Note("on a cluster the release ends with the pod that made it", advice)


def unseen(assistant: Assistant, root: Path) -> list[str]:
    """Paths of a spec that no pod would see: neither in a bucket's data nor on a claim.

    The nodes of a TrainJob are brought nothing: an adapter that they continue from lies on a claim.
    """
    spec, platform = assistant.spec, assistant.spec.platform
    claimed = [PurePosixPath(volume.path) for volume in platform.volumes]
    found = tracked(root / spec.data.dvc, root) if platform.dvc and spec.data.dvc else ()
    held = [*claimed, *(PROJECT / out.path for out in found)]
    start, read = spec.train.init_from or "", [spec.data.documents.path, spec.data.access, *spec.data.examples]
    lost = [path for path in read if not _lies_in(path, held)]
    return lost + [path for path in [start] if path and not _lies_in(path, claimed if spec.train.nodes > 1 else held)]


def _lies_in(path: str, places: Sequence[PurePosixPath]) -> bool:
    return any((PROJECT / path).is_relative_to(place) for place in places)
