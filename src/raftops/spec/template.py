"""What `raftops init` writes: a commented spec, its schema, and a tiny data set that the whole pipeline runs on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from raftops.errors import RaftopsError, SpecError
from raftops.files import write_text
from raftops.spec.model import Metadata
from raftops.spec.schema import json_schema

SCHEMA = "schema/raftops.schema.json"


def write_project(folder: Path, name: str) -> list[Path]:
    """Write a project named `name` into a folder, made if absent. With one file in the way, nothing is written."""
    _check_name(name)
    texts = {path: text.replace("{{name}}", name) for path, text in _texts()}
    texts[SCHEMA] = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    written = [folder / path for path in sorted(texts)]
    _check_free(folder, written)
    for path in sorted(texts):
        write_text(folder / path, texts[path])
    return written


def _check_name(name: str) -> None:
    try:
        Metadata(name=name)
    except ValidationError as error:
        said = "; ".join(item["msg"].removeprefix("Value error, ") for item in error.errors())
        raise SpecError(f"the name {name!r} {said}", next_step="raftops init FOLDER --name my-assistant") from error


def _check_free(folder: Path, paths: list[Path]) -> None:
    taken = [path for path in paths if path.exists() or path.is_symlink()]
    if folder.exists() and not folder.is_dir():
        taken = [folder]
    if taken:
        message = (
            f"{', '.join(map(str, taken[:3]))} {'exists' if len(taken) == 1 else 'exist'} already; nothing was written"
        )
        raise RaftopsError(message, next_step="choose an empty folder: raftops init NEW-FOLDER")


def _texts() -> Iterator[tuple[str, str]]:
    yield from _below(files("raftops.spec").joinpath("starter"), "")


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _below(item, f"{prefix}{item.name}/")
        else:
            yield f"{prefix}{item.name}", item.read_text(encoding="utf-8")
