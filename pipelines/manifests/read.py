"""Files, folders and kustomizations to resources."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pipelines.manifests.loader import Loader
from pipelines.manifests.resource import Resource, listing, mapping
from raftops.errors import ManifestError

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
SECONDS = 60


def read(path: Path) -> list[Resource]:
    """The resources of a file, of what a kustomization becomes, or of every YAML file below a folder.

    Raises:
        ManifestError: there is no such path, it holds no resource, or it cannot be read or built.
    """
    if not path.exists():
        raise ManifestError(f"{path}: no such file or folder", next_step="name a YAML file or an overlay's folder")
    if path.is_dir() and any((path / name).is_file() for name in KUSTOMIZATIONS):
        found = list(parse(build(path), str(path)))
    else:
        files = sorted([*path.rglob("*.yaml"), *path.rglob("*.yml")]) if path.is_dir() else [path]
        found = [resource for file in files for resource in parse(_text(file), str(file))]
    if not found:
        raise ManifestError(
            f"{path}: holds no Kubernetes resource", next_step="name a YAML file or an overlay's folder"
        )
    return found


def build(folder: Path) -> str:
    """What `kubectl kustomize` makes of a folder; no server is asked."""
    kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
    if not kubectl:
        raise ManifestError(
            "kubectl: not found", next_step="install kubectl 1.27 or later; it builds overlays and asks no server"
        )
    done = subprocess.run(
        [kubectl, "kustomize", str(folder)], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        reason = done.stderr.strip().rpartition("err=")[2] or f"exit code {done.returncode}"
        raise ManifestError(f"{folder}: cannot be built: {reason}", next_step=f"kubectl kustomize {folder}")
    return done.stdout


def parse(text: str, source: str) -> Iterator[Resource]:
    """The documents of a YAML text; a List of any kind gives its items. Files of kustomize itself are passed over."""
    try:
        documents: list[Any] = list(yaml.load_all(text, Loader))  # noqa: S506  a safe loader
    except yaml.YAMLError as error:
        raise ManifestError(f"{source}: not valid YAML: {error}", next_step="mend the file") from error
    for number, document in enumerate(documents, 1):
        if document is None or _of_kustomize(document):
            continue
        if not isinstance(document, dict):
            raise ManifestError(f"{source}: document {number} is not a mapping", next_step="mend the file")
        for item in _items(document):
            yield Resource(mapping(item), f"{source}, document {number}")


def _items(document: dict[str, Any]) -> Iterator[Any]:
    """What a List holds, or a RoleList, whose items need not say that they are Roles; any other document itself."""
    kind = str(document.get("kind") or "")
    if kind != "List" and not (kind.endswith("List") and isinstance(document.get("items"), list)):
        yield document
        return
    shared = {"apiVersion": document.get("apiVersion"), "kind": kind.removesuffix("List")}
    for item in listing(document.get("items")):
        yield {**shared, **mapping(item)} if kind != "List" and not mapping(item).get("kind") else item


def _of_kustomize(document: Any) -> bool:
    """A kustomization, a component, a patch that deletes."""
    group = str(mapping(document).get("apiVersion") or "")
    return group.startswith("kustomize.config.k8s.io/") or "$patch" in mapping(document)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read ({error})", next_step="name a YAML file") from error
