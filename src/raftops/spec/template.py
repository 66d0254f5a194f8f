"""What `raftops init` writes: a commented spec, its schema, a tiny data set that runs, and a workflow for a forge."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import reduce
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml

from raftops import __version__
from raftops.errors import RaftopsError, SpecError
from raftops.files import write_text
from raftops.spec.explain import FORMS
from raftops.spec.model.base import LABEL
from raftops.spec.repository import main_branch, top_of
from raftops.spec.schema import json_schema

SCHEMA = "schema/raftops.schema.json"
CI = {"github": ".github/workflows/raftops.yml", "gitlab": ".gitlab-ci.yml"}
"""Where each forge looks for what `write_ci` writes."""
MODELS = "requirements-models.txt"
IGNORE = ".gitignore"
IGNORED = (".raftops/", "build/", ".venv/")
"""What of a project git does not keep: its store, where tokens and models lie, and what is made anew."""
_LATER = """\
    # No examples yet: answers are quotes, and nothing is trained or measured. raftops examples draft raftops.yaml
    # makes questions of the documents, and raftops examples review accepts them; then write
    # examples: ["data/examples/*.jsonl"]
"""
_OF_ONE = ".github/workflows/raftops-{name}.yml"
"""One assistant's workflow among several of a repository."""


def write_project(
    folder: Path, name: str, schemas: Mapping[str, str] | None = None, examples: bool = True
) -> list[Path]:
    """Write a project named `name` into a folder, made if absent. With one file in the way, nothing is written.

    `schemas` are more files of its folder `schema/`, by name; without `examples` it begins with documents alone.
    """
    if not re.fullmatch(LABEL, name):
        raise SpecError(
            f"the name {name!r} must be {FORMS[LABEL]}", next_step="raftops init FOLDER --name my-assistant"
        )
    # In quotes where YAML would read the name as something else than text: true, null, 2026.
    label = name if name[:1].isalpha() and isinstance(yaml.safe_load(name), str) else json.dumps(name)
    values = {"{{name}}": name, "{{label}}": label}
    starter = _below(files("raftops.spec").joinpath("starter"), "")
    texts = {path: reduce(lambda text, item: text.replace(*item), values.items(), text) for path, text in starter}
    texts[SCHEMA] = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    texts |= {f"schema/{file}": text for file, text in (schemas or {}).items()}
    if not examples:
        texts = {path: text for path, text in texts.items() if not path.startswith("data/examples/")}
        texts["raftops.yaml"] = re.sub(r"(?m)^(    )(examples:.*\n    splits:.*\n)", _LATER, texts["raftops.yaml"])
    written = [folder / path for path in sorted(texts)]
    _check_free(folder, written)
    for path in sorted(texts):
        write_text(folder / path, texts[path])
    return _ignored(folder / IGNORE) + written


def _ignored(path: Path) -> list[Path]:
    """Add to git's list what is not in it; what is there stays."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    known = {line.strip().strip("/") for line in lines}
    missing = [name for name in IGNORED if name.strip("/") not in known]
    if missing:
        write_text(path, "\n".join([*lines, *missing]) + "\n")
    return [path] if missing else []


def write_ci(folder: Path, forge: str, spec: str, name: str) -> list[Path]:
    """Write the workflow of a forge for a spec of a folder, and the list of its model packages where there is none.

    In a repository whose top lies above the folder, the workflow is written where the forge looks for it, and runs
    where something below the folder changes; several assistants of one repository have one each on GitHub.

    Raises:
        RaftopsError: there is a workflow already; nothing was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    inner = folder.resolve().relative_to(top_of(folder))
    top = Path(os.path.relpath(top_of(folder))) if inner.parts else folder
    target = top / (_OF_ONE.format(name=name) if inner.parts and forge == "github" else CI[forge])
    _check_free(top, [target], f"raftops init EMPTY-FOLDER --ci {forge} writes one to copy from")
    models = inner / MODELS
    values = {
        "{{spec}}": json.dumps((inner / spec).as_posix(), ensure_ascii=False), "{{label}}": json.dumps(name),
        "{{models}}": json.dumps(models.as_posix(), ensure_ascii=False), "{{name}}": name, "{{version}}": __version__,
        "{{manifests}}": json.dumps((inner / "manifests").as_posix(), ensure_ascii=False),
        "{{branch}}": json.dumps(main_branch(top), ensure_ascii=False),
        **_only_below(inner, os.path.relpath(target, top)),
    }  # fmt: skip
    written = [(target, reduce(lambda text, item: text.replace(*item), values.items(), _workflow(f"{forge}.yml")))]
    if not (top / models).exists():
        written.append((top / models, _workflow(MODELS)))
    for path, text in written:
        write_text(path, text)
    return [path for path, _ in written]


def _only_below(inner: Path, target: str) -> dict[str, str]:
    """Which changes a workflow runs at: all where the project is the repository."""
    if not inner.parts:
        return {"{{paths}}": "", "{{changes}}": ""}
    github = json.dumps([f"{inner.as_posix()}/**", target], ensure_ascii=False)
    gitlab = json.dumps([f"{inner.as_posix()}/**/*", target], ensure_ascii=False)
    return {"{{paths}}": f"\n    paths: {github}", "{{changes}}": f"\n      changes: {gitlab}"}


def _workflow(name: str) -> str:
    return files("raftops.spec").joinpath("workflows", name).read_text(encoding="utf-8")


def _check_free(
    folder: Path, paths: list[Path], next_step: str = "choose an empty folder: raftops init NEW-FOLDER"
) -> None:
    taken = [path for path in paths if path.exists() or path.is_symlink()]
    if folder.exists() and not folder.is_dir():
        taken = [folder]
    if taken:
        message = (
            f"{', '.join(map(str, taken[:3]))} {'exists' if len(taken) == 1 else 'exist'} already; nothing was written"
        )
        raise RaftopsError(message, next_step=next_step)


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _below(item, f"{prefix}{item.name}/")
        else:
            yield f"{prefix}{item.name}", item.read_text(encoding="utf-8")
