"""Finished adapters from one machine's cache to another's: what a task leaves for the one that waits for it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from raftops.files import link_or_copy
from raftops.training.tune import FOLDER, Job


def give_out(job: Job, part: Path) -> None:
    """Write what the cache holds of a finished adapter, for a task on another machine."""
    cached = (path for path in job.work.iterdir() if path.is_file())
    for file in (*sorted((job.work / "adapter").iterdir()), *sorted(cached)):
        relink(file, part / job.work.name / file.relative_to(job.work))


def take_in(parts: Sequence[Path], cache: Path) -> None:
    """Put what tasks on other machines made into this one's cache."""
    for trained in (folder for part in parts for folder in part.iterdir()):
        target = cache / FOLDER / trained.name
        pairs = [(file, target / file.name) for file in trained.iterdir() if file.is_file()]
        if all(ours.is_file() and ours.read_bytes() == theirs.read_bytes() for theirs, ours in pairs):
            continue  # the machines share one cache
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as temporary:
            whole = Path(temporary) / trained.name
            shutil.copytree(trained, whole, copy_function=link_or_copy)
            shutil.rmtree(target, ignore_errors=True)
            whole.rename(target)


def relink(file: Path, target: Path) -> None:
    """Link a file of the cache; an earlier file of that name is replaced, never written into."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    link_or_copy(str(file), str(target))
