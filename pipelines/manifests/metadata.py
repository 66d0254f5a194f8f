"""What a server refuses about metadata: too much of it, owners, finalizers, names to be made."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import RULES, label_key, own_rule
from pipelines.manifests.resource import Resource, at, listing, mapping, own

NOTES_BYTES = 256 * 1024
_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_SUFFIX, _MADE_AT_MOST = "x" * 5, 58
"""What a server appends to a name that it makes, and how much of the beginning it keeps."""


def metadata(resource: Resource) -> Iterator[Finding]:
    """Mistakes in a resource's metadata."""
    notes = mapping(at(resource.body, "metadata", "annotations"))
    size = sum(len(str(key).encode()) + len(str(value).encode()) for key, value in notes.items())
    if size > NOTES_BYTES:
        yield resource.finding(("metadata", "annotations"), f"{size} bytes", f"at most {NOTES_BYTES} in all")
    yield from _made_name(resource)
    yield from _owners(resource)
    for index, name in enumerate(listing(at(resource.body, "metadata", "finalizers"))):
        path: Path = ("metadata", "finalizers", index)
        if "/" not in str(name) and name not in _FINALIZERS and own(resource.group):
            yield resource.finding(path, f"{name!r:.80} has no domain", "example.com/name")
        else:
            yield from label_key(resource, path, name)


def _made_name(resource: Resource) -> Iterator[Finding]:
    made = at(resource.body, "metadata", "generateName")
    if isinstance(made, str) and made and not at(resource.body, "metadata", "name"):
        rule = own_rule(resource)
        if not rule.fullmatch(made[:_MADE_AT_MOST] + _SUFFIX):
            what = f"{made!r:.80} begins no name that Kubernetes accepts"
            yield resource.finding(("metadata", "generateName"), what, RULES[rule])


def _owners(resource: Resource) -> Iterator[Finding]:
    owners = [mapping(one) for one in listing(at(resource.body, "metadata", "ownerReferences"))]
    for index, owner in enumerate(owners):
        path: Path = ("metadata", "ownerReferences", index)
        for field in ("apiVersion", "kind", "name", "uid"):
            if owner.get(field) == "":
                yield resource.finding((*path, field), "empty", "name the owner in full, or remove it")
        if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event"):
            yield resource.finding((*path, "kind"), "an event owns nothing", "name another owner")
    controllers = [index for index, owner in enumerate(owners) if owner.get("controller") is True]
    for index in controllers[1:]:
        yield resource.finding(("metadata", "ownerReferences", index, "controller"), "a second one", "one controls")
