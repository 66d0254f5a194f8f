"""Which files a spec's `data` section names. Lists; reads nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from raftops.errors import StepError
from raftops.globs import nfc
from raftops.spec.model.knowledge import Data, Documents


def list_documents(documents: Documents, root: Path) -> list[tuple[str, Path]]:
    """(document id, path) of every file that the globs take, sorted by id.

    The id is the path below the folder, in the form that names are compared in (NFC), whatever the disk keeps.
    """
    folder = root / documents.path
    if not folder.is_dir():
        step = "check data.documents.path; `dvc pull` fetches data, a claim of platform.volumes brings it to a cluster"
        raise StepError(f"{folder}: no such folder", next_step=step)
    ids = ((nfc(path.relative_to(folder).as_posix()), path) for path in _files(folder))
    return sorted((doc_id, path) for doc_id, path in ids if documents.takes(doc_id))


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, hidden ones and those behind links that leave the folder left out."""
    real = folder.resolve()
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and _lies_below(real, path):
                yield path


def _lies_below(real: Path, path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(real)
    except (OSError, RuntimeError):  # links in a circle
        return False


def example_files(data: Data, root: Path) -> list[Path]:
    """The files of `data.examples`, in order, each once. A pattern that matches nothing is an error."""
    found: dict[Path, None] = {}
    for pattern in data.examples:
        anchor, glob = (Path("/"), pattern[1:]) if pattern.startswith("/") else (root, pattern)
        matches = sorted(path for path in anchor.glob(glob) if path.is_file())
        if not matches:
            raise StepError(f"data.examples: {pattern} matches no file below {root}", next_step="check the pattern")
        found |= dict.fromkeys(matches)
    return list(found)
