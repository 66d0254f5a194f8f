"""Where the pods of a cluster take the project's data from: a bucket, by the hashes that DVC's pointer file records."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pipelines.inputs import Inputs
from raftops.data import Out, Source, content_by
from raftops.errors import StepError
from raftops.spec.check_pods import PROJECT
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.base import StepName, as_json

Sources = Mapping[StepName, Source]
READERS: tuple[StepName, ...] = ("validate", "ingest", "train")
"""Steps that read files of the project."""


def sources(assistant: Assistant, inputs: Inputs, root: Path) -> dict[StepName, Source]:
    """What each step that reads files has to be brought; nothing without `platform.dvc` and a pointer file.

    The adapter that training continues from is named file by file: a changed document is no change of train.

    Raises:
        StepError: the pointer file cannot be read.
    """
    spec = assistant.spec
    if spec.platform.dvc is None or not spec.data.dvc:
        return {}
    storage, outs = spec.platform.dvc, tracked(root / spec.data.dvc, root)
    content = content_by(inputs.documents, inputs.examples, root / spec.data.access)
    found: dict[StepName, Source] = {
        "validate": Source(storage=storage, outs=outs, content=content),
        "ingest": Source(storage=storage, outs=outs),
    }
    if spec.train.init_from:
        found["train"] = Source(storage=storage, outs=_files(root / spec.train.init_from, root))
    return found


def tracked(pointer: Path, root: Path) -> tuple[Out, ...]:
    """The files and folders of a pointer file, by their paths below the project."""
    try:
        rows = yaml.safe_load(pointer.read_text(encoding="utf-8"))["outs"]
        folder = pointer.parent.resolve().relative_to(root.resolve())
        return tuple(Out(path=(folder / row["path"]).as_posix(), md5=_hash(row)) for row in rows)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise StepError(f"{pointer}: not a pointer file of DVC 3", next_step="dvc add the data again") from error


def _hash(row: Mapping[str, Any]) -> str:
    """DVC 2 says no kind of hash: its remotes have other names, and its hashes of texts are of other bytes."""
    if row["hash"] != "md5":
        raise ValueError(row["hash"])
    return str(row["md5"])


def _files(folder: Path, root: Path) -> tuple[Out, ...]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(Out(path=path.relative_to(root).as_posix(), md5=_md5(path)) for path in paths)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def with_sources(config: Mapping[StepName, dict[str, Any]], found: Sources) -> dict[StepName, dict[str, Any]]:
    """The steps' arguments, with what is to be brought."""
    return {step: one | ({"source": as_json(found[step])} if step in found else {}) for step, one in config.items()}


def folders(source: Source | None) -> tuple[str, ...]:
    """Folders in a pod that files are brought to: the topmost that the source fills."""
    if source is None:
        return ()
    filled = {PurePosixPath(o.path) if o.md5.endswith(".dir") else PurePosixPath(o.path).parent for o in source.outs}
    top = [path for path in filled if not filled & set(path.parents)]
    return tuple(str(PROJECT / path) for path in sorted(top) if path.parts)
