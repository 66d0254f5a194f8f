"""Where the pods of a cluster take the project's data from: a bucket, by the hashes that DVC's pointer file records.

Without a pointer file they are the hashes of the files themselves (see `raftops.data.plain`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pipelines.wiring.inputs import Inputs
from pipelines.wiring.steps import TABLE
from raftops.data.dvc import Out, Source, content_by
from raftops.data.plain import files_below, listed
from raftops.errors import StepError
from raftops.spec.check_pods import PROJECT
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.base import STEPS, StepName, as_json

Sources = Mapping[StepName, Source]


def sources(assistant: Assistant, inputs: Inputs, root: Path) -> dict[StepName, Source]:
    """What the pod of each step that reads files has to fetch; nothing without `platform.dvc`.

    The adapter that training continues from is named file by file: a changed document is no change of train.

    Raises:
        StepError: the pointer file cannot be read.
    """
    spec, outs = assistant.spec, brought(assistant, root)
    storage = spec.platform.dvc
    if storage is None or not outs:
        return {}
    start = files_below(root / spec.train.init_from, root) if spec.train.init_from else ()
    files: Mapping[str, tuple[Out, ...]] = {"data": outs, "init_from": start, "": ()}
    read = {step: files[TABLE[step].reads] for step in STEPS}
    wanted = {step: Source(storage=storage, outs=some) for step, some in read.items() if some}
    # The first to read the data compares it with what was compiled.
    content = content_by(inputs.documents, inputs.examples, root / spec.data.access)
    return wanted | {"validate": wanted["validate"].model_copy(update={"content": content})}


def brought(assistant: Assistant, root: Path) -> tuple[Out, ...]:
    """The data that a bucket has for the pods: what the pointer file names, or the files themselves without one."""
    spec = assistant.spec
    if spec.platform.dvc is None:
        return ()
    if spec.data.dvc:
        return tracked(root / spec.data.dvc, root)
    return tuple(folder.out for folder in listed(assistant, root))


def tracked(pointer: Path, root: Path) -> tuple[Out, ...]:
    """The files and folders of a pointer file, by their paths below the project."""
    try:
        rows = yaml.safe_load(pointer.read_text(encoding="utf-8"))["outs"]
        folder = pointer.parent.resolve().relative_to(root.resolve())
        # DVC 2 records no kind of hash: its remotes have other names, and its hashes of texts are of other bytes.
        if other := [row["hash"] for row in rows if row["hash"] != "md5"]:
            raise ValueError(other)
        return tuple(Out(path=(folder / row["path"]).as_posix(), md5=str(row["md5"])) for row in rows)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise StepError(f"{pointer}: not a pointer file of DVC 3", next_step="dvc add the data again") from error


def with_sources(config: Mapping[StepName, dict[str, Any]], found: Sources) -> dict[StepName, dict[str, Any]]:
    """The steps' arguments, with what their pods fetch."""
    return {step: one | ({"source": as_json(found[step])} if step in found else {}) for step, one in config.items()}


def folders(source: Source | None) -> tuple[str, ...]:
    """Folders in a pod that files are fetched into: the topmost that the source fills."""
    if source is None:
        return ()
    filled = {PurePosixPath(o.path) if o.md5.endswith(".dir") else PurePosixPath(o.path).parent for o in source.outs}
    top = [path for path in filled if not filled & set(path.parents)]
    return tuple(str(PROJECT / path) for path in sorted(top) if path.parts)
