"""Write recorded digests into a kustomization's own `images:`, every other byte as it was. Asks no registry."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipelines.manifests.images import UNSET
from pipelines.manifests.read import KUSTOMIZATIONS
from pipelines.manifests.resource import at, mapping
from raftops.errors import ManifestError
from raftops.files import write_text
from raftops.spec.model.base import STEPS

_PINNED = re.compile(r"(?P<name>[a-z0-9][\w./:-]*?)(?::\w[\w.-]{0,127})?@(?P<digest>sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Pinned:
    """What became of a kustomization."""

    file: Path
    images: Mapping[str, str]
    """name@digest by the name that stands in the resources."""
    unset: tuple[str, ...]
    """Images whose digest still has to be set."""


def pin(folder: Path, images: Sequence[str]) -> Pinned:
    """Give each image of `images:` in a folder's kustomization the digest that is known of it, and its registry.

    Args:
        images: name@sha256:..., each for the entry of that name, or of that last part of it where only one has it.

    Raises:
        ManifestError: no kustomization there, one without `images:`, or nothing known of any of them.
    """
    file = _file(folder)
    text = file.read_text(encoding="utf-8")
    edits: list[tuple[int, int, str]] = []
    done: dict[str, str] = {}
    unset = []
    entries = list(_entries(file, text))
    known = [_parsed(image) for image in images]
    for entry in entries:
        if found := _of(entry.name, [e.name for e in entries], known):
            repository, digest = found
            edits += entry.set("digest", digest)
            if repository != entry.name or "newName" in entry.values:
                edits += entry.set("newName", repository)
            done[entry.name] = f"{repository}@{digest}"
        elif entry.digest in ("", UNSET):
            unset.append(entry.name)
    if not done:
        raise ManifestError(f"{file}: none of {', '.join(images)} is an image of it", next_step="see its images:")
    write_text(file, _edited(text, edits))
    return Pinned(file, done, tuple(unset))


def recorded(path: Path, steps: Collection[str] = STEPS) -> list[str]:
    """The images of some steps in the overlay that `make images PUSH=1` wrote. ManifestError where there are none."""
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


@dataclass(frozen=True)
class _Entry:
    """One item of `images:`: its scalars with their places in the text."""

    values: Mapping[str, yaml.ScalarNode]
    indent: int
    flow: bool

    @property
    def name(self) -> str:
        return str(self.values["name"].value)

    @property
    def digest(self) -> str:
        return str(self.values["digest"].value) if "digest" in self.values else ""

    def set(self, key: str, value: str) -> Iterator[tuple[int, int, str]]:
        """The edit that gives a key its value: in its place, or behind the name."""
        if key in self.values:
            node = self.values[key]
            yield node.start_mark.index, node.end_mark.index, value
        else:
            behind = self.values["name"].end_mark.index
            joint = ", " if self.flow else "\n" + " " * self.indent
            yield behind, behind, f"{joint}{key}: {value}"


def _entries(file: Path, text: str) -> Iterator[_Entry]:
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ManifestError(f"{file}: not valid YAML: {error}", next_step="mend the file") from error
    items = _pairs(root).get("images")
    if not isinstance(items, yaml.SequenceNode) or not items.value:
        raise ManifestError(f"{file}: has no images:", next_step="add images: with the name of each image")
    for item in items.value:
        scalars = {key: node for key, node in _pairs(item).items() if isinstance(node, yaml.ScalarNode)}
        if "name" not in scalars:
            raise ManifestError(f"{file}:{item.start_mark.line + 1}: an image without a name", next_step="name it")
        yield _Entry(scalars, item.start_mark.column, bool(item.flow_style))


def _pairs(node: yaml.Node | None) -> dict[str, yaml.Node]:
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _of(name: str, names: Sequence[str], known: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """What is known of an image: by its whole name, else by its last part, if no other image has that."""
    last = name.rpartition("/")[2]
    exact = [image for image in known if image[0] == name]
    alike = [image for image in known if image[0].rpartition("/")[2] == last and image[0] not in names]
    alone = sum(other.rpartition("/")[2] == last for other in names) == 1
    return next(iter(exact), None) or (alike[0] if alone and len(alike) == 1 else None)


def _parsed(image: str) -> tuple[str, str]:
    match = _PINNED.fullmatch(image)
    if not match or match["digest"] == UNSET:
        raise ManifestError(f"{image}: not an image by digest", next_step="name@sha256:<64 hex digits>")
    return match["name"], match["digest"]


def _edited(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    for start, end, value in sorted(edits, reverse=True):
        text = text[:start] + value + text[end:]
    return text


def _file(folder: Path) -> Path:
    for name in KUSTOMIZATIONS:
        if (folder / name).is_file():
            return folder / name
    raise ManifestError(f"{folder}: holds no kustomization", next_step="name an overlay's folder")
