"""Files, folders and kustomizations to resources. Finds and calls kubectl; asks no server."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipelines.manifests.resource import Resource, listing, mapping
from raftops.errors import ManifestError

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_NAME_A_FILE = "name a YAML file or an overlay's folder"


class _Loader(yaml.SafeLoader):
    """Dates and times are text, as for kubectl; a key that stands twice is refused: the second would silently win."""

    yaml_implicit_resolvers = {
        first: [row for row in rows if row[0] not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")]
        for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read(path: Path) -> list[Resource]:
    """The resources of a file, a kustomization or every YAML file below a folder; ManifestError where there is none."""
    if not path.exists():
        raise ManifestError(f"{path}: no such file or folder", next_step=_NAME_A_FILE)
    if path.is_dir() and any((path / name).is_file() for name in KUSTOMIZATIONS):
        # The kubectl of this environment first: kustomize inside older ones stops at patches that newer ones take.
        done = kubectl(["kustomize", str(path)], (str(Path(sys.executable).parent), None), 60)
        if done.returncode:
            reason = " ".join(done.stderr.strip().rpartition("err=")[2].split())[:500] or f"exit code {done.returncode}"
            raise ManifestError(f"{path}: cannot be built: {reason}", next_step=f"kubectl kustomize {path}")
        texts = {str(path): done.stdout}
    else:
        files = sorted([*path.rglob("*.yaml"), *path.rglob("*.yml")]) if path.is_dir() else [path]
        try:
            texts = {str(file): file.read_text(encoding="utf-8") for file in files}
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"{path}: cannot be read ({error})", next_step=_NAME_A_FILE) from error
    found = [resource for source, text in texts.items() for resource in parse(text, source)]
    if not found:
        raise ManifestError(f"{path}: holds no Kubernetes resource", next_step=_NAME_A_FILE)
    return found


def kubectl(words: Sequence[str], folders: Sequence[str | None], seconds: float) -> subprocess.CompletedProcess[str]:
    """Call the first kubectl among folders; None stands for the PATH."""
    program = next(filter(None, (shutil.which("kubectl", path=folder) for folder in folders)), None)
    if not program:
        mend = "install kubectl 1.27 or later; it builds overlays and asks no server"
        raise ManifestError("kubectl: not found", next_step=mend)
    try:
        return subprocess.run([program, *words], capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        what = f"kubectl {words[0]}: no answer within {seconds:.0f} s"
        raise ManifestError(what, next_step="kubectl cluster-info") from error


def parse(text: str, source: str) -> Iterator[Resource]:
    """The documents of a YAML text; a List gives its items. Files of kustomize itself are passed over."""
    try:
        documents: list[Any] = list(yaml.load_all(text, _Loader))  # noqa: S506  a safe loader
    except yaml.YAMLError as error:
        raise ManifestError(f"{source}: not valid YAML: {error}", next_step="mend the file") from error
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict | None):
            raise ManifestError(f"{source}: document {number} is not a mapping", next_step="mend the file")
        body = mapping(document)
        of_kustomize = str(body.get("apiVersion")).startswith("kustomize.config.k8s.io/") or "$patch" in body
        for item in listing(body.get("items")) if body.get("kind") == "List" else [body]:
            if item and not of_kustomize:
                yield Resource(mapping(item), f"{source}, document {number}")
