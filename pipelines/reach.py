"""What step pods reach of the files that a spec names: what a claim holds where they look for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from raftops.spec.check_pods import PROJECT
from raftops.spec.model.assistant import Assistant

_FILE = "file://"


def out_of_reach(assistant: Assistant) -> list[str]:
    """Paths of the spec that no claim is mounted over: pods find them only where the images have them."""
    platform = assistant.spec.platform
    mounts = [PurePosixPath(volume.path) for volume in platform.volumes]
    mounts += [PROJECT / platform.store] if platform.workspace else []
    named = dict.fromkeys(_named(assistant))
    return [path for path in named if not any((PROJECT / path).is_relative_to(mount) for mount in mounts)]


def reach_note(assistant: Assistant) -> str:
    """A line for people; empty where every file is within reach."""
    lost = out_of_reach(assistant)
    if not lost:
        return ""
    return f"no claim of platform.volumes holds {', '.join(lost)}: step pods find it only where their images have it"


def _named(assistant: Assistant) -> Iterator[str]:
    data, models, train = assistant.spec.data, assistant.spec.models, assistant.spec.train
    yield data.documents.path
    yield data.access
    yield from data.examples
    yield from (source.removeprefix(_FILE) for source in (models.base, models.embedder) if source.startswith(_FILE))
    yield from [train.init_from] if train.init_from else []
