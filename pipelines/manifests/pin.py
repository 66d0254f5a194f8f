"""Write recorded digests into a kustomization's own `images:`, every other byte as it was. Asks no registry."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipelines.manifests.forms import UNSET
from pipelines.manifests.read import KUSTOMIZATIONS
from pipelines.manifests.resource import at, mapping
from raftops.errors import ManifestError
from raftops.files import write_text
from raftops.spec.model.base import STEPS

_PINNED = re.compile(r"(?P<name>[a-z0-9][\w./:-]*?)(?::\w[\w.-]{0,127})?@(?P<digest>sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Pinned:
    """What became of a kustomization: name@digest by the name in the resources, and images still without a digest."""

    file: Path
    images: Mapping[str, str]
    unset: tuple[str, ...]


def pin(folder: Path, images: Sequence[str]) -> Pinned:
    """Give each image of `images:` in a folder's kustomization the digest that is known of it, and its registry.

    Each name@sha256:... is for the entry of that name, or of that last part of it where only one has it. ManifestError
    where there is no kustomization, it has no `images:`, or nothing is known of any of them.
    """
    file = next((folder / name for name in KUSTOMIZATIONS if (folder / name).is_file()), None)
    if file is None:
        raise ManifestError(f"{folder}: holds no kustomization", next_step="name an overlay's folder")
    known: dict[str, str] = {}
    for image in images:
        match = _PINNED.fullmatch(image)
        if not match or match["digest"] == UNSET:
            raise ManifestError(f"{image}: not an image by digest", next_step="name@sha256:<64 hex digits>")
        known.setdefault(match["name"], match["digest"])
    text = file.read_text(encoding="utf-8")
    entries = _entries(file, text)
    edits, done, unset = [], {}, []
    for name, (joint, scalars) in entries.items():
        if found := _repository(name, entries, known):
            wanted = {"digest": known[found]} | ({"newName": found} if found != name or "newName" in scalars else {})
            for key, value in wanted.items():
                behind = scalars["name"].end_mark.index
                start, end = (
                    (scalars[key].start_mark.index, scalars[key].end_mark.index) if key in scalars else (behind,) * 2
                )
                edits.append((start, end, value if key in scalars else f"{joint}{key}: {value}"))
            done[name] = f"{found}@{known[found]}"
        elif "digest" not in scalars or scalars["digest"].value in ("", UNSET):
            unset.append(name)
    if not done:
        raise ManifestError(f"{file}: none of {', '.join(images)} is an image of it", next_step="see its images:")
    for start, end, value in sorted(edits, reverse=True):
        text = text[:start] + value + text[end:]
    write_text(file, text)
    return Pinned(file, done, tuple(unset))


def recorded(path: Path, steps: Collection[str] = STEPS) -> list[str]:
    """The images of some steps in the overlay that `make images PUSH=1` wrote. ManifestError where there are none."""
    if not path.exists():
        message = f"{path}: not there; `make images PUSH=1` records the digests of the images that it pushes"
        raise ManifestError(message, next_step="make images PUSH=1")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ManifestError(f"{path}: cannot be read ({error})", next_step="make images PUSH=1") from error
    images = mapping(at(content, "spec", "platform", "images"))
    found = [str(image) for step, image in images.items() if step in steps]
    if not found:
        what = f"records no image of {', '.join(steps)} (spec.platform.images)"
        raise ManifestError(f"{path}: {what}", next_step="make images PUSH=1")
    return found


def _entries(file: Path, text: str) -> dict[str, tuple[str, dict[str, yaml.ScalarNode]]]:
    """Items of `images:` by name: what stands between two keys of it, and its scalars with their places in the text."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ManifestError(f"{file}: not valid YAML: {error}", next_step="mend the file") from error
    items = _pairs(root).get("images")
    if not isinstance(items, yaml.SequenceNode) or not items.value:
        raise ManifestError(f"{file}: has no images:", next_step="add images: with the name of each image")
    entries = {}
    for item in items.value:
        scalars = {key: node for key, node in _pairs(item).items() if isinstance(node, yaml.ScalarNode)}
        if "name" not in scalars:
            raise ManifestError(f"{file}:{item.start_mark.line + 1}: an image without a name", next_step="name it")
        entries[str(scalars["name"].value)] = ", " if item.flow_style else f"\n{' ' * item.start_mark.column}", scalars
    return entries


def _pairs(node: yaml.Node | None) -> dict[str, yaml.Node]:
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _repository(name: str, names: Collection[str], known: Collection[str]) -> str | None:
    """Where an image is known to be: by its whole name, else by its last part, if no other image has that."""
    last = name.rpartition("/")[2]
    alike = [other for other in known if other.rpartition("/")[2] == last and other not in names]
    alone = sum(other.rpartition("/")[2] == last for other in names) == 1
    return name if name in known else alike[0] if alone and len(alike) == 1 else None
