"""What `raftops init` writes: a commented spec, its schema, a tiny data set that runs, and a workflow for a forge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import reduce
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from raftops import __version__
from raftops.errors import RaftopsError, SpecError
from raftops.files import write_text
from raftops.spec.model.assistant import Metadata
from raftops.spec.schema import json_schema

SCHEMA = "schema/raftops.schema.json"
CI = {"github": ".github/workflows/raftops.yml", "gitlab": ".gitlab-ci.yml"}
"""Where each forge looks for what `write_ci` writes."""
MODELS = "requirements-models.txt"


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


def write_ci(folder: Path, forge: str, spec: str, name: str) -> list[Path]:
    """Write the workflow of a forge for a spec, and the list of its model packages where there is none.

    Raises:
        RaftopsError: there is a workflow already; nothing was written.
    """
    target = folder / CI[forge]
    _check_free(folder, [target])
    values = {"{{spec}}": spec, "{{name}}": name, "{{version}}": __version__}
    written = [(target, reduce(lambda text, item: text.replace(*item), values.items(), _workflow(f"{forge}.yml")))]
    if not (folder / MODELS).exists():
        written.append((folder / MODELS, _workflow(MODELS)))
    for path, text in written:
        write_text(path, text)
    return [path for path, _ in written]


def _workflow(name: str) -> str:
    return files("raftops.spec").joinpath("workflows", name).read_text(encoding="utf-8")


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
